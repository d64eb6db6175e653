"""Hands that look into a spool, damage it behind its back, and have it repaired."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import apsw

from e3_event.spool._check import check
from e3_event.spool._deliveries import State
from e3_event.spool._fsck._findings import Finding, Kind


def rows(path: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Read from the database of a spool, without changing anything."""
    connection = apsw.Connection(str(path / "spool.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        found: list[Any] = connection.execute(sql, values).fetchall()
        return found
    finally:
        connection.close()


def states_of(path: Path) -> dict[tuple[int, int], State]:
    """What became of deliveries, as far as that is written down: by seq and subscription."""
    found = rows(path, "SELECT seq, subscription, state FROM delivery")
    return {(seq, number): State(state) for seq, number, state in found}


def edit(path: Path, *statements: str) -> None:
    """Change the database of a spool behind its back."""
    connection = apsw.Connection(str(path / "spool.db"))
    try:
        connection.pragma("writable_schema", True)
        for statement in statements:
            connection.execute(statement)
    finally:
        connection.close()


def flip(path: Path, place: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))


def kinds(found: list[Finding]) -> set[Kind]:
    return {finding.kind for finding in found}


def digests(path: Path) -> dict[str, str]:
    """What each file below holds; an empty log, and the index of a log, are no data."""
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file() and not file.name.endswith("-shm")
        if not (file.name.endswith("-wal") and file.stat().st_size == 0)
    }


def repaired(path: Path) -> list[Finding]:
    """Repair a spool; afterwards it has to be sound."""
    found = check(path, repair=True)
    assert all(finding.done for finding in found), found
    assert check(path) == []
    return found
