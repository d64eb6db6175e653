"""Broken variants that believe what they read, as controls; made as those of the spool."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _trust_rows() -> None:
    """Take every row for intact."""
    from e3_event.spool._events import Found

    Found.is_intact = lambda self, members, small: True  # type: ignore[method-assign]


def _trust_the_end() -> None:
    """Take the end of the database for its end."""
    from e3_event.spool import _mark

    vars(_mark).update(seq_in=lambda content: 0, log_in=lambda content: (0, 0))


def _trust_blobs() -> None:
    """Take every file in `blobs/` for what was captured."""
    from e3_event._files import open_regular
    from e3_event.spool._blobs import Blobs
    from e3_event.spool._fsck import _inspect

    Blobs.open = lambda self, path, captured: open_regular(path)  # type: ignore[method-assign]
    vars(_inspect)["problem_of"] = lambda *_: ""


def _trust_the_folder() -> None:
    """Use whatever folder there is."""
    from e3_event.spool import _place

    vars(_place)["_check_owner"] = lambda *_: None


def _trust_dumps() -> None:
    """Open whatever a dump names."""
    from e3_event._attachment import Attachment
    from e3_event._files import open_regular

    Attachment.open = lambda self: open_regular(self.path)  # type: ignore[method-assign]


def _trust_paths() -> None:
    """Open whatever there is."""
    from e3_event import _attachment
    from e3_event.spool import _blobs, _stored

    for module in (_attachment, _blobs, _stored):
        vars(module)["open_regular"] = lambda path: open(path, "rb")  # noqa: SIM115  as the one it replaces


def _trust_json() -> None:
    """Read a dump as the json module reads it."""
    import json

    from e3_event import _dump, _event

    vars(_event)["_decode_dump"] = lambda raw, origin: _dump.Dump(**json.loads(raw))


VARIANTS: dict[str, Callable[[], None]] = {
    "trusts its checksums": _trust_rows,
    "does not look at its mark": _trust_the_end,
    "does not verify attachments": _trust_blobs,
    "does not look at its folder": _trust_the_folder,
    "opens whatever there is": _trust_paths,
    "reads any JSON": _trust_json,
    "opens whatever a dump names": _trust_dumps,
}
