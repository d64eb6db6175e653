"""Spools of other versions: an older one is opened with all that is in it, a newer one is not touched."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from faults.damage import digests, rows

from cli.command import e3_event
from e3_event import Event, EventHandler
from e3_event._errors import SpoolError
from e3_event._relay import Relay, Subscriber
from e3_event.handler_tools import attachments
from e3_event.spool import Spool, _check, _database
from e3_event.spool._backup import backup
from e3_event.spool._check import check
from e3_event.spool._deliveries import State
from e3_event.spool._fsck._findings import Kind
from e3_event.spool._schema import MIGRATIONS
from e3_event.spool._subscriptions import LEASE
from e3_event.testing import Clock
from spool.make_fixture import ARCHIVE, MAIL, NOW

FIXTURES = Path(__file__).parent / "fixtures"
VERSIONS = range(1, len(MIGRATIONS) + 1)
KEYS = {key.name: key for key in (ARCHIVE, MAIL)}
SETTLED = ("DELIVERED", "DEAD", "DROPPED", "SKIPPED")
#: What the next schema may be.
NEXT = "CREATE TABLE later (seq INTEGER) STRICT; ALTER TABLE event ADD COLUMN note TEXT NOT NULL DEFAULT ''"


class Old:
    """A spool that an earlier version left, unpacked.

    :param kind: `closed`, or `open`: with a log that is not written back, and its worker gone
    """

    def __init__(self, folder: Path, version: int, kind: str) -> None:
        with tarfile.open(FIXTURES / f"schema-{version}.tar.xz") as archive:
            archive.extractall(folder, filter="fully_trusted")  # our own; the rights of its folders count
        self.path = folder / kind
        self.contents: dict[str, Any] = json.loads((folder / "contents.json").read_text())

    def owed(self) -> Counter[tuple[str, str]]:
        """What is still owed: names of handlers, ids of snapshots."""
        settled = {
            (one["handler"], one["snapshot_id"])
            for one in self.contents["deliveries"]
            if one["state"] in SETTLED
        }
        every = [(one["owed_to"], one["snapshot_id"]) for one in self.contents["snapshots"]]
        return Counter(pair for pair in every if pair not in settled)


@pytest.fixture(params=[(version, kind) for version in VERSIONS for kind in ("closed", "open")], ids=str)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Old:
    return Old(tmp_path, *request.param)


@pytest.fixture
def newest(tmp_path: Path) -> Old:
    return Old(tmp_path, len(MIGRATIONS), "closed")


class Reading(EventHandler):
    """Notes which snapshots it gets, and what their attachments hold."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.files: dict[str, dict[str, str]] = {}

    def send_event(self, event: Event) -> bool:
        self.got.append(event.snapshot_id)
        self.files[event.snapshot_id] = files(event)
        return True


def files(event: Any) -> dict[str, str]:
    """The SHA-256 of its attachments, by their names."""
    found = {}
    for attachment in attachments(event):
        with attachment.open() as file:
            found[attachment.name] = hashlib.sha256(file.read()).hexdigest()
    return found


def test_every_event_of_an_older_spool_is_there_with_its_attachments(old: Old) -> None:
    spool = Spool(old.path)
    for expected in old.contents["snapshots"]:
        snapshot = spool.read(expected["snapshot_id"])
        assert snapshot.as_dict() == expected["data"]
        assert files(snapshot) == expected["attachments"]
    spool.close()
    data = [one["data"] for one in old.contents["snapshots"]]
    for key in ("sent_as_text", "attachments_changed", "attachments_left_out"):
        assert any(key in one for one in data), "the fixture has something of everything"
    assert len({one["uid"] for one in data}) < len(data)


def test_what_became_of_events_is_known_of_an_older_spool(old: Old) -> None:
    spool = Spool(old.path)
    found = {(one.key.name, hit.snapshot_id): one for hit in spool.ledger.events() for one in hit.standings}
    spool.close()
    for expected in old.contents["deliveries"]:
        standing = found[expected["handler"], expected["snapshot_id"]]
        assert standing.delivery is not None
        assert State(standing.delivery.state).name == expected["state"]
        assert standing.delivery.attempts == expected["attempts"]
        assert standing.delivery.reason == expected["reason"]
    assert {one["state"] for one in old.contents["deliveries"]} == {state.name for state in State}
    assert set(found) == {(one["owed_to"], one["snapshot_id"]) for one in old.contents["snapshots"]}


