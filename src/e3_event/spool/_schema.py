"""The schema of a spool, as numbered migrations that are never changed once released."""

from __future__ import annotations

#: Script number N (from 1) makes schema N of schema N - 1.
MIGRATIONS = (
    """
    CREATE TABLE spool (            -- one row: what concerns the spool as a whole
        id TEXT NOT NULL,           -- a UUID: which spool this is
        created REAL NOT NULL,
        blob_bytes INTEGER NOT NULL -- what lies in blobs/
    ) STRICT;

    CREATE TABLE audience (         -- who is owed a snapshot; row 0: every configured subscription
        id INTEGER PRIMARY KEY,
        members TEXT NOT NULL UNIQUE
    ) STRICT;

    CREATE TABLE subscription (     -- a handler, and how far it has come
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        fingerprint TEXT NOT NULL,  -- of its configuration; empty: known by its name
        since INTEGER NOT NULL,     -- it is owed what has a greater seq,
        cursor INTEGER NOT NULL,    -- and up to here all has been taken
        seen REAL NOT NULL,         -- when somebody last served it
        lease TEXT,                 -- token of the worker that serves it,
        leased_until REAL,
        UNIQUE (name, fingerprint)
    ) STRICT;

    CREATE TABLE event (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        snapshot_id TEXT NOT NULL UNIQUE,
        audience INTEGER NOT NULL,
        put REAL NOT NULL,
        blob_bytes INTEGER NOT NULL, -- of its attachments in blobs/
        body BLOB NOT NULL,          -- the snapshot as JSON
        checksum INTEGER NOT NULL    -- CRC-32 of all above but seq
    ) STRICT;

    CREATE TABLE attachment (        -- one that is small: it lies here and not in blobs/
        seq INTEGER NOT NULL,
        place INTEGER NOT NULL,      -- which of the snapshot's attachments
        content BLOB NOT NULL,
        PRIMARY KEY (seq, place)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE delivery (          -- what is neither new nor done
        subscription INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        state TEXT NOT NULL,         -- loan, again, dead, settled
        attempts INTEGER NOT NULL,
        due REAL,                    -- again: not before
        updated REAL NOT NULL,
        duration REAL,
        reason TEXT,
        PRIMARY KEY (subscription, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX delivery_due ON delivery (subscription, due) WHERE state = 'again';
    CREATE INDEX delivery_event ON delivery (seq);

    INSERT INTO audience VALUES (0, '*');
    """,
)
