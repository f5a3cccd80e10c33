-- What waits for peers that cannot be reached, and what came from those for whom it waited. None of it is derived from
-- the log.

-- Items that wait, each sealed for its row. The columns beside are what delivery needs; they are bound to the row.
CREATE TABLE outbox (
    id       INTEGER PRIMARY KEY AUTOINCREMENT, -- number of the row, never used twice
    peer     BLOB NOT NULL,             -- NodeId it is for
    era      INTEGER NOT NULL,          -- era in which it was put here, see core::outbox
    n        INTEGER NOT NULL,          -- the how-manieth item for that peer
    protocol INTEGER NOT NULL,          -- number of the kind of request
    level    INTEGER NOT NULL,          -- 0 critical
    schema   INTEGER NOT NULL,          -- version of the body's form
    subject  BLOB NOT NULL,             -- what it is about, 16 bytes
    state    INTEGER NOT NULL,          -- 0 waits, 1 refused, 2 does not open
    reason   TEXT,                      -- why it does not wait; NULL while it does
    at       INTEGER NOT NULL,          -- Unix milliseconds when it was put here
    bytes    INTEGER NOT NULL,          -- bytes of the body
    sealed   BLOB NOT NULL,             -- AES-256-GCM: nonce, ciphertext, tag
    UNIQUE (peer, n)
) STRICT;
-- The newest item about a subject, which another one may replace.
CREATE INDEX outbox_by_subject ON outbox (peer, subject, n);
-- What no longer waits by itself.
CREATE INDEX outbox_stuck ON outbox (id) WHERE state <> 0;

-- For whom something waits or waited, and how much: read instead of counting rows.
CREATE TABLE outbox_peers (
    peer          BLOB PRIMARY KEY,     -- NodeId
    next_n        INTEGER NOT NULL,     -- place of the next item
    items         INTEGER NOT NULL,     -- rows of the outbox for it
    bytes         INTEGER NOT NULL,     -- bytes of their bodies
    delivered_era INTEGER,              -- place of the last item that it took; NULL before the first
    delivered_n   INTEGER,              -- the same
    delivered_at  INTEGER               -- Unix milliseconds
) STRICT, WITHOUT ROWID;

-- Eras of this database: a receiver that names another one has seen items which a restored copy no longer knows.
CREATE TABLE outbox_eras (
    era        INTEGER PRIMARY KEY,     -- drawn when the node started
    started_at INTEGER NOT NULL         -- Unix milliseconds
) STRICT;

-- What was taken of each sender's outbox, so that nothing is taken twice.
CREATE TABLE taken (
    store   BLOB NOT NULL,              -- StoreId of the sender's database
    era     INTEGER NOT NULL,           -- era of the items
    node    BLOB NOT NULL,              -- NodeId of the sender
    floor   INTEGER NOT NULL,           -- everything below is taken, or gone at the sender
    ranges  BLOB NOT NULL,              -- CBOR: places taken at or above the floor, as ranges
    last_n  INTEGER NOT NULL,           -- place of the item taken last
    last_at INTEGER NOT NULL,           -- Unix milliseconds
    PRIMARY KEY (store, era)
) STRICT, WITHOUT ROWID;
