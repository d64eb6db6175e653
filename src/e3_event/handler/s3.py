"""`s3`: events and their attachments as objects in S3 buckets."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from e3_event import DeliveryError, EventError, EventHandler
from e3_event.handler._s3_store import Place, Store
from e3_event.handler_tools import (
    attachments,
    content_type,
    decode_fields,
    encode_fields,
    event_json,
    redact,
    require,
    safe_name,
    snapshot_id,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from e3_event import Attachment, Event

_ENDPOINT = re.compile(r"https?://[^\s/@?#]+(/[^\s@?#]*)?")
_SSE = re.compile(r"(AES256)|(aws:kms(?::dsse)?)(?::([\w:/.-]+))?", re.ASCII)


class S3Handler(EventHandler):
    """Stores each event as an object in a bucket, after its attachments.

    Attachments are `{log_s3_url}/{prefix}{uid}/{name}`; the event is
    `{event_s3_url}/{prefix}{uid}-{snapshot_id}.s3` and holds
    `{"attachments": {name: {"s3_url", "encoding", "ctype"}}, "event": as_dict()}`. `prefix` is what
    `s3_prefix` returns. Where the place of an attachment has other bytes already (the event was sent
    before), it becomes `{log_s3_url}/{prefix}{uid}-{snapshot_id}/{name}`. Names are made safe. The same
    snapshot sent again changes nothing.

    Credentials and region are found as the AWS tools find them (environment, profiles, instance roles).

    Configuration string: `event_url,log_url,sse,profile,endpoint`, the last three optional; as in
    `s3=s3://bucket/events,s3://bucket/logs,AES256`.

    :param event_s3_url: where events go, as in `s3://bucket/events`
    :param log_s3_url: where attachments go
    :param sse: encryption at rest: `AES256`, `aws:kms`, `aws:kms:KEY` (KEY is the id, ARN or alias of a key),
        the same with `aws:kms:dsse`; `none` leaves it to the bucket
    :param profile: profile of the AWS configuration files
    :param endpoint_url: address of an S3-compatible server
    """

    requires = {"boto3": "e3-event[s3]"}  # noqa: RUF012  a ClassVar in the base class

    def __init__(
        self,
        event_s3_url: str,
        log_s3_url: str,
        sse: str | None = "AES256",
        profile: str | None = None,
        *,
        endpoint_url: str | None = None,
    ) -> None:
        self.event_s3_url = event_s3_url
        self.log_s3_url = log_s3_url
        self.sse = None if sse in ("", "none", "None") else sse
        self.aws_profile = profile or None
        self.endpoint_url = endpoint_url or None
        self._events = Place.of_url(event_s3_url, "event_url")
        self._logs = Place.of_url(log_s3_url, "log_url")
        if self.endpoint_url and not _ENDPOINT.fullmatch(self.endpoint_url):
            raise EventError(
                "endpoint: an address as in https://s3.example.net is needed, without user and password,"
                f" not {redact(self.endpoint_url.rpartition('@')[2])!r}"
            )
        self._store = Store(self.aws_profile, self.endpoint_url, _encryption(self.sse))

    def s3_prefix(self, event: Event) -> str:
        """Return what stands before the uid in the keys of an event; to be overridden.

        :param event: the event
        :return: the prefix, used as it is; with a `/` at its end it is a folder
        """
        return ""

    def send_event(self, event: Event) -> bool:
        """Store the attachments, then the event.

        :raises DeliveryError: says which object was not stored and why; then there is no event object,
            though some attachments may be there
        :raises RejectedError: the keys of this event are not possible in S3
        :raises EventError: boto3 is not installed; names the extra
        """
        require(type(self))
        event = event.snapshot()
        prefix, uid = self.s3_prefix(event), safe_name(str(event["uid"]))
        own = f"{uid}-{snapshot_id(event)}"
        place = self._events.below(f"{prefix}{own}.s3")
        folders = (f"{prefix}{uid}/", f"{prefix}{own}/")
        files = [
            (file, [self._logs.below(folder + safe_name(file.name)) for folder in folders])
            for file in attachments(event)
        ]
        listed = _listed((file, self._bring(file, places)) for file, places in files)
        body = b'{"attachments": %b, "event": %b}' % (listed, event_json(event))
        self._store.put(place, body, ContentType="application/json")
        return True

    def _bring(self, attachment: Attachment, places: list[Place]) -> Place:
        """Bring an attachment to the first of *places* that does not have other bytes, and return that.

        The last is the snapshot's own: what is there was stored by an earlier try.
        """
        ctype = content_type(attachment.path)[0]
        arguments = {"ContentType": ctype} if ctype else {}
        try:
            with attachment.open() as file:
                for place in places:
                    if self._store.put_file(place, file, attachment.sha1, **arguments):
                        return place
        except OSError as error:
            raise DeliveryError(f"attachment {attachment.name!r} can't be read: {error}") from error
        return places[-1]

    def close(self) -> None:
        """Let go of the connections; the next event opens them again, with credentials read anew."""
        self._store.close()

    @classmethod
    def decode_config(cls, config_str: str) -> dict[str, Any]:
        """Decode `event_url,log_url,sse,profile,endpoint`; fields may be left out from the end."""
        fields = decode_fields(config_str)
        if not 2 <= len(fields) <= 5:
            raise EventError(
                "the configuration is `event_url,log_url,sse,profile,endpoint`, the last three optional,"
                " as in s3=s3://bucket/events,s3://bucket/logs,AES256"
            )
        config: dict[str, Any] = {"event_s3_url": fields[0], "log_s3_url": fields[1]}
        for name, field in zip(("sse", "profile", "endpoint_url"), fields[2:], strict=False):
            config[name] = field or None
        return config

    def encode_config(self) -> str:
        fields = [self.event_s3_url, self.log_s3_url, self.sse or "none", self.aws_profile or ""]
        if self.endpoint_url:
            fields.append(self.endpoint_url)
        return encode_fields(fields)


def _listed(files: Iterable[tuple[Attachment, Place]]) -> bytes:
    """Where the attachments of an event are and what they hold, as JSON."""
    listed = {}
    for file, place in files:
        ctype, encoding = content_type(file.path)
        name = file.name.encode("utf-8", "backslashreplace").decode()  # JSON readers refuse half characters
        listed[name] = {"s3_url": str(place), "encoding": encoding, "ctype": ctype}
    return json.dumps(listed).encode()


def _encryption(sse: str | None) -> dict[str, str]:
    """Turn the field `sse` into arguments of a request.

    :raises EventError: says what would be right
    """
    if sse is None:
        return {}
    found = _SSE.fullmatch(sse)
    if found is None:
        raise EventError(f"sse: AES256, aws:kms, aws:kms:KEY or none is needed, not {redact(sse)!r}")
    key = {"SSEKMSKeyId": found[3]} if found[3] else {}
    return {"ServerSideEncryption": found[1] or found[2], **key}
