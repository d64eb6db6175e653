"""What must be so after a spool was damaged: nothing wrong comes of it, and nothing is lost in silence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from e3_event import Event, EventError
from e3_event.handler_tools import attachments
from e3_event.spool import Key, Spool
from e3_event.spool._check import check
from e3_event.spool._deliveries import State
from e3_event.spool._fsck._findings import Finding, Kind

from .damage import digests, states_of
from .stock import LATER, Delivered, Stock

if TYPE_CHECKING:
    from .hits import Hit

#: Findings that tell of events that can't be had any more.
_TELLS = frozenset((Kind.EVENT, Kind.MISSING, Kind.LOST))
#: Events that one bit may cost at most: those of a page.
MOST = 20
_numbers = re.compile(r"(\d+) to (\d+)|event (\d+)").finditer


class Use(NamedTuple):
    """What a spool gave while nobody knew that it is damaged.

    :ivar delivered: what came
    :ivar put: id of an event that it took meanwhile; empty: it took none
    """

    delivered: Delivered
    put: str


class Trial:
    """One spool, of which copies are damaged.

    :param stock: what it holds
    """

    def __init__(self, stock: Stock) -> None:
        self._stock = stock
        self._owed = stock.owed
        self._new = Event("meanwhile", text="as it was put").snapshot()

    def losses(self, copy: Path, hit: Hit, *, is_used: bool) -> list[str]:
        """Say what is broken of the promise in a copy.

        :param is_used: whether it is used before it is repaired
        """
        before = digests(copy)
        found = check(copy)
        losses = [] if digests(copy) == before else ["a check changed something"]
        use = self._use(copy) if is_used else None
        if use is not None:
            losses += self._of_use(use)
            found += check(copy)
        repaired = check(copy, repair=True)
        losses += [f"nothing was done about it: {one}" for one in repaired if not one.done]
        losses += [f"still there after the repair: {one}" for one in check(copy)]
        found += repaired
        after = self._stock.deliver(copy, 3 * LATER)
        losses += [f"after the repair: {text}" for text in (*after.wrong, *after.refused)]
        come = [use.delivered, after] if use else [after]
        if not found:
            losses += self._of_harmless(come, hit)
        return losses + self._of_end(copy, hit, found, come, use.put if use else "")

    def _use(self, copy: Path) -> Use:
        put = ""
        try:
            spool = Spool(copy)
        except EventError:  # as the delivery will be
            pass
        else:
            try:
                put = spool.put(self._new, owed_to=[Key("nobody", "f9")])
            except EventError:
                pass
            finally:
                spool.close()
        return Use(self._stock.deliver(copy), put)

    def _of_use(self, use: Use) -> list[str]:
        refused = [text for text in use.delivered.refused if "fsck" not in text]
        losses = [f"in use: {text}" for text in use.delivered.wrong]
        return losses + [f"in use: it names no remedy: {text}" for text in refused]

    def _of_harmless(self, come: list[Delivered], hit: Hit) -> list[str]:
        """Nothing was found. So all must be as if nothing had happened."""
        losses = [f"not found: {text}" for one in come for text in one.problems]
        counts: dict[tuple[int, int], int] = {}
        for one in come:
            for pair, count in one.came.items():
                counts[pair] = counts.get(pair, 0) + count
        wanted = dict.fromkeys(self._owed, 1)
        if hit.takes_log:  # it may as well have been written back; what was only in it comes again
            counts = {pair: 1 for pair in counts if pair in wanted}
        if counts != wanted:
            losses.append(f"not found, and not as before: {sorted(counts.items() ^ wanted.items())}")
        return losses

    def _of_end(
        self, copy: Path, hit: Hit, found: list[Finding], come: list[Delivered], put: str
    ) -> list[str]:
        """Each event is there or told to be lost, and each delivery is in one state, its last one."""
        told = _told(found)
        counts = [count for one in come for count in one.came.items()]
        losses = [f"came {count} times at once: {pair}" for pair, count in counts if count > 1]
        states = states_of(copy)
        came = {pair for pair, _ in counts}
        for pair in self._stock.every:
            state = states.get(pair)
            if (state is None or state < State.DEAD) and pair[0] not in told:
                losses.append(f"the delivery {pair} ended in no state, but {state!r}")
            elif pair in self._owed and pair not in came and state is not State.DEAD and pair[0] not in told:
                losses.append(f"what was owed did not come: {pair}, {state!r}")
        return losses + self._of_events(copy, hit, told, put)

    def _of_events(self, copy: Path, hit: Hit, told: set[int], put: str) -> list[str]:
        spool = Spool(copy)
        try:
            problems = {
                seq: problem
                for (seq, (data, files, _)), snapshot_id in zip(
                    self._stock.events.items(), self._stock.snapshots, strict=True
                )
                if (problem := _problem(spool, snapshot_id, data, files))
            }
            losses = [
                f"event {seq} is not intact, and nobody tells: {problem}"
                for seq, problem in problems.items()
                if seq not in told
            ]
            if hit.bit is not None and len(problems) > MOST:
                losses.append(f"one bit cost {len(problems)} events")
            if put and (problem := _problem(spool, put, self._new.as_dict(), {})):
                losses.append(f"an event that was put meanwhile: {problem}")
            losses += self._standstill(spool)
        finally:
            spool.close()
        return losses

    def _standstill(self, spool: Spool) -> list[str]:
        spool.put(Event("goes-on"))
        seq = spool._database.newest()
        return [f"an event gets the number {seq} again"] if seq <= len(self._stock.events) else []


def _told(found: list[Finding]) -> set[int]:
    """The events that findings say are lost, or in quarantine."""
    told: set[int] = set()
    for one in found:
        if one.kind in _TELLS:
            for match in _numbers(one.what):
                first, last, single = match.groups()
                told.update([int(single)] if single else range(int(first), int(last) + 1))
    return told


def _problem(spool: Spool, snapshot_id: str, data: object, files: dict[str, bytes]) -> str:
    """What is wrong with a snapshot; empty: nothing."""
    try:
        snapshot = spool.read(snapshot_id)
        if snapshot.as_dict() != data:
            return "other data"
        kept = {}
        for one in attachments(snapshot):
            with one.open() as file:
                kept[one.name] = file.read()
    except (EventError, OSError) as error:
        return str(error).strip()
    return "" if kept == files else "other attachments"
