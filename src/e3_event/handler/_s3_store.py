"""Objects in S3 buckets: where they lie, and the kept client that brings them there."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from e3_event import DeliveryError, EventError, RejectedError
from e3_event.handler_tools import describe, redact

if TYPE_CHECKING:
    from io import BufferedReader

    from mypy_boto3_s3.client import S3Client

#: Files above this size (bytes) go out in parts of it; no more than one part is in memory.
PART = 8 << 20
#: The most parts that S3 takes.
MAX_PARTS = 10_000
#: The longest key in bytes that S3 takes, and how much of it a URL of the configuration may have: what the
#: handler adds behind it has at most 220 bytes, the rest is for `s3_prefix`.
MAX_KEY, MAX_CONFIGURED_KEY = 1024, 600

_URL = re.compile(r"s3://([A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9])(?:/([^\x00-\x20\x7f]*))?")
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
#: What an error code means, and what to do; other codes come with the server's own words.
_MEANING = {
    "NoSuchBucket": "there is no such bucket; create it, or correct the configuration",
    "AccessDenied": "the credentials may not write there",
    "ExpiredToken": "the credentials have expired; renew them",
    "InvalidAccessKeyId": "the server does not know the access key",
    "SignatureDoesNotMatch": "the secret key is not the one that belongs to the access key",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "PermanentRedirect": "the bucket lies in another region, or behind another endpoint",
}
#: Codes of what is wrong with the object itself, so that another try can't help.
_REJECTIONS = ("KeyTooLongError", "EntityTooLarge", "MetadataTooLarge")


class Place(NamedTuple):
    """A bucket and a key, or the beginning of keys."""

    bucket: str
    key: str

    @classmethod
    def of_url(cls, url: str, field: str) -> Place:
        """Take a URL of the configuration apart.

        :param field: its name, for the error
        :raises EventError: it is no URL of a bucket; says which field
        """
        found = _URL.fullmatch(url)
        key = (found[2] or "").rstrip("/") if found else ""
        if found is None or {".", ".."} & set(key.split("/")):
            shown = redact(url.rpartition("@")[2])  # before it stands what may be a secret
            raise EventError(
                f"{field}: s3://bucket or s3://bucket/prefix is needed, the bucket with 3 characters or more,"
                f" not {shown!r}"
            )
        if len(key.encode("utf-8", "replace")) > MAX_CONFIGURED_KEY:
            raise EventError(f"{field}: the prefix has more than {MAX_CONFIGURED_KEY} bytes")
        return cls(found[1], f"{key}/" if key else "")

    def below(self, rest: str) -> Place:
        """Return the place of an object below this one.

        :raises RejectedError: S3 has no such keys, or the way there could leave the bucket
        """
        key = self.key + rest
        try:
            length = len(key.encode())
        except UnicodeEncodeError as error:
            raise RejectedError(f"the key {key!r} is no Unicode text") from error
        if length > MAX_KEY:
            raise RejectedError(f"the key {key[:80]!r}... has {length} bytes, S3 takes {MAX_KEY}")
        if {".", ".."} & set(key.split("/")):  # HTTP clients and servers shorten such paths
            raise RejectedError(f"the key {key!r} has a part `.` or `..`")
        return Place(self.bucket, key)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Store:
    """Puts objects into buckets through one client, which is kept; a forked process gets its own.

    :param profile: profile of the AWS configuration files
    :param endpoint_url: address of an S3-compatible server
    :param encryption: arguments of each request that makes an object
    """

    def __init__(self, profile: str | None, endpoint_url: str | None, encryption: dict[str, str]) -> None:
        self.profile = profile
        self.endpoint_url = endpoint_url
        self.encryption = encryption
        self._client: S3Client | None = None
        self._pid = 0
        #: What asks a server to refuse writing over an object; empty once it is known not to understand it.
        self._condition = {"IfNoneMatch": "*"}
        self._refused = self._learned = False

    def put(self, place: Place, body: bytes, **arguments: Any) -> None:
        """Store *body*, in the place of what is there.

        :raises DeliveryError: it is not stored; says why
        :raises RejectedError: the same, and another try can't help
        """
        self._call("put_object", place, Body=body, **arguments, **self.encryption)

    def put_file(self, place: Place, file: BufferedReader, sha1: str, **arguments: Any) -> bool:
        """Store a file unless an object is there.

        Amazon refuses to write over an object when asked to. Other servers may not listen: we look first,
        until the first attachment has shown whether they do; and so we do before what is long to send.

        :param sha1: SHA-1 of the file, stored with the object
        :return: is the file there now (stored by this call or before)?
        :raises DeliveryError: as `put`
        :raises OSError: the file can't be read
        """
        arguments = {**arguments, **self.encryption, "Metadata": {"sha1": sha1}}
        file.seek(0)
        start = file.read(PART + 1)
        large = len(start) > PART
        there = self._look(place) if large or not self._refuses() else None
        if there is None:
            try:
                if large:
                    self._put_parts(place, file, arguments)
                else:
                    self._call("put_object", place, Body=start, **self._condition, **arguments)
            except _TakenError:
                self._refused = True
                there = self._look(place)
            else:
                if not large:
                    self._learn(place, start, arguments)
                return True
        return there == sha1

    def close(self) -> None:
        """Let go of the connections; the next call opens them again, with credentials read anew."""
        client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            client.close()

    def _put_parts(self, place: Place, file: BufferedReader, arguments: dict[str, Any]) -> None:
        upload = {"UploadId": self._call("create_multipart_upload", place, **arguments)["UploadId"]}
        size = max(PART, -(-os.fstat(file.fileno()).st_size // MAX_PARTS))
        file.seek(0)
        try:
            parts: list[dict[str, Any]] = []
            while body := file.read(size):
                number = {"PartNumber": len(parts) + 1}
                etag = self._call("upload_part", place, Body=body, **number, **upload)["ETag"]
                parts.append({"ETag": etag, **number})
            whole = {"MultipartUpload": {"Parts": parts}}
            self._call("complete_multipart_upload", place, **whole, **upload, **self._condition)
        except BaseException:  # parts that are never put together are kept, and cost
            with contextlib.suppress(EventError):
                self._call("abort_multipart_upload", place, **upload)
            raise

    def _refuses(self) -> bool:
        """Is the server known to refuse writing over an object when asked to?"""
        host = self._open().meta.endpoint_url.partition("://")[2].partition("/")[0].partition(":")[0]
        return bool(self._condition) and (self._refused or host.endswith(_AMAZON))

    def _learn(self, place: Place, body: bytes, arguments: dict[str, Any]) -> None:
        """Find out, once, by storing an object again, whether the server refuses to write over it."""
        if self._learned or not self._condition or self._refuses():
            return
        self._learned = True
        try:
            with contextlib.suppress(EventError):
                self._call("put_object", place, Body=body, **self._condition, **arguments)
        except _TakenError:
            self._refused = True

    def _look(self, place: Place) -> str | None:
        """Return the SHA-1 that the object at *place* was stored with, empty if it does not say.

        :return: `None` if there is no object, or the server does not let us look
        """
        try:
            found = self._call("head_object", place)
        except DeliveryError as error:
            if 400 <= _status(error.__cause__) < 500:
                return None
            raise
        return str(found["Metadata"].get("sha1", ""))

    def _call(self, operation: str, place: Place, **arguments: Any) -> dict[str, Any]:
        """Do one request, and turn what goes wrong into our errors."""
        client = self._open()
        from botocore import exceptions

        try:
            call = getattr(client, operation)
            answer: dict[str, Any] = call(Bucket=place.bucket, Key=place.key, **arguments)
        except exceptions.ClientError as error:
            status = _status(error)
            if status == 412:
                raise _TakenError from error
            if status == 501 and arguments.pop("IfNoneMatch", ""):
                self._condition = {}
                return self._call(operation, place, **arguments)
            if status in (400, 401, 403):
                self.close()  # credentials may be renewed before the next try
            raise _failure(error.response, place) from error
        except exceptions.BotoCoreError as error:
            if not isinstance(error, (exceptions.ConnectionError, exceptions.HTTPClientError)):
                self.close()  # no credentials, which may be there before the next try
            raise DeliveryError(f"{place} is not stored: {describe(error)}") from error
        return answer

    def _open(self) -> S3Client:
        if self._client is None or self._pid != os.getpid():
            self._client = _new_client(self.profile, self.endpoint_url)
            self._pid = os.getpid()
        return self._client


class _TakenError(Exception):
    """An object is there already."""


def _new_client(profile: str | None, endpoint_url: str | None) -> S3Client:
    """Make a client, which reads configuration and credentials.

    :raises DeliveryError: the AWS configuration is wrong; says how
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(
        connect_timeout=5,
        read_timeout=60,
        tcp_keepalive=True,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    if endpoint_url:  # Amazon's newer checksums are unknown to many other servers
        config = config.merge(
            Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
        )
    try:
        session = boto3.Session(profile_name=profile)
        region = session.region_name or "us-east-1"
        return session.client("s3", region_name=region, endpoint_url=endpoint_url, config=config)
    except (BotoCoreError, ValueError) as error:
        raise DeliveryError(f"the AWS configuration does not do: {describe(error)}") from error


def _status(error: BaseException | None) -> int:
    """The HTTP status of an answer that is an error; 0 if there was no answer."""
    return _status_of(getattr(error, "response", {}))


def _status_of(response: Any) -> int:
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _failure(response: Any, place: Place) -> EventError:
    """Word an answer that is an error, and judge whether another try may help."""
    said = response.get("Error", {})
    code = str(said.get("Code", "unknown"))
    words = _MEANING.get(code) or redact(str(said.get("Message") or f"HTTP {_status_of(response)}"))
    text = f"{place} is not stored: {code}: {words}"
    if code in _REJECTIONS:
        return RejectedError(text)
    wait = str(response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", ""))
    return DeliveryError(text, retry_after=float(wait) if wait.isdecimal() else None)
