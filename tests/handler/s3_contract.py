"""What the `s3` handler does on any server, as tests: run against moto, and against a real radosgw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e3_event import DeliveryError, Event, EventManager
from e3_event.handler.s3 import S3Handler
from e3_event.handler_tools import snapshot_id
from e3_event.testing import HOSTILE
from handler.s3_server import Bucket, S3Server

MIB = 1 << 20


def attach(event: Event, path: Path, content: bytes, name: str = "log") -> None:
    path.write_bytes(content)
    event.attach_file(str(path), name)


def handler_for(bucket: Bucket, **options: str) -> S3Handler:
    return S3Handler(
        f"s3://{bucket.name}/events",
        f"s3://{bucket.name}/logs",
        **{"endpoint_url": bucket.server.url, **options},
    )


class S3Contract:
    """Derive, and give the fixture `server`."""

    @pytest.fixture
    def bucket(self, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
        server.give_credentials(monkeypatch)
        return server.new_bucket()

    def test_an_event_and_its_attachments_have_the_documented_keys_and_json(
        self, bucket: Bucket, tmp_path: Path
    ) -> None:
        event = Event("build", uid="u1", a=1)
        attach(event, tmp_path / "build.log", b"hi")
        attach(event, tmp_path / "x.tar.gz", b"packed", "pack")
        attach(event, tmp_path / "a.html", b"<p>", "page")
        snapshot = event.snapshot()
        assert handler_for(bucket).send_event(snapshot) is True
        key = f"events/u1-{snapshot_id(snapshot)}.s3"
        assert bucket.listed() == [key, "logs/u1/log", "logs/u1/pack", "logs/u1/page"]
        assert bucket.read("logs/u1/pack") == b"packed"
        logs = f"s3://{bucket.name}/logs/u1"
        assert json.loads(bucket.read(key)) == {
            "attachments": {
                "log": {"s3_url": f"{logs}/log", "encoding": None, "ctype": None},
                "pack": {"s3_url": f"{logs}/pack", "encoding": "gzip", "ctype": "application/x-tar"},
                "page": {"s3_url": f"{logs}/page", "encoding": None, "ctype": "text/html"},
            },
            "event": event.as_dict(),
        }
        assert bucket.head("logs/u1/page")["ContentType"] == "text/html"
        assert bucket.head(key)["ContentType"] == "application/json"

    def test_a_trailing_slash_is_not_doubled_and_a_bare_bucket_will_do(
        self, bucket: Bucket, tmp_path: Path
    ) -> None:
        event = Event("build", uid="u1")
        attach(event, tmp_path / "f", b"hi")
        snapshot = event.snapshot()
        url = bucket.server.url
        S3Handler(f"s3://{bucket.name}", f"s3://{bucket.name}/l//", endpoint_url=url).send_event(snapshot)
        assert bucket.listed() == ["l/u1/log", f"u1-{snapshot_id(snapshot)}.s3"]

    def test_the_same_snapshot_again_changes_nothing(self, bucket: Bucket, tmp_path: Path) -> None:
        event = Event("build", uid="u1")
        attach(event, tmp_path / "small", b"hi")
        attach(event, tmp_path / "large", b"x" * (9 * MIB), "large")
        snapshot = event.snapshot()
        handler = handler_for(bucket)
        handler.send_event(snapshot)
        before = bucket.state()
        assert handler.send_event(snapshot) is True
        assert handler_for(bucket).send_event(snapshot) is True
        assert bucket.state() == before

    def test_a_changed_attachment_gets_a_key_of_its_own_and_an_equal_one_does_not(
        self, bucket: Bucket, tmp_path: Path
    ) -> None:
        event = Event("build", uid="u1")
        attach(event, tmp_path / "log", b"first")
        attach(event, tmp_path / "same", b"same", "same")
        handler = handler_for(bucket)
        handler.send_event(event)
        (tmp_path / "log").write_bytes(b"second")
        second = event.snapshot()
        for _ in range(2):
            assert handler.send_event(second) is True
        own = f"logs/u1-{snapshot_id(second)}/log"
        assert [key for key in bucket.listed() if key.startswith("logs/")] == [
            own,
            "logs/u1/log",
            "logs/u1/same",
        ]
        assert bucket.read("logs/u1/log") == b"first"
        assert bucket.read(own) == b"second"
        sent = json.loads(bucket.read(f"events/u1-{snapshot_id(second)}.s3"))["attachments"]
        assert sent["log"]["s3_url"] == f"s3://{bucket.name}/{own}"
        assert sent["same"]["s3_url"] == f"s3://{bucket.name}/logs/u1/same"

    def test_a_long_attachment_goes_out_in_parts(self, bucket: Bucket, tmp_path: Path) -> None:
        content = b"".join(bytes([number]) * MIB for number in range(20))
        event = Event("build", uid="u1")
        attach(event, tmp_path / "log", content)
        attach(event, tmp_path / "edge", content[: 16 * MIB], "two whole parts")
        assert handler_for(bucket).send_event(event) is True
        assert bucket.read("logs/u1/log") == content
        assert bucket.read("logs/u1/two whole parts") == content[: 16 * MIB]
        assert bucket.head("logs/u1/log")["ETag"].endswith('-3"')
        assert bucket.head("logs/u1/two whole parts")["ETag"].endswith('-2"')

    def test_a_long_attachment_that_changed_gets_a_key_of_its_own(
        self, bucket: Bucket, tmp_path: Path
    ) -> None:
        event = Event("build", uid="u1")
        attach(event, tmp_path / "log", b"1" * (9 * MIB))
        handler_for(bucket).send_event(event)
        (tmp_path / "log").write_bytes(b"2" * (9 * MIB))
        second = event.snapshot()
        assert handler_for(bucket).send_event(second) is True
        assert bucket.read("logs/u1/log")[:1] == b"1"
        assert bucket.read(f"logs/u1-{snapshot_id(second)}/log")[:1] == b"2"

    def test_hostile_names_stay_below_the_prefix_and_apart(self, bucket: Bucket, tmp_path: Path) -> None:
        manager = EventManager()
        manager.handlers["s3"] = handler_for(bucket)
        event = Event("build", uid="../u")
        for number, name in enumerate(HOSTILE):
            attach(event, tmp_path / f"f{number}", b"%d" % number, name)
        assert manager.dispatch(event).ok
        (sent,) = bucket.events()
        urls = [attachment["s3_url"] for attachment in sent["attachments"].values()]
        assert len(set(urls)) == len(HOSTILE)
        for number, url in enumerate(urls):
            key = url.removeprefix(f"s3://{bucket.name}/")
            assert key.startswith("logs/%2E.%2Fu/")
            assert key.count("/") == 2
            assert bucket.read(key) == b"%d" % number

    def test_encryption_is_asked_for_and_the_content_is_readable(
        self, bucket: Bucket, tmp_path: Path
    ) -> None:
        event = Event("build", uid="u1")
        attach(event, tmp_path / "log", b"secret text")
        attach(event, tmp_path / "large", b"x" * (9 * MIB), "large")
        assert handler_for(bucket, sse="AES256").send_event(event) is True
        assert bucket.read("logs/u1/log") == b"secret text"
        assert bucket.read("logs/u1/large") == b"x" * (9 * MIB)

    def test_a_bucket_that_is_missing_is_named_and_nothing_is_stored(
        self, bucket: Bucket, tmp_path: Path
    ) -> None:
        event = Event("build", uid="u1")
        attach(event, tmp_path / "log", b"hi")
        url = bucket.server.url
        handler = S3Handler(f"s3://{bucket.name}/e", "s3://no-such-bucket/logs", endpoint_url=url)
        with pytest.raises(
            DeliveryError, match=r"s3://no-such-bucket/logs/u1/log .*NoSuchBucket: .*create it"
        ):
            handler.send_event(event)
        assert bucket.listed() == []