def test_what_an_older_spool_owes_is_delivered_and_nothing_else(old: Old) -> None:
    clock = Clock(NOW + 10 * LEASE)  # whoever had something out is gone
    spool = Spool(old.path, clock=clock)
    handlers = {name: Reading() for name in KEYS}
    relay = Relay(
        spool,
        [Subscriber(key=key, build=lambda name=name: handlers[name]) for name, key in KEYS.items()],  # type: ignore[misc]
    )
    assert relay.run_once(60)
    assert not relay.waits()
    relay.close()
    came = Counter((name, one) for name, handler in handlers.items() for one in handler.got)
    assert came == old.owed()
    expected = {one["snapshot_id"]: one["attachments"] for one in old.contents["snapshots"]}
    for handler in handlers.values():
        assert handler.files == {one: expected[one] for one in handler.got}
    spool.close()


def test_a_check_of_an_older_spool_finds_only_what_it_had_noted_itself(old: Old) -> None:
    found = check(old.path)
    assert [(one.kind, one.what) for one in found] == [
        (Kind.LOST, f"noted before: {what}") for what in old.contents["damage"]
    ]
    check(old.path, repair=True)
    assert check(old.path) == []


def test_an_older_spool_can_be_backed_up(old: Old, tmp_path: Path) -> None:
    made = backup(str(old.path), tmp_path / "copy")
    assert made.events == len(old.contents["snapshots"])
    spool = Spool(tmp_path / "copy")
    for expected in old.contents["snapshots"]:
        assert files(spool.read(expected["snapshot_id"])) == expected["attachments"]
    spool.close()


def test_new_events_follow_those_of_an_older_spool(old: Old) -> None:
    spool = Spool(old.path, clock=Clock(NOW + 1))
    event = Event("new")
    spool.put(event, owed_to=[MAIL])
    assert spool.ledger.find(event.uid) == [len(old.contents["snapshots"]) + 1]
    assert spool.register([ARCHIVE, MAIL]) == [1, 2]
    spool.close()


@pytest.fixture
def upgrade(monkeypatch: pytest.MonkeyPatch) -> Upgrade:
    return Upgrade(monkeypatch)


