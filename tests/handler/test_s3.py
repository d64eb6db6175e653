"""The `s3` handler, against moto over HTTP, and against a relay that misbehaves in front of it."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from e3_event import DeliveryError, Event, EventHandler, EventManager, RejectedError
from e3_event.handler.s3 import S3Handler
from e3_event.handler_tools import snapshot_id
from e3_event.testing import HandlerContract
from handler.s3_contract import MIB, S3Contract, attach, handler_for
from handler.s3_server import Answer, Bucket, Relay, Request, S3Server, free_port, moto_server, relay_to


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with moto_server(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    server.give_credentials(monkeypatch)
    return server.new_bucket()


@pytest.fixture
def relay(server: S3Server) -> Iterator[Relay]:
    with relay_to(server) as relay:
        yield relay


class TestOnMoto(S3Contract):
    pass


class TestHandlerContract(HandlerContract):
    @pytest.fixture(autouse=True)
    def private_bucket(self, bucket: Bucket) -> None:
        self.bucket = bucket

    def make_handler(self, tmp_path: Path) -> EventHandler:
        return handler_for(self.bucket)

    def received(self, handler: EventHandler, tmp_path: Path) -> list[str]:
        return [sent["event"]["name"] for sent in self.bucket.events()]


def with_log(tmp_path: Path, content: bytes = b"hi") -> Event:
    event = Event("build", uid="u1")
    attach(event, tmp_path / "log", content)
    return event


# What is asked of the server


@pytest.mark.parametrize(
    ("sse", "headers"),
    [
        ("AES256", ("AES256", None)),
        ("aws:kms", ("aws:kms", None)),
        ("aws:kms:alias/ci", ("aws:kms", "alias/ci")),
        ("aws:kms:dsse:1234-abcd", ("aws:kms:dsse", "1234-abcd")),
        ("none", (None, None)),
    ],
)
def test_the_encryption_is_asked_for_with_every_object(
    sse: str, headers: tuple[str | None, ...], bucket: Bucket, relay: Relay, tmp_path: Path
) -> None:
    event = with_log(tmp_path)
    attach(event, tmp_path / "large", b"x" * (9 * MIB), "large")
    handler_for(bucket, sse=sse, endpoint_url=relay.url).send_event(event)
    names = ("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id")
    makers = [
        request
        for request in relay.seen
        if request.path.endswith("?uploads") or (request.method == "PUT" and "?" not in request.path)
    ]
    assert len(makers) == 4  # the log twice, to see whether the server writes over it
    for request in makers:
        lower = {name.lower(): value for name, value in request.headers.items()}
        assert tuple(lower.get(name) for name in names) == headers


def test_the_server_says_that_objects_are_encrypted(bucket: Bucket, tmp_path: Path) -> None:
    handler_for(bucket).send_event(with_log(tmp_path))
    assert {bucket.head(key)["ServerSideEncryption"] for key in bucket.listed()} == {"AES256"}


def test_an_event_alone_is_one_request(bucket: Bucket, relay: Relay) -> None:
    handler_for(bucket, endpoint_url=relay.url).send_event(Event("build"))
    assert relay.asked() == ["PUT"]


def test_a_server_that_refuses_to_write_over_an_object_is_looked_at_once_only(
    bucket: Bucket, relay: Relay, tmp_path: Path
) -> None:
    handler = handler_for(bucket, endpoint_url=relay.url)
    handler.send_event(with_log(tmp_path))
    assert relay.asked() == ["HEAD", "PUT", "PUT", "PUT"]  # the log, the log again to see, the event
    relay.seen.clear()
    event = Event("build", uid="u3")
    attach(event, tmp_path / "other", b"other")
    handler.send_event(event)
    assert relay.asked() == ["PUT", "PUT"]
    relay.seen.clear()
    attach(event, tmp_path / "other", b"another")
    handler.send_event(event)  # refused: looked at, then stored at its own place
    assert relay.asked() == ["PUT", "HEAD", "PUT", "PUT"]


def test_a_server_that_ignores_or_does_not_know_the_condition_never_loses_an_attachment(
    bucket: Bucket, relay: Relay, tmp_path: Path
) -> None:
    def ignore(request: Request) -> Answer | None:
        request.headers.pop("If-None-Match", None)
        return None

    def not_implemented(request: Request) -> Answer | None:
        return Answer(501, "NotImplemented") if "If-None-Match" in request.headers else None

    for uid, judge in (("u1", ignore), ("u2", not_implemented)):
        relay.judge = judge
        handler = handler_for(bucket, endpoint_url=relay.url)
        event = Event("build", uid=uid)
        attach(event, tmp_path / uid, b"first")
        assert handler.send_event(event)
        (tmp_path / uid).write_bytes(b"second")
        second = event.snapshot()
        assert handler.send_event(second)
        assert bucket.read(f"logs/{uid}/log") == b"first"
        assert bucket.read(f"logs/{uid}-{snapshot_id(second)}/log") == b"second"


def test_credentials_that_may_write_but_not_look_will_do(
    bucket: Bucket, relay: Relay, tmp_path: Path
) -> None:
    relay.judge = lambda request: Answer(403, "AccessDenied") if request.method == "HEAD" else None
    event = with_log(tmp_path)
    handler = handler_for(bucket, endpoint_url=relay.url)
    assert handler.send_event(event)
    again = event.snapshot()
    for _ in range(2):
        assert handler.send_event(again)
    assert bucket.read(f"logs/u1-{snapshot_id(again)}/log") == b"hi"


def test_a_long_attachment_does_not_write_over_one_that_came_during_its_upload(
    bucket: Bucket, relay: Relay, tmp_path: Path
) -> None:
    def came(request: Request) -> Answer | None:
        completes = request.method == "POST" and "/u1/log?uploadId" in request.path
        return Answer(412, "PreconditionFailed") if completes and "If-None-Match" in request.headers else None

    relay.judge = came
    snapshot = with_log(tmp_path, b"x" * (9 * MIB)).snapshot()
    assert handler_for(bucket, endpoint_url=relay.url).send_event(snapshot)
    own = f"u1-{snapshot_id(snapshot)}"
    assert bucket.listed() == [f"events/{own}.s3", f"logs/{own}/log"]
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)


def test_a_prefix_of_the_program_stands_before_the_uid(bucket: Bucket, tmp_path: Path) -> None:
    class Prefixed(S3Handler):
        def s3_prefix(self, event: Event) -> str:
            return f"{event.name}/"

    base = f"s3://{bucket.name}"
    snapshot = with_log(tmp_path).snapshot()
    Prefixed(f"{base}/e", f"{base}/l", endpoint_url=bucket.server.url).send_event(snapshot)
    assert bucket.listed() == [f"e/build/u1-{snapshot_id(snapshot)}.s3", "l/build/u1/log"]


@pytest.mark.parametrize(
    ("prefix", "reason"), [("../", r"`\.\.`"), ("x" * 1000, "1024"), ("\udc80", "Unicode")]
)
def test_a_key_that_s3_cannot_have_is_rejected_before_anything_is_sent(
    prefix: str, reason: str, bucket: Bucket, tmp_path: Path
) -> None:
    class Prefixed(S3Handler):
        def s3_prefix(self, event: Event) -> str:
            return prefix

    base = f"s3://{bucket.name}"
    handler = Prefixed(f"{base}/e", f"{base}/l", endpoint_url=bucket.server.url)
    with pytest.raises(RejectedError, match=reason):
        handler.send_event(with_log(tmp_path))
    assert bucket.listed() == []


# Failures


@pytest.mark.parametrize(
    ("answer", "reason", "retry_after"),
    [
        (Answer(403, "AccessDenied"), "AccessDenied: the credentials may not write there", None),
        (Answer(400, "ExpiredToken"), "ExpiredToken: the credentials have expired", None),
        (Answer(403, "InvalidAccessKeyId"), "does not know the access key", None),
        (Answer(503, "SlowDown", {"Retry-After": "17"}), "SlowDown: as the test wants", 17),
        (Answer(500, "InternalError"), "InternalError", None),
        (Answer(409, "ConditionalRequestConflict"), "ConditionalRequestConflict", None),
    ],
)
def test_a_refusal_names_the_object_and_the_reason(
    answer: Answer, reason: str, retry_after: float | None, bucket: Bucket, relay: Relay, tmp_path: Path
) -> None:
    relay.judge = lambda request: answer if "/logs/" in request.path and request.method == "PUT" else None
    manager = EventManager()
    manager.handlers["s3"] = handler_for(bucket, endpoint_url=relay.url)
    report = manager.dispatch(with_log(tmp_path))
    (outcome,) = report.outcomes
    assert not report.ok
    assert not outcome.rejected
    assert outcome.reason.startswith(f"s3://{bucket.name}/logs/u1/log is not stored: ")
    assert reason in outcome.reason
    assert outcome.retry_after == retry_after
    assert bucket.listed() == []
    relay.judge = lambda request: None
    assert manager.dispatch(with_log(tmp_path)).ok


def test_what_is_wrong_with_an_object_itself_is_rejected(bucket: Bucket, relay: Relay) -> None:
    relay.judge = lambda request: Answer(400, "EntityTooLarge")
    with pytest.raises(RejectedError, match=r"events/.*\.s3 is not stored: EntityTooLarge"):
        handler_for(bucket, endpoint_url=relay.url).send_event(Event("build"))


def test_the_first_failure_is_the_last_request_and_leaves_no_event_object(
    bucket: Bucket, relay: Relay, tmp_path: Path
) -> None:
    event = Event("build", uid="u1")
    for name in ("first", "second", "third"):
        attach(event, tmp_path / name, b"x", name)
    relay.judge = lambda request: Answer(400, "X") if request.path.endswith("/second") else None
    with pytest.raises(DeliveryError, match="logs/u1/second"):
        handler_for(bucket, endpoint_url=relay.url).send_event(event)
    assert bucket.listed() == ["logs/u1/first"]


def test_a_failed_upload_in_parts_leaves_no_parts_behind(
    bucket: Bucket, relay: Relay, tmp_path: Path
) -> None:
    relay.judge = lambda request: Answer(400, "X") if "partNumber=2" in request.path else None
    with pytest.raises(DeliveryError, match="logs/u1/log is not stored: X"):
        handler_for(bucket, endpoint_url=relay.url).send_event(with_log(tmp_path, b"x" * (9 * MIB)))
    assert relay.asked()[-1] == "DELETE"
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)


def test_an_unreachable_server_is_named(bucket: Bucket) -> None:
    port = free_port()
    handler = handler_for(bucket, endpoint_url=f"http://127.0.0.1:{port}")
    clients = set()
    for _ in range(2):
        with pytest.raises(DeliveryError, match=rf"events/.* is not stored: .*127\.0\.0\.1:{port}"):
            handler.send_event(Event("build"))
        clients.add(handler._store._client)
    assert len(clients) == 1, "a new client is a costly thing to make at every try"


def test_a_server_that_cannot_say_what_is_there_is_not_written_to(
    bucket: Bucket, relay: Relay, tmp_path: Path
) -> None:
    relay.judge = lambda request: Answer(501) if request.method == "HEAD" else None
    with pytest.raises(DeliveryError, match="u1/log is not stored: 501"):
        handler_for(bucket, endpoint_url=relay.url).send_event(with_log(tmp_path))
    assert bucket.listed() == []


def test_missing_credentials_and_profiles_are_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeliveryError, match=r"profile.*nobody"):
        handler_for(bucket, profile="nobody").send_event(Event("build"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    handler = handler_for(bucket)
    with pytest.raises(DeliveryError, match="credentials"):
        handler.send_event(Event("build"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "found")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "now")
    assert handler.send_event(Event("build")) is True


def test_credentials_are_read_anew_after_they_were_refused(
    bucket: Bucket, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay.judge = lambda request: (
        None if "=renewed/" in request.headers["Authorization"] else Answer(400, "ExpiredToken")
    )
    handler = handler_for(bucket, endpoint_url=relay.url)
    with pytest.raises(DeliveryError, match="renew them"):
        handler.send_event(Event("build"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "renewed")
    assert handler.send_event(Event("build")) is True


def test_an_attachment_that_vanished_after_the_snapshot_is_named(bucket: Bucket, tmp_path: Path) -> None:
    snapshot = with_log(tmp_path).snapshot()
    (tmp_path / "log").unlink()
    with pytest.raises(DeliveryError, match="attachment 'log' can't be read"):
        handler_for(bucket).send_event(snapshot)
    assert bucket.listed() == []


def test_bytes_other_than_those_of_a_dump_are_not_sent(bucket: Bucket, tmp_path: Path) -> None:
    snapshot = Event.load(with_log(tmp_path).dump(str(tmp_path))).snapshot()
    (tmp_path / "log").write_bytes(b"the content of another file")
    with pytest.raises(DeliveryError, match="attachment 'log' can't be read: not what was dumped"):
        handler_for(bucket).send_event(snapshot)
    assert bucket.listed() == []


def test_no_secret_is_logged_or_raised(
    bucket: Bucket, relay: Relay, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    handler = handler_for(bucket, endpoint_url=relay.url)
    handler.send_event(with_log(tmp_path))
    relay.judge = lambda request: Answer(403, "SignatureDoesNotMatch")
    with pytest.raises(DeliveryError) as caught:
        handler.send_event(with_log(tmp_path))
    told = caplog.text + repr(handler) + handler.encode_config()
    told += "".join(traceback.format_exception(caught.value))
    assert "SignatureDoesNotMatch" in told
    assert bucket.server.secret_key not in told


# Configuration of the machine


def test_a_profile_gives_credentials_region_and_endpoint(
    bucket: Bucket, relay: Relay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    config = tmp_path / "config"
    config.write_text(
        "[profile ci]\naws_access_key_id = key-of-ci\naws_secret_access_key = s\nregion = eu-west-3\n"
        f"endpoint_url = {relay.url}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    S3Handler(f"s3://{bucket.name}", f"s3://{bucket.name}", profile="ci").send_event(Event("build"))
    assert "Credential=key-of-ci/" in relay.seen[0].headers["Authorization"]
    assert "/eu-west-3/s3/" in relay.seen[0].headers["Authorization"]


def test_without_boto3_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('boto3', 'botocore'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "import importlib.util as u\n"
        "real = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'boto3' else real(name, package)\n"
    )
    code = (
        "from e3_event import Event, EventManager\n"
        "from e3_event.handler.s3 import S3Handler\n"
        "for use in (lambda: EventManager().add_handler('s3', 's3://bucket', 's3://bucket'),\n"
        "            lambda: S3Handler('s3://bucket', 's3://bucket').send_event(Event('x'))):\n"
        "    try: use()\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("EventError S3Handler needs the module boto3: pip install 'e3-event[s3]'") == 2


# Processes, memory, temporary files


def in_a_process(bucket: Bucket, code: str, *command: str) -> str:
    """Run *code*, which finds a handler `h` and `Event`, in a Python of its own."""
    setting = (
        "import os, sys, resource\n"
        "from e3_event import Event\n"
        "from e3_event.handler.s3 import S3Handler\n"
        f"b = 's3://{bucket.name}'\n"
        f"h = S3Handler(b + '/events', b + '/logs', endpoint_url={bucket.server.url!r})\n"
    )
    done = subprocess.run(
        [*command, sys.executable, "-c", setting + code],
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_forked_process_opens_connections_of_its_own(bucket: Bucket) -> None:
    code = (
        "h.send_event(Event('parent'))\n"
        "mine = h._store._client\n"
        "children = []\n"
        "for n in range(3):\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        ok = all(h.send_event(Event(f'child-{n}')) for _ in range(5))\n"
        "        os._exit(not ok or h._store._client is mine)\n"
        "    children.append(pid)\n"
        "assert all(h.send_event(Event('parent')) for _ in range(5))\n"
        "assert h._store._client is mine\n"
        "assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0]\n"
    )
    in_a_process(bucket, code)
    assert len(bucket.listed()) == 21


def test_memory_stays_flat_for_a_large_attachment(bucket: Bucket, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        file.truncate(64 * MIB)
    code = (
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "h.send_event(Event('warm'))\n"
        "before = peak()\n"
        "e = Event('large', uid='u1')\n"
        f"e.attach_file({str(tmp_path / 'log')!r})\n"
        "h.send_event(e)\n"
        "print(peak() - before)\n"
    )
    grown = int(in_a_process(bucket, code))
    assert bucket.head("logs/u1/log")["ContentLength"] == 64 * MIB
    assert grown < 32, f"{grown} MiB"


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_no_file_is_written(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * (9 * MIB))
    trace = tmp_path / "trace"
    code = (
        "sys.dont_write_bytecode = True\n"
        "e = Event('build', uid='u1')\n"
        f"e.attach_file({str(tmp_path / 'log')!r})\n"
        "h.send_event(e)\n"
    )
    in_a_process(bucket, code, "strace", "-f", "-o", str(trace), "-e", "trace=open,openat,creat,memfd_create")
    calls = trace.read_text()
    assert str(tmp_path / "log") in calls
    written = re.findall(r"\w+\(.*(?:O_WRONLY|O_RDWR|O_CREAT).*|(?:creat|memfd_create)\(.*", calls)
    assert [call for call in written if "/dev/" not in call and "__pycache__" not in call] == []


def test_the_documented_json_is_plain_ascii_that_any_reader_takes(bucket: Bucket, tmp_path: Path) -> None:
    event = Event("bäu", uid="u1")
    attach(event, tmp_path / "log", b"hi", "\udcff")
    handler_for(bucket).send_event(event)
    (key,) = [key for key in bucket.listed() if key.endswith(".s3")]
    content = bucket.read(key)
    assert content.isascii()
    assert list(json.loads(content)["attachments"]) == ["\\udcff"]
