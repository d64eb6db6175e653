"""Makes the spool that later versions have to open: `fixtures/schema-N.tar.xz`, N being today's schema.

Run by hand when a schema is new, and never again once that was released:

    PYTHONPATH=tests .venv/bin/python tests/spool/make_fixture.py

The archive has the spool twice, `closed` with all in its database and `open` as it lies there after a crash,
with a log that is not written back, and `contents.json`, which says what is in both.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from e3_event import Event, Snapshot
from e3_event.handler_tools import attachments
from e3_event.spool import Key, Spool
from e3_event.spool._deliveries import Delivery, State
from e3_event.spool._queue import Queue
from e3_event.spool._schema import MIGRATIONS
from e3_event.spool._subscriptions import Lane

NOW = 1_750_000_000.0
ARCHIVE, MAIL = Key("archive"), Key("mail", "6f1d2c3b4a5968778695a4b3c2d1e0f0")
#: Of the configured handler, what becomes of the first events; the others wait.
FATES = (State.DELIVERED, State.AGAIN, State.DEAD, State.DROPPED, State.SKIPPED, State.DELIVERED, State.AGAIN)
REASONS = {State.AGAIN: "connection refused", State.DEAD: "no such recipient", State.DROPPED: "too large"}
DAMAGE = "event 99: it is damaged: its checksum does not fit"


class Text:
    """What JSON can't hold."""

    def __str__(self) -> str:
        return "as text"


def events(folder: Path) -> list[Event]:
    """Events of all kinds, oldest first; the files that some have attached lie in *folder*."""
    files = {"small": b"small\n" * 100, "large": b"large, and in a file of its own\n" * 2000}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    made = [
        Event("plain", number=number, tags=["a", {"b": 1.5}], text="Zeile \u00fc\n") for number in range(8)
    ]
    for number in range(4):
        made.append(Event("attached", number=number))
        for name in list(files)[: number % 2 + 1]:
            made[-1].attach_file(folder / name, name)
    made.append(Event("text", odd=Text()))
    (folder / "log").write_text("begun\n")
    made.append(Event("changed"))
    made[-1].attach_file(folder / "log", "log")
    (folder / "log").write_text("begun\nand done\n")
    (folder / "gone").write_text("soon gone")
    made.append(Event("left out"))
    made[-1].attach_file(folder / "gone", "gone")
    (folder / "gone").unlink()
    return made


class Maker:
    """A spool that is filled, and what is known of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = Spool(folder / "spool", clock=lambda: NOW)
        self.numbers = dict(zip((ARCHIVE, MAIL), self.spool.register([ARCHIVE, MAIL]), strict=True))
        self.put: list[Snapshot] = []
        self.owners: list[str] = []

    def fill(self) -> None:
        for event in events(self.folder):
            self._put(event, ARCHIVE)
        twice = Event("twice", status="running")
        self._put(twice, ARCHIVE)
        twice.status = "ok"
        self._put(twice, ARCHIVE)
        for number in range(3):
            self._put(Event("private", number=number), MAIL)
        self._serve_archive()
        self._serve_mail()
        with self.spool._database.writing():
            self.spool._database.report_damage(DAMAGE)

    def _put(self, event: Event, key: Key) -> None:
        snapshot = event.snapshot()
        snapshot_id = self.spool.put(snapshot, owed_to=None if key is ARCHIVE else [key])
        self.put.append(self.spool.read(snapshot_id))
        self.owners.append(key.name)

    def _settle(self, queue: Queue, fates: tuple[State, ...], **options: Any) -> None:
        done = []
        for one, state in zip(queue.turn([], len(fates)), fates, strict=True):
            reason = REASONS.get(state, "")
            attempts, duration = one.attempts + 1, 0.25
            done.append(Delivery(one.seq, queue.number, state, attempts, 0, NOW + 60, NOW, duration, reason))
        queue.turn(done, **options)

    def _serve_archive(self) -> None:
        """A worker that has settled some, is in the middle of others, and has a backlog to come to."""
        queue = self.spool.queue(self.numbers[ARCHIVE])
        assert queue.acquire()
        self._settle(queue, FATES)
        queue.release()
        self.spool.ledger.retry(event=self.put[6].uid)
        self.spool.ledger.replay("archive", NOW)  # what was settled before: a backlog
        queue = self.spool.queue(self.numbers[ARCHIVE])
        assert queue.acquire()
        self._settle(queue, FATES)
        self.spool.ledger.retry(event=self.put[1].uid)
        assert len(queue.turn([], 3)) == 3  # they are out: two that are new, and one that was tried before

    def _serve_mail(self) -> None:
        """A worker whose sink is down."""

        def note(lane: Lane) -> None:
            lane.down, lane.reason, lane.probe = NOW - 100, "connection refused", NOW + 60
            lane.failures, lane.failed = 3, [1, 2, 3]

        queue = self.spool.queue(self.numbers[MAIL])
        assert queue.acquire()
        self._settle(queue, (State.AGAIN,), note=note)
        queue.release()

    def contents(self) -> dict[str, Any]:
        """What is in the spool, as JSON can hold it."""
        return {
            "snapshots": [
                {
                    "snapshot_id": one.snapshot_id,
                    "data": one.as_dict(),
                    "attachments": {
                        attachment.name: hashlib.sha256(attachment.open().read()).hexdigest()
                        for attachment in attachments(one)
                    },
                    "owed_to": owner,
                }
                for one, owner in zip(self.put, self.owners, strict=True)
            ],
            "deliveries": self._deliveries(),
            "damage": [DAMAGE],
        }

    def _deliveries(self) -> list[dict[str, Any]]:
        rows: Any = self.spool._database.connection.execute(
            "SELECT snapshot_id, subscription, state, attempts, reason FROM delivery JOIN event USING (seq)"
            " ORDER BY seq, subscription"
        )
        names = {number: key.name for key, number in self.numbers.items()}
        return [
            {"snapshot_id": row[0], "handler": names[row[1]], "state": State(row[2]).name, "attempts": row[3],
             "reason": row[4]}
            for row in rows
        ]  # fmt: skip


def pack(folder: Path, archive: Path) -> None:
    """Pack a folder so that the same content gives the same archive."""

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = int(NOW)
        return info

    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for name in sorted(os.listdir(folder)):
            tar.add(folder / name, name, filter=plain)


def main() -> None:
    archive = Path(__file__).parent / "fixtures" / f"schema-{len(MIGRATIONS)}.tar.xz"
    archive.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch, "source"), Path(scratch, "target")
        source.mkdir()
        target.mkdir()
        maker = Maker(source)
        maker.fill()
        (target / "contents.json").write_text(json.dumps(maker.contents(), indent=1))
        shutil.copytree(source / "spool", target / "open", ignore=shutil.ignore_patterns("*-shm"))
        maker.spool.close()
        shutil.copytree(source / "spool", target / "closed")
        pack(target, archive)
    print(f"{archive}: {archive.stat().st_size} bytes")  # noqa: T201  it is run by hand


if __name__ == "__main__":
    main()
