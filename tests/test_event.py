"""Events, their attachments, snapshots and dumps."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
import pickle
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e3_event import Attachment, E3Error, Event, EventError, Snapshot, unique_id
from e3_event._ids import _first
from e3_event.handler_tools import attachments, snapshot_id


def sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "job.log"
    path.write_bytes(b"first line\n")
    return path


def test_an_event_has_the_documented_data_in_order() -> None:
    before = time.time()
    event = Event("build", branch="main")
    assert list(event.as_dict()) == ["uid", "name", "begin_time", "end_time", "branch"]
    assert (event.name, event.branch, event.end_time) == ("build", "main", None)
    assert before <= event.begin_time <= time.time()


def test_keyword_arguments_may_override_times_but_not_be_lost() -> None:
    event = Event("x", uid="", begin_time=5.0, end_time="never")
    assert event.as_dict() == {
        "uid": "",
        "name": "x",
        "begin_time": "1970-01-01T00:00:05",
        "end_time": "never",
    }


def test_attributes_are_data() -> None:
    event = Event("x")
    event.status = "ok"
    assert event.status == event["status"] == "ok"
    assert "status" in event
    assert "missing" not in event
    with pytest.raises(AttributeError, match="Event has no data key 'missing'"):
        _ = event.missing
    with pytest.raises(KeyError):
        _ = event["missing"]


def test_an_item_reads_a_key_that_a_method_hides() -> None:
    event = Event("x", close="at five", snapshot=1, __deepcopy__=2)
    assert event["close"] == "at five"
    assert callable(event.close)
    assert event.as_dict()["snapshot"] == 1
    assert copy.deepcopy(event)["__deepcopy__"] == 2


def test_an_event_is_not_iterable() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        list(Event("x"))  # type: ignore[call-overload]


def test_its_repr_has_no_data() -> None:
    assert repr(Event("n", uid="u", password="hunter2")) == "Event(name='n', uid='u')"


def test_a_closed_event_refuses_changes(log: Path) -> None:
    event = Event("x", uid="u")
    event.close()
    first = event.end_time
    event.close()
    assert event.end_time == first
    changes: list[Callable[[], None]] = [
        lambda: setattr(event, "a", 1),
        lambda: event.attach_file(str(log)),
    ]
    for change in changes:
        with pytest.raises(EventError) as caught:
            change()
        assert str(caught.value) == "event x (u) closed"
    assert "a" not in event


@pytest.mark.parametrize("key", ["name", "uid"])
def test_a_name_that_can_not_be_shown_keeps_no_error_from_being_told(key: str, tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    for value, shown in ((10**5000, "<int>"), (deep, "<list>")):
        event = Event("x", uid="u")
        setattr(event, key, value)
        assert f"{key}={shown}" in repr(event)
        with pytest.raises(EventError, match="can't be dumped"):
            event.dump(tmp_path)
        event.close()
        with pytest.raises(EventError, match=f"{shown}.* closed"):
            event.x = 1


def test_leaving_the_block_closes_and_lets_the_exception_through() -> None:
    with pytest.raises(ZeroDivisionError), Event("x") as event:
        _ = 1 / 0
    assert event.end_time is not None


def test_a_formatter_replaces_its_key() -> None:
    event = Event("x", size=2048)
    event.set_formatter("size", lambda key, value: {f"{key}_kb": value // 1024, "unit": "kB"})
    event.set_formatter("begin_time", lambda key, value: {})
    shown = event.as_dict()
    assert (shown["size_kb"], shown["unit"]) == (2, "kB")
    assert not {"size", "begin_time"} & set(shown)


@pytest.mark.parametrize("value", [5, "text", None, float("nan"), float("inf"), 1e300])
def test_what_is_no_date_stays_as_it_is(value: Any) -> None:
    shown = Event("x").format_date("k", value)
    assert shown == {"k": value} or value != value


def test_the_first_ids_of_a_process_are_as_the_later_ones() -> None:
    code = (
        "import sys; from e3_event import unique_id\n"
        "print(unique_id(), 'uuid' in sys.modules, *(unique_id() for _ in range(30)), 'uuid' in sys.modules)"
    )
    before = time.time_ns() // 1_000_000
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, is_loaded, *others, is_loaded_later = done.stdout.split()
    assert (is_loaded, is_loaded_later) == ("False", "True")
    ids = [first, *others]
    assert ids == sorted(set(ids))
    assert {(uuid.UUID(one).version, uuid.UUID(one).variant) for one in ids} == {(7, uuid.RFC_4122)}
    assert {str(uuid.UUID(one)) for one in ids} == set(ids)
    assert before <= uuid.UUID(first).int >> 80 <= time.time_ns() // 1_000_000


@pytest.mark.parametrize("rest", [0, 1, 244, 999_999])
def test_a_first_id_has_its_time_and_random_bits_in_their_places(rest: int) -> None:
    made = uuid.UUID(_first(1_700_000_000_123_000_000 + rest, b"\xff" * 8))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == 1_700_000_000_123
    assert made.int >> 64 & 0xFFF == rest * 4096 // 1_000_000
    assert made.int & (1 << 62) - 1 == (1 << 62) - 1


def test_ids_are_new_and_sorted_by_time() -> None:
    ids = [unique_id() for _ in range(2000)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert all(len(id_) == 36 and id_[14] == "7" for id_ in ids)


@pytest.mark.parametrize(
    "make",
    [copy.copy, copy.deepcopy, lambda event: pickle.loads(pickle.dumps(event))],
    ids=["copy", "deepcopy", "pickle"],
)
@pytest.mark.parametrize("kind", ["event", "snapshot"])
def test_a_copy_is_equal_and_stands_alone(make: Any, kind: str, log: Path) -> None:
    event = Event("x", tags=["a"])
    event.attach_file(str(log))
    source = event if kind == "event" else event.snapshot()
    twin = make(source)
    assert type(twin) is type(source)
    assert twin.as_dict() == source.as_dict()
    assert twin.get_attachments() == source.get_attachments()
    if kind == "event":
        twin.more = 1
        twin.close()
        assert "more" not in event
        event.still_open = True
    else:
        assert twin.snapshot_id == source.snapshot_id


class TestAttachments:
    def test_path_as_given_and_sha1_are_recorded(self, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(log.parent)
        event = Event("x")
        event.attach_file("job.log")
        event.attach_file(log, "as-path")
        assert event.get_attachments() == {
            "log": ("job.log", sha1(b"first line\n")),
            "as-path": (str(log), sha1(b"first line\n")),
        }

    @pytest.mark.parametrize("path", ["missing", ".", "fifo", "dangling", "nul\0", "\ud800"])
    def test_what_is_no_file_is_refused(
        self, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        os.mkfifo("fifo")
        os.symlink("nowhere", "dangling")
        with pytest.raises(E3Error) as caught:
            Event("x").attach_file(path)
        assert (caught.value.messages, caught.value.origin) == (["sha1"], f"cannot find {path}")

    def test_a_second_one_of_a_name_replaces_the_first_with_a_warning(
        self, log: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        other = log.with_name("other")
        other.write_bytes(b"other")
        event = Event("x")
        event.attach_file(str(log))
        event.attach_file(str(other))
        assert event.get_attachments() == {"log": (str(other), sha1(b"other"))}
        assert "attachment 'log' is replaced" in caplog.text

    def test_a_relative_path_survives_a_change_of_folder(
        self, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(log.parent)
        event = Event("x")
        event.attach_file("job.log")
        monkeypatch.chdir("/")
        (attachment,) = attachments(event)
        with attachment.open() as file:
            assert file.read() == b"first line\n"

    def test_what_the_file_holds_when_sent_goes_out_marked(self, log: Path) -> None:
        event = Event("x")
        event.attach_file(str(log))
        log.write_bytes(b"first line\nsecond line\n")
        snapshot = event.snapshot()
        assert snapshot.get_attachments() == {"log": (str(log), sha1(b"first line\nsecond line\n"))}
        assert snapshot.as_dict()["attachments_changed"] == ["log"]
        assert "attachments_changed" not in event.as_dict()

    def test_a_change_of_the_same_size_within_the_clock_tick_is_seen(self, log: Path) -> None:
        event = Event("x")
        log.write_bytes(b"AAAA")
        event.attach_file(str(log))
        before = log.stat()
        log.write_bytes(b"BBBB")
        os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert event.snapshot().as_dict()["attachments_changed"] == ["log"]

    def test_an_untouched_old_file_is_not_read_again(self, log: Path) -> None:
        os.utime(log, (1, 1))
        event = Event("x")
        event.attach_file(str(log))
        before = log.stat().st_atime_ns
        os.chmod(log, 0)
        assert event.snapshot().get_attachments() == event.get_attachments()
        assert log.stat().st_atime_ns == before

    def test_a_missing_file_is_named_and_the_event_goes_out(
        self, log: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        event = Event("x")
        event.attach_file(str(log))
        log.unlink()
        snapshot = event.snapshot()
        assert snapshot.get_attachments() == {}
        assert snapshot.as_dict()["attachments_left_out"] == {"log": "No such file or directory"}
        assert str(log) in caplog.text

    def test_a_file_that_became_a_fifo_is_left_out_without_blocking(self, log: Path) -> None:
        event = Event("x")
        event.attach_file(str(log))
        log.unlink()
        os.mkfifo(log)
        assert "not a regular file" in event.snapshot().as_dict()["attachments_left_out"]["log"]

    def test_an_attachment_shows_its_name_and_path(self, log: Path) -> None:
        assert repr(Attachment.of_file(str(log), "log")) == f"Attachment('log', {str(log)!r})"


class TestSnapshots:
    def test_a_snapshot_never_changes(self, log: Path) -> None:
        event = Event("x", uid="u", tags=["a"])
        snapshot = event.snapshot()
        event.tags.append("b")
        event.more = 1
        event.close()
        assert snapshot.tags == snapshot.as_dict()["tags"] == ["a"]
        assert "more" not in snapshot
        snapshot.as_dict()["tags"].append("c")
        snapshot.tags.append("d")
        snapshot["tags"].append("e")
        snapshot.close()
        assert snapshot.tags == snapshot["tags"] == snapshot.as_dict()["tags"] == ["a"]
        assert snapshot.end_time is None
        changes: list[Callable[[], None]] = [
            lambda: setattr(snapshot, "a", 1),
            lambda: snapshot.attach_file(str(log)),
            lambda: snapshot.set_formatter("a", lambda key, value: {}),
        ]
        for change in changes:
            with pytest.raises(EventError, match=r"a snapshot of event x \(u\) is read-only"):
                change()

    def test_each_has_its_own_id_and_is_its_own_snapshot(self) -> None:
        event = Event("x")
        one, other = event.snapshot(), event.snapshot()
        assert one.snapshot_id != other.snapshot_id
        assert one.snapshot() is one

    def test_what_it_adds_never_shadows_a_data_key(self, log: Path) -> None:
        event = Event("x", snapshot_id="mine", attachments="mine too", sent_as_text="and this", odd=b"")
        event.attach_file(str(log))
        snapshot = event.snapshot()
        assert [getattr(snapshot, key) for key in ("snapshot_id", "attachments")] == ["mine", "mine too"]
        assert snapshot.as_dict()["sent_as_text"] == "and this"
        assert snapshot_id(snapshot) == snapshot._snapshot_id
        assert [attachment.name for attachment in attachments(snapshot)] == ["log"]

    def test_its_additions_are_attributes(self, log: Path) -> None:
        event = Event("x")
        event.attach_file(str(log))
        snapshot = event.snapshot()
        assert snapshot.snapshot_id == snapshot_id(snapshot)
        assert [attachment.path for attachment in snapshot.attachments] == [str(log)]
        with pytest.raises(AttributeError, match="Snapshot has no data key 'other'"):
            _ = snapshot.other

    def test_raw_values_stay_readable_beside_what_formatters_show(self) -> None:
        event = Event("x", begin_time=5.25, size=2048)
        event.set_formatter("size", lambda key, value: {"kb": value // 1024})
        snapshot = event.snapshot()
        assert (snapshot.begin_time, snapshot.size) == (5.25, 2048)
        assert snapshot.as_dict()["kb"] == 2

    def test_what_json_cannot_hold_is_sent_as_text_and_named(self) -> None:
        shown = Event("x", path=Path("/tmp"), deep={"nan": float("nan")}).snapshot().as_dict()
        assert shown["path"] == "/tmp"
        assert shown["deep"] == {"nan": "nan"}
        assert shown["sent_as_text"] == ["path", "deep.nan"]

    def test_data_and_attachments_may_be_added_while_one_is_made(self, tmp_path: Path, log: Path) -> None:
        """As another thread may; here what is called meanwhile does it, so that it always happens."""

        class Adding:
            def __str__(self) -> str:
                setattr(event, unique_id(), "more")
                return "text"

        class Attaching(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                event.attach_file(str(log), "more")

        event = Event("x", odd=Adding())
        event.set_formatter("odd", lambda key, value: {key: str(value)})
        gone = tmp_path / "gone"
        gone.write_bytes(b"x")
        event.attach_file(str(gone), "gone")
        event.attach_file(str(log), "kept")
        gone.unlink()
        logging.getLogger("e3.event").addHandler(Attaching())
        assert list(event.snapshot().get_attachments()) == ["kept"]
        assert list(event.get_attachments()) == ["gone", "kept", "more"]

    def test_an_as_dict_of_a_subclass_is_honoured(self) -> None:
        class Short(Event):
            def as_dict(self) -> dict[str, Any]:
                return {"name": self.name}

        assert Short("x").snapshot().as_dict() == {"name": "x"}


class TestDumps:
    def test_a_dump_has_the_documented_keys_and_ours_beside_them(self, tmp_path: Path, log: Path) -> None:
        event = Event("x", uid="u", begin_time=5.25)
        event.attach_file(str(log))
        path = event.dump(tmp_path / "new" / "folder")
        content = json.loads(Path(path).read_text())
        assert content == {
            "data": {"uid": "u", "name": "x", "begin_time": "1970-01-01T00:00:05", "end_time": None},
            "attachments": {"log": [str(log), sha1(b"first line\n")]},
            "closed": False,
            "times": {"begin_time": 5.25},
            "version": 1,
        }
        assert os.path.basename(path).startswith("u-")

    def test_times_come_back_exactly(self, tmp_path: Path) -> None:
        event = Event("x", value="é☃")
        event.close()
        loaded = Event.load(event.dump(tmp_path))
        assert (loaded.begin_time, loaded.end_time) == (event.begin_time, event.end_time)
        assert loaded.as_dict() == event.as_dict()
        with pytest.raises(EventError, match="closed"):
            loaded.more = 1

    def test_an_open_event_stays_open(self, tmp_path: Path) -> None:
        loaded = Event.load(Event("x").dump(tmp_path))
        loaded.more = 1
        loaded.close()
        assert isinstance(loaded.end_time, float)

    def test_times_that_do_not_fit_the_text_are_not_believed(self, tmp_path: Path) -> None:
        path = Path(Event("x", begin_time=5.25).dump(tmp_path))
        path.write_text(path.read_text().replace("5.25", "7.25"))
        assert Event.load(path)["begin_time"] == "1970-01-01T00:00:05"

    def test_what_json_cannot_hold_is_refused_with_its_key_and_leaves_no_file(self, tmp_path: Path) -> None:
        for value in (float("inf"), b"x", {1, 2}, {"deep": object()}):
            with pytest.raises(EventError, match=r"can't hold the value of `odd[.deep]*`"):
                Event("x", odd=value).dump(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_an_attachment_whose_path_is_no_text_is_refused_and_leaves_no_file(self, tmp_path: Path) -> None:
        path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
        Path(path).write_bytes(b"x")
        event = Event("x")
        event.attach_file(path)
        with pytest.raises(EventError, match="name or path of attachment 'log' is no UTF-8"):
            event.dump(tmp_path / "dumps")
        assert os.listdir(tmp_path) == [os.path.basename(path)]

    def test_a_snapshot_can_be_loaded_as_one(self, tmp_path: Path, log: Path) -> None:
        event = Event("x", uid="u")
        event.attach_file(str(log))
        loaded = Snapshot.load(event.snapshot().dump(tmp_path))
        assert (loaded.as_dict(), list(loaded.get_attachments())) == (event.as_dict(), ["log"])
        assert loaded.snapshot_id

    @pytest.mark.parametrize("uid", ["../../up", "a/b", "\0", "x" * 5000])
    def test_the_uid_never_leads_out_of_the_folder(self, uid: str, tmp_path: Path) -> None:
        path = Event("x", uid=uid).dump(tmp_path / "in")
        assert Path(path).parent == tmp_path / "in"
        assert Event.load(path).uid == uid

    def test_an_attachment_of_a_dump_is_sent_only_if_it_is_what_was_dumped(
        self, tmp_path: Path, log: Path
    ) -> None:
        event = Event("x")
        event.attach_file(str(log))
        path = event.dump(tmp_path)
        loaded = Event.load(path)
        assert loaded.get_attachments() == event.get_attachments()
        with attachments(loaded)[0].open() as file:
            assert file.read() == b"first line\n"
        snapshot = loaded.snapshot()
        log.write_bytes(b"other")
        assert "SHA-1 differs" in loaded.snapshot().as_dict()["attachments_left_out"]["log"]
        with pytest.raises(OSError, match="SHA-1 differs"):
            attachments(snapshot)[0].open()

    @pytest.mark.parametrize("target", ["/etc/shadow", "/etc/passwd", "/dev/zero", "fifo", "/", "nul\0"])
    def test_a_dump_cannot_make_us_send_a_file_that_its_writer_cannot_read(
        self, target: str, tmp_path: Path
    ) -> None:
        os.mkfifo(tmp_path / "fifo")
        path = str(tmp_path / target) if target == "fifo" else target
        dump = tmp_path / "dump.json"
        content = {
            "data": {"uid": "u", "name": "n"},
            "attachments": {"log": [path, "0" * 40]},
            "closed": True,
        }
        dump.write_text(json.dumps(content))
        snapshot = Event.load(dump).snapshot()
        assert snapshot.get_attachments() == {}
        assert list(snapshot.as_dict()["attachments_left_out"]) == ["log"]


def test_snapshots_are_events() -> None:
    assert isinstance(Event("x").snapshot(), Snapshot)
    assert issubclass(Snapshot, Event)


def test_the_package_logs_as_documented() -> None:
    import e3_event

    assert e3_event.logger is logging.getLogger("e3.event")


def test_ids_sort_by_time_also_where_the_generator_takes_over() -> None:
    code = (
        "import importlib, sys, e3_event._ids as ids\n"
        "made = ids.load()\n"
        "generator = sys.modules.get('uuid_utils')\n"
        "for _ in range(500):\n"
        "    sys.modules.pop('uuid_utils', None)\n"
        "    importlib.reload(ids)\n"
        "    made = [ids.unique_id() for _ in range(10)]\n"
        "    sys.modules['uuid_utils'] = generator\n"
        "    made += [ids.unique_id() for _ in range(10)]\n"
        "    assert made == sorted(made), made\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
