"""The handler `s3`: what is stored; the comparison looks into the store itself."""

import gzip
from typing import Any

from e3.event.handler.s3 import S3Handler
from observe import attempt, see, write

from e3.event import Event

handler = S3Handler("s3://bucket/events", "s3://bucket/logs")
see("attributes", [handler.event_s3_url, handler.log_s3_url, handler.sse, handler.aws_profile])
EVENTS, LOGS = "s3://bucket/e", "s3://bucket/l"
see("the profile's attribute", S3Handler(EVENTS, LOGS, "aws:kms", "p").aws_profile)
see("by name", S3Handler(event_s3_url=EVENTS, log_s3_url=LOGS, sse="aws:kms", profile="d").sse)
see("encode_config", S3Handler(EVENTS, LOGS).encode_config())
see("encode_config, all", S3Handler(EVENTS, LOGS, "aws:kms", "p").encode_config())
see("a URL that is none", attempt(lambda: S3Handler("a", LOGS).event_s3_url))
see("an unknown encryption", attempt(lambda: S3Handler(EVENTS, LOGS, "rot13").sse))
see("decode_config", [S3Handler.decode_config("a,b,c,d"), S3Handler.decode_config("a,b,c,")])
for config in ("", "a", "a,b", "a,b,c", "a,b,c,d,e"):
    see(f'decode_config, "{config}"', attempt(S3Handler.decode_config, config))
see("s3_prefix", handler.s3_prefix(Event("e")))


def make(name: str = "build", uid: str = "u", **data: Any) -> Event:
    return Event(name, uid, begin_time=0.0, **data)


see("without attachment", handler.send_event(make(uid="plain", b=1, a="gr\u00fc\u00df")))
event = make(uid="attached")
FILES = {"log": "b.log", "tar": "a.tar.gz", "gzip": "a.txt.gz", "unknown": "a.unknown", "page": "a.html"}
for name, file in FILES.items():
    event.attach_file(write(file, gzip.compress(b"zip", mtime=0) if file.endswith("gz") else file), name)
see("with attachments", handler.send_event(event))


class Special(S3Handler):
    def s3_prefix(self, event: Event) -> str:
        return f"{event.name}/"


prefixed = make(uid="prefixed")
prefixed.attach_file(write("p.log", "prefixed"))
see("with a prefix", Special("s3://bucket/events", "s3://bucket/logs").send_event(prefixed))
other = make(uid="other")
other.attach_file(write("o.log", "other"))
see("two buckets", S3Handler("s3://bucket", "s3://other/logs", "aws:kms").send_event(other))
slashed = make(uid="slashed")
slashed.attach_file(write("s.log", "slashed"))
see("a trailing slash", S3Handler("s3://bucket/events/", "s3://bucket/logs/").send_event(slashed))
for content in ("first", "second"):
    again = make(uid="again")
    again.attach_file(write("again.log", content))
    handler.send_event(again)
see("a missing bucket", attempt(S3Handler("s3://missing/e", "s3://missing/l").send_event, make()))
