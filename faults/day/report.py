"""What is told of a day: a table, and a chart of memory, of what waits, and of kills."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from e3_event.spool._deliveries import State
from faults.report import about

from .chart import Line, Marks, Panel, svg
from .checks import MOST_GROWTH
from .life import WRITERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from faults.promise import Books

    from .checks import Account, Memory
    from .life import Record, Sample

_COLOURS = {
    "plain": "#0072b2",
    "flapping": "#d55e00",
    "dead": "#666666",
    "many": "#009e73",
    "slow": "#cc79a7",
    "strict": "#b8a000",
}
_KILL = "#d40000"
_COLUMNS = ("delivered", "dead letters", "of these abandoned", "duplicates", "out at kills", "most waiting")
_MIB = 1 << 20


class Result(NamedTuple):
    """What a day has come to.

    :ivar controls: broken variants, and whether each was caught
    :ivar memory: of the relay that was never killed; `None`: the day was too short to tell
    """

    seed: int
    record: Record
    books: Books
    accounts: Mapping[str, Account]
    losses: Sequence[str]
    controls: Mapping[str, bool]
    memory: Memory | None

    @property
    def is_fine(self) -> bool:
        is_flat = self.memory is None or self.memory.is_flat
        return not self.losses and is_flat and all(self.controls.values())


def as_markdown(result: Result) -> str:
    """The file that is committed; also what is printed."""
    record, books = result.record, result.books
    hit = sum(kill.out > 0 for kill in record.kills)
    out = sum(kill.out for kill in record.kills)
    text = [
        "# A day in small: the last run",
        "",
        f"`make day`, ended {about(result.seed)}.",
        "What is done and what is checked: [README](README.md#a-day-in-small).",
        "",
        f"**{'ok' if result.is_fine else 'FAILED'}**: {len(result.losses)} losses.",
        "",
        "| what | figure |",
        "|---|---|",
        f"| events put, by {WRITERS} processes | {len(books.tried):,} in {record.ended:.0f} s |",
        f"| acknowledged | {len(books.acknowledged):,} |",
        f"| kills of a relay | {len(record.kills)}, {hit} of them while deliveries were out: {out:,} |",
        f"| outages of the handler that flaps | {len(record.outages)} |",
        f"| everything delivered after the last put | {_drained(record)} |",
        f"| memory of the relay that was never killed | {_memory(result.memory)} |",
        *(
            f"| control: {name} | {'caught' if is_caught else 'NOT CAUGHT'} |"
            for name, is_caught in result.controls.items()
        ),
        "",
        f"| handler | {' | '.join(_COLUMNS)} |",
        f"|---|{'---|' * len(_COLUMNS)}",
        *(_row(name, account, record) for name, account in result.accounts.items()),
        "",
        "![memory, backlog and deliveries over time](day.svg)",
        *(f"\n- {loss}" for loss in result.losses[:20]),
    ]
    return "\n".join(text) + "\n"


def _drained(record: Record) -> str:
    return "not in time" if record.drained is None else f"within {record.drained - record.ended:.0f} s"


def _memory(memory: Memory | None) -> str:
    if memory is None:
        return "the day was too short to tell"
    early, late, most = memory.early / _MIB, memory.late / _MIB, MOST_GROWTH / _MIB
    verdict = "flat" if memory.is_flat else "GROWS"
    return (
        f"{early:.1f} MiB in the second minute, {late:.1f} MiB in the last one:"
        f" {late - early:+.1f} MiB, {verdict} (at most +{most:g} MiB)"
    )


def _row(name: str, account: Account, record: Record) -> str:
    dead = account.count(State.DEAD)
    abandoned = dead - record.dead.get(name, 0)
    most = max(sample.waiting[name] for sample in record.samples)
    return (
        f"| {name} | {account.count(State.DELIVERED):,} | {dead:,} | {abandoned:,} | {account.duplicates:,} |"
        f" {sum(account.out.values()):,} | {most:,} |"
    )


def chart(result: Result) -> str:
    """The chart, as SVG."""
    record = result.record
    panels = [
        Panel("resident memory of each relay, MiB", _memory_lines(record)),
        Panel(
            "deliveries that wait, by handler",
            [_waiting(record.samples, name) for name in _COLOURS if name != "dead"],
            [(start / 60, end / 60) for start, end in record.outages],
            "flapping is down",
        ),
        Panel(
            "deliveries that wait for the handler that is dead, thousands",
            [_waiting(record.samples, "dead", 1000)],
        ),
        Panel("deliveries a second, all handlers", [_rate(record.samples)]),
    ]
    return svg(
        f"A day in small: {len(result.books.acknowledged):,} events, {len(record.kills)} kills",
        panels,
        Marks("a relay is killed", _KILL, [kill.at / 60 for kill in record.kills]),
    )


def _memory_lines(record: Record) -> list[Line]:
    by_pid: dict[int, list[tuple[float, float]]] = {}
    for sample in record.samples:
        for pid, size in sample.memory.items():
            by_pid.setdefault(pid, []).append((sample.at / 60, size / _MIB))
    steady = Line("never killed", "#0072b2", by_pid.pop(record.steady))
    return [steady, *(Line("killed, started anew", "#999999", points) for points in by_pid.values())]


def _waiting(samples: Sequence[Sample], name: str, unit: int = 1) -> Line:
    return Line(name, _COLOURS[name], [(one.at / 60, one.waiting[name] / unit) for one in samples])


def _rate(samples: Sequence[Sample]) -> Line:
    """Over five seconds each."""
    some = samples[::5]
    points = [(b.at / 60, (b.delivered - a.delivered) / (b.at - a.at)) for a, b in pairwise(some)]
    return Line("all handlers", "#0072b2", points)
