"""Row H13: a spool's folder, or something in it, is a link, somebody else's, or open to others."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from e3_event import Event, EventError
from e3_event.spool import Spool
from e3_event.spool._backup import backup
from e3_event.spool._check import check

from .attack import attacked, contents_of, losses_of, tell
from .folders import NOBODY

if TYPE_CHECKING:
    from .bench import Bench, Outcome
    from .child import Child

#: Attacks of one trial, and of one of `make test`.
ATTACKS, FEW = 20, 10
#: What is attacked: the folder itself, and what is written to in it.
_PARTS = ("", "spool.db", "spool.db-wal", "spool.mark", "blobs")
_REASONS = ("links are not followed", "chmod go-w", "a spool has one owner")


def _link(path: str) -> None:
    """a link"""
    elsewhere = f"{path}.elsewhere"
    os.rename(path, elsewhere)
    os.symlink(elsewhere, path)


def _open(path: str) -> None:
    """open to others"""
    os.chmod(path, os.stat(path).st_mode | 0o022)


def _give(path: str) -> None:
    """somebody else's"""
    os.chown(path, NOBODY, NOBODY)


def _enter(path: str) -> None:
    with contextlib.closing(Spool(path)) as spool:
        spool.put(Event("x"))


#: How it is attacked, and how somebody meets it.
_ATTACKS: tuple[Callable[[str], None], ...] = (_link, _open, _give)
_WAYS: tuple[Callable[[str], object], ...] = (
    _enter,
    check,
    lambda path: check(path, repair=True),
    lambda path: backup(path, os.path.join(os.path.dirname(path), "backup")),
)


def trespass(bench: Bench) -> Outcome:
    """Attack copies of a spool, and use each."""
    return attacked(bench, meet_strangers, attacks=FEW if bench.is_short else ATTACKS)


def meet_strangers(child: Child) -> None:
    whole = child.beside("whole")
    spool = Spool(whole)
    for event in (next(child.events()) for _ in range(10)):
        spool.put(event)
    attacks = _ATTACKS if os.geteuid() == 0 else _ATTACKS[:-1]

    def attack() -> list[str]:
        place = child.beside("place")
        path = os.path.join(place, "spool")
        shutil.copytree(whole, path)
        how, part = child.random.choice(attacks), child.random.choice(_PARTS)
        number = child.random.randrange(len(_WAYS))
        how(os.path.join(path, part) if part else path)
        what = f"{part or 'the folder'}: {how.__doc__}, way {number}"
        losses = losses_of(what, lambda: _refused(place, path, _WAYS[number]))
        shutil.rmtree(place)
        return losses

    tell(child, (attack() for _ in range(child.options["attacks"])))


def _refused(place: str, path: str, way: Callable[[str], object]) -> list[str]:
    """It must be refused, with the reason, and nothing may be another than before."""
    before = contents_of(place)
    losses = ["it was not refused"]
    try:
        way(path)
    except EventError as error:
        is_told = path in str(error) and any(reason in str(error) for reason in _REASONS)
        losses = [] if is_told else [f"without a reason: {error}"]
    changed = sorted(contents_of(place).items() ^ before.items())
    return losses + [f"changed: {name}" for name, _ in changed]
