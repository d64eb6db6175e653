"""A log with a thousand secrets of all shapes and of variables: none is stored, nothing else is changed."""

from __future__ import annotations

import random

import pytest

from e3_event._redact import MASK, SHAPES
from redaction.examples import masked, secrets_in
from redaction.planted import PLANTS, plant
from redaction.streams import stored


def test_every_shape_is_planted() -> None:
    assert PLANTS.keys() == SHAPES.keys()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_none_of_a_thousand_secrets_is_stored_and_nothing_else_is_changed(seed: int) -> None:
    planted = plant(seed, 1000)
    assert len(planted.kinds) == len(SHAPES) + 1
    assert stored(planted.log, planted.values) == planted.log
    data = planted.data
    choice = random.Random(seed)
    cuts: list[int] = []
    while (at := (cuts or [0])[-1] + choice.choice([1, 10, 1000, 50_000])) < len(data):
        cuts.append(at)
    shown = stored(data, planted.values, cuts)
    assert [secret for secret in secrets_in(planted.marked) if secret.encode() in shown] == []
    assert shown.count(MASK.encode()) == 1000
    assert shown == masked(planted.marked, MASK).encode()
    assert stored(shown, planted.values) == shown
