-- What sync between members needs beyond logs and trust.

-- Projection: subjects that were forgotten for good. Of these no payload is ever kept again.
CREATE TABLE erased (
    kind INTEGER NOT NULL,              -- kind of the subject, as in edits
    id   BLOB NOT NULL,                 -- id of the subject
    pos  INTEGER NOT NULL,              -- events.pos of the first event held that erases it
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- Projection: events whose payload was erased with their subject. Nobody asks for these.
CREATE TABLE erased_payloads (
    pos INTEGER PRIMARY KEY             -- events.pos
) STRICT;

-- Erased subjects of which something may still be in a file: in a page, in a write-ahead log, in the search index.
CREATE TABLE purging (
    n    INTEGER PRIMARY KEY AUTOINCREMENT, -- order; files are cleaned up to a number
    kind INTEGER NOT NULL,              -- kind of the subject, as in edits
    id   BLOB NOT NULL                  -- id of the subject
) STRICT;

-- The newest custody receipt of each member: what it has signed that it holds.
CREATE TABLE receipts (
    node      BLOB PRIMARY KEY,         -- NodeId, 32 bytes
    at        INTEGER NOT NULL,         -- Unix milliseconds, by that member's clock
    bytes     BLOB NOT NULL,            -- what was signed, see core::custody
    signature BLOB NOT NULL             -- 64 bytes
) STRICT, WITHOUT ROWID;

-- Events of own logs that do not count where they stood, and must be written again: they contradicted what members hold,
-- since this database was restored from an older copy.
CREATE TABLE set_aside (
    log       INTEGER NOT NULL,         -- logs.id
    seq       INTEGER NOT NULL,         -- position they had in that log
    hash      BLOB NOT NULL,            -- hash of the header
    header    BLOB NOT NULL,            -- as in events
    payload   BLOB,                     -- as in events
    signature BLOB,                     -- as in events
    PRIMARY KEY (log, seq, hash)
) STRICT, WITHOUT ROWID;

-- Events that say again what an event set aside had said. Of two that had not seen each other, the later one wins.
CREATE TABLE written_again (
    pos INTEGER PRIMARY KEY,            -- events.pos
    hlc INTEGER NOT NULL                -- when it was written first
) STRICT;

-- Branches of own logs that were held as the log at some time; none of them is taken up twice.
CREATE TABLE own_branches (
    log  INTEGER NOT NULL,              -- logs.id
    hash BLOB NOT NULL,                 -- hash of the first event in which it differs from another one
    PRIMARY KEY (log, hash)
) STRICT, WITHOUT ROWID;

-- How much of own logs may have left this machine. Of a log without a row all of it may have.
CREATE TABLE own_sent (
    log INTEGER PRIMARY KEY,            -- logs.id
    seq INTEGER NOT NULL                -- the last event that may have been sent
) STRICT;

-- Facts that were changed on several machines at once and wait to be settled.
CREATE INDEX facts_diverged ON facts (id) WHERE diverged <> 0;

-- Events that came from the future: applied, and marked. Not derived from the log: it says when they came.
CREATE TABLE skewed (
    pos      INTEGER PRIMARY KEY,       -- events.pos
    ahead_ms INTEGER NOT NULL           -- how far they were ahead of this node's clock then
) STRICT;
