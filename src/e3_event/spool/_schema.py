"""The schema of a spool, as numbered migrations that are never changed once released.

A process of an earlier version that has the spool open goes on writing to it, so what that writes has to stay
right: a new column needs a default. The spool of each schema is kept in `tests/spool/fixtures`.
"""

from __future__ import annotations

#: Script number N (from 1) makes schema N of schema N - 1.
MIGRATIONS = (
    """
    CREATE TABLE spool (             -- one row: what concerns the spool as a whole
        id TEXT NOT NULL,            -- a UUID: which spool this is
        created REAL NOT NULL,
        blob_bytes INTEGER NOT NULL, -- what lies in blobs/
        dropped INTEGER NOT NULL,    -- dead letters that had to make room
        gone INTEGER NOT NULL,       -- events removed, or lost: the others up to the newest are there
        checksum INTEGER NOT NULL    -- CRC-32 of all above
    ) STRICT;

    CREATE TABLE subscription (      -- a handler that is owed events
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        fingerprint TEXT NOT NULL,   -- of its configuration; empty: it is of the configuration file
        since INTEGER NOT NULL,      -- as in lane, which can be made again of this and of its deliveries
        origin INTEGER NOT NULL,     -- CRC-32 of all above
        lane BLOB NOT NULL,          -- how far it has come (JSON, `Lane`)
        checksum INTEGER NOT NULL,   -- CRC-32 of id, name, fingerprint and lane
        UNIQUE (name, fingerprint)
    ) STRICT;

    CREATE TABLE audience (          -- who is owed an event; row 0: whoever is of the configuration file
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        members TEXT NOT NULL UNIQUE,-- ids of subscriptions (JSON)
        checksum INTEGER NOT NULL    -- CRC-32 of all above
    ) STRICT;

    CREATE TABLE event (
        seq INTEGER PRIMARY KEY,     -- the newest is never removed, so that none comes twice
        uid TEXT NOT NULL,
        snapshot_id TEXT NOT NULL,
        audience INTEGER NOT NULL,   -- -1: nobody, as it stands for events that are lost
        put REAL NOT NULL,           -- when; seconds since the epoch, as all times here
        blob_bytes INTEGER NOT NULL, -- of its attachments in blobs/
        body BLOB NOT NULL,          -- the snapshot (JSON, `Stored`)
        checksum INTEGER NOT NULL,   -- CRC-32 of all above but seq, of the audience's members, and of its
        UNIQUE (uid, snapshot_id)    -- rows in `attachment`
    ) STRICT;

    CREATE TABLE attachment (        -- one that is small: it lies here and not in blobs/
        seq INTEGER NOT NULL,
        place INTEGER NOT NULL,      -- which of the snapshot's attachments
        content BLOB NOT NULL,
        PRIMARY KEY (seq, place)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE delivery (          -- what is neither new nor waiting behind what is new
        seq INTEGER NOT NULL,
        subscription INTEGER NOT NULL,
        state INTEGER NOT NULL,      -- `State`
        attempts INTEGER NOT NULL,
        crashes INTEGER NOT NULL,    -- how often its worker died while it was out
        due REAL NOT NULL,           -- not before
        updated REAL NOT NULL,
        duration REAL NOT NULL,      -- of the last attempt, in seconds
        reason TEXT NOT NULL,        -- why the last attempt failed
        checksum INTEGER NOT NULL,   -- CRC-32 of all above
        PRIMARY KEY (seq, subscription)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX delivery_open ON delivery (subscription, state, due, seq) WHERE state <= 3;

    CREATE TABLE damage (            -- what was found damaged or lost, until a person has seen to it
        id INTEGER PRIMARY KEY,
        noticed REAL NOT NULL,
        what TEXT NOT NULL UNIQUE
    ) STRICT;

    INSERT INTO audience VALUES (0, '"*"', 1190395879);
    """,
)
