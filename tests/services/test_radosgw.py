"""The `s3` handler against a real radosgw, which checks signatures and encrypts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e3_event import DeliveryError, Event
from handler.s3_contract import S3Contract, attach, handler_for
from handler.s3_server import Bucket, S3Server
from services.radosgw import missing_programs, running_radosgw

pytestmark = [pytest.mark.service, pytest.mark.xdist_group("radosgw")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("radosgw")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[S3Server]:
    missing = missing_programs()
    if missing:
        reason = f"not installed: {', '.join(missing)} (tests/services/install.sh installs them)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with running_radosgw(folder) as server:
        yield server


class TestOnRadosgw(S3Contract):
    def test_a_wrong_secret_is_refused_with_the_reason(
        self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        event = Event("build", uid="u1")
        attach(event, tmp_path / "log", b"hi")
        handler = handler_for(bucket)
        with pytest.raises(DeliveryError, match=r"u1/log is not stored: SignatureDoesNotMatch: the secret"):
            handler.send_event(event)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.server.secret_key)
        assert handler.send_event(event) is True, "credentials are read anew after a refusal"

    def test_an_unknown_user_is_refused_with_the_reason(
        self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        with pytest.raises(DeliveryError, match=r"\.s3 is not stored: InvalidAccessKeyId: "):
            handler_for(bucket).send_event(Event("build"))

    def test_a_bucket_of_someone_else_is_refused_with_the_reason(
        self, bucket: Bucket, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keys = ("--access-key", "other", "--secret-key", "another-secret")
        command = ("radosgw-admin", "-c", str(folder / "ceph.conf"), "user", "create", "--uid", "other")
        subprocess.run([*command, "--display-name", "other", *keys], check=True, capture_output=True)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
        with pytest.raises(DeliveryError, match="AccessDenied: the credentials may not write there"):
            handler_for(bucket).send_event(Event("build"))
        assert bucket.listed() == []

    def test_what_lies_on_the_disk_is_encrypted(self, bucket: Bucket, folder: Path, tmp_path: Path) -> None:
        event = Event("build", uid="u1")
        attach(event, tmp_path / "log", b"text to be found")
        handler_for(bucket, sse="AES256").send_event(event)
        command = ("radosgw-admin", "-c", str(folder / "ceph.conf"), "object", "stat")
        shown = subprocess.run(
            [*command, "--bucket", bucket.name, "--object", "logs/u1/log"], check=True, capture_output=True
        )
        assert b"user.rgw.crypt.mode" in shown.stdout

    def test_a_kms_key_that_the_server_does_not_have_is_a_failure_with_its_words(
        self, bucket: Bucket
    ) -> None:
        with pytest.raises(DeliveryError, match=r"is not stored: Inv\w+: .*kms"):
            handler_for(bucket, sse="aws:kms").send_event(Event("build"))