class Upgrade:
    """Lets this process know one schema more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def to(self, script: str) -> None:
        for module in (_database, _check):
            self._patch.setattr(module, "MIGRATIONS", (*MIGRATIONS, script))
        _check.expected_schema.cache_clear()

    def undo(self) -> None:
        self._patch.undo()
        _check.expected_schema.cache_clear()


def schema(path: Path) -> int:
    return int(rows(path, "PRAGMA user_version")[0][0])


def notes(path: Path) -> list[str]:
    return [note for (note,) in rows(path, "SELECT note FROM event ORDER BY seq")]


def test_a_spool_is_migrated_once_with_all_that_is_in_it(newest: Old, upgrade: Upgrade) -> None:
    upgrade.to(f"{NEXT}; UPDATE event SET note = note || 'migrated'")
    for _ in range(2):
        Spool(newest.path).close()
        assert schema(newest.path) == len(MIGRATIONS) + 1
        assert notes(newest.path) == ["migrated"] * len(newest.contents["snapshots"])


@pytest.mark.parametrize("use", ["fsck", "fsck --repair", "backup"])
def test_a_check_and_a_backup_migrate_a_spool_as_well(
    newest: Old, upgrade: Upgrade, use: str, tmp_path: Path
) -> None:
    upgrade.to(NEXT)
    if use == "backup":
        assert backup(str(newest.path), tmp_path / "copy").events == len(newest.contents["snapshots"])
    else:
        assert {one.kind for one in check(newest.path, repair="--repair" in use)} == {Kind.LOST}
    assert schema(newest.path) == len(MIGRATIONS) + 1


MIGRATING = f"""
import sys
from e3_event.spool import Spool, _database
_database.MIGRATIONS += ({NEXT + "; UPDATE event SET note = note || 'migrated'"!r},)
print("ready", flush=True)
sys.stdin.readline()
Spool(sys.argv[1]).close()
"""


def test_several_processes_that_open_a_spool_at_once_migrate_it_once(newest: Old) -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", MIGRATING, str(newest.path)]
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) for _ in range(5)]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write(b"go\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert errors == [b""] * 5
    assert schema(newest.path) == len(MIGRATIONS) + 1
    assert notes(newest.path) == ["migrated"] * len(newest.contents["snapshots"])


@pytest.mark.parametrize("kind", ["closed", "open"])
@pytest.mark.parametrize(
    "fault",
    ["no such statement", "INSERT INTO audience VALUES (0, '', 0)", "SELECT abs(-9223372036854775808)"],
)
def test_a_migration_that_fails_leaves_the_spool_as_it_was(
    tmp_path: Path, upgrade: Upgrade, kind: str, fault: str
) -> None:
    old = Old(tmp_path, len(MIGRATIONS), kind)
    before = {name: rows(old.path, f"SELECT * FROM {name}") for name in ("event", "delivery", "spool")}
    upgrade.to(f"{NEXT}; DELETE FROM delivery; {fault}")
    with pytest.raises(SpoolError, match=f"{old.path}"):
        Spool(old.path)
    assert schema(old.path) == len(MIGRATIONS)
    upgrade.undo()
    assert {name: rows(old.path, f"SELECT * FROM {name}") for name in before} == before
    assert {one.kind for one in check(old.path)} == {Kind.LOST}


@pytest.fixture(params=["closed", "open"])
def newer(request: pytest.FixtureRequest, tmp_path: Path, upgrade: Upgrade) -> Old:
    """A spool of a later version; `open`: as it lies there after a crash of that."""
    later = Old(tmp_path, len(MIGRATIONS), "closed")
    upgrade.to(NEXT)
    spool = Spool(later.path, clock=Clock(NOW))
    spool.put(Event("of a later version"), owed_to=[MAIL])
    if request.param == "open":
        kept = {name: (later.path / name).read_bytes() for name in ("spool.db", "spool.db-wal", "spool.mark")}
        assert kept["spool.db-wal"]
    spool.close()
    if request.param == "open":
        for name, content in kept.items():
            (later.path / name).write_bytes(content)
            (later.path / name).chmod(0o600)
    upgrade.undo()
    return later


def state(path: Path) -> dict[str, tuple[str, int]]:
    """What the files of a spool hold, and when they were written; SQLite's index of a log is no data."""
    return {name: (digest, (path / name).stat().st_mtime_ns) for name, digest in digests(path).items()}


COMMANDS = ("ls", "status", "relay --once", "fsck", "fsck --repair", "backup copy", "purge", "send x", "dead")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_touches_a_newer_spool(newer: Old, tmp_path: Path, command: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[spool]\npath = "{newer.path}"\n[handlers.archive]\ntype = "file"\nlog_dir = "out"\n')
    before = state(newer.path)
    done = e3_event("--config", config, *command.split(), cwd=tmp_path)
    refused = (
        f"schema {len(MIGRATIONS) + 1} is newer than this e3-event knows ({len(MIGRATIONS)}); upgrade it"
    )
    assert refused in (done.stdout + done.stderr).decode()
    assert done.returncode == (1 if command == "status" else 2)
    assert state(newer.path) == before
    assert sorted(os.listdir(tmp_path)) == ["closed", "config.toml", "contents.json", "open"], "no remains"


def test_a_newer_spool_is_refused_and_not_touched(newer: Old) -> None:
    before = state(newer.path)
    for use in (Spool, check, lambda path: backup(path, f"{path}.copy")):
        with pytest.raises(SpoolError, match=f"schema {len(MIGRATIONS) + 1} is newer"):
            use(str(newer.path))
    with pytest.raises(SpoolError, match="is newer"):
        check(newer.path, repair=True)
    assert state(newer.path) == before


def test_a_process_that_has_a_spool_open_while_it_is_migrated_goes_on(newest: Old, upgrade: Upgrade) -> None:
    spool = Spool(newest.path, clock=Clock(NOW))
    upgrade.to(NEXT)
    Spool(newest.path).close()
    put = spool.put(Event("x"), owed_to=[MAIL])
    assert Spool(newest.path).read(put)["name"] == "x"
    spool.close()
    assert {one.kind for one in check(newest.path)} == {Kind.LOST}
