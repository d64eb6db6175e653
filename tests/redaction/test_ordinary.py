"""Ordinary text is unharmed: what is masked in a lot of it is counted, and there is a reason for each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from benchmarks.logs import KINDS, log_of

from e3_event._redaction import Redactor
from e3_event._redaction._stream import Span

#: Shape that masks ordinary text -> why that is accepted.
ACCEPTED = {
    # Behind `password:` any word may be the password, also in prose, in a path and before a tag:
    # `- password: the password to use`, `/srv/password:/data`, `render_password: the matrix took 60 ms`.
    "password: value",
    # A word with a digit behind `token:` looks like a token: `example/manager-token:1.2.3`.
    "name: random value",
    # A listing of code gives a variable to another one as a file of settings does: `token = current_token`.
    "name = value",
    "name: 'value'",
    # An example of a header has the form of one: `Set-Cookie: fig=newton`.
    "cookie",
}
#: Kind of a log -> what is masked in 4 MB of it; of all others nothing.
MASKED = {
    "docker": Counter({"password: value": 63, "name: random value": 71}),
    "service": Counter({"password: value": 13}),
}


def masked_in(data: bytes) -> Counter[str]:
    """How often something is masked, by shapes."""
    found: Counter[str] = Counter()

    def tell(_text: bytes, _before: int, spans: Sequence[Span]) -> None:
        found.update(name for span in spans for name in span.names)

    redactor = Redactor((), tell)
    redactor.feed(data)
    redactor.finish()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_next_to_nothing_is_masked_in_a_log_of(kind: str) -> None:
    log = log_of(kind, 4_000_000)
    assert log.count(b"\n") > 30_000
    assert masked_in(log) == MASKED.get(kind, Counter())


def test_less_than_one_line_in_a_thousand_of_a_library_is_masked() -> None:
    """Python's own: it deals with passwords and tokens, and all of it is code."""
    files = [path for path in Path(os.__file__).parent.rglob("*.py") if "site-packages" not in path.parts]
    found: Counter[str] = Counter()
    lines = 0
    for path in files:
        if not {"test", "tests"} & {*path.parts}:  # these have secrets as examples
            data = path.read_bytes()
            lines += data.count(b"\n")
            found += masked_in(data)
    assert lines > 100_000
    assert 0 < found.total() < lines / 1000
    assert found.keys() <= ACCEPTED


def test_what_is_accepted_is_masked_somewhere() -> None:
    assert {shape for masked in MASKED.values() for shape in masked} < ACCEPTED
