-- What sync between members needs beyond logs and trust.

-- Projection: subjects that were forgotten for good. Of these no payload is ever kept again.
CREATE TABLE erased (
    kind INTEGER NOT NULL,              -- kind of the subject, as in edits
    id   BLOB NOT NULL,                 -- id of the subject
    pos  INTEGER NOT NULL,              -- events.pos of the first event held that erases it
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- The newest custody receipt of each member: what it has signed that it holds.
CREATE TABLE receipts (
    node      BLOB PRIMARY KEY,         -- NodeId, 32 bytes
    at        INTEGER NOT NULL,         -- Unix milliseconds, by that member's clock
    bytes     BLOB NOT NULL,            -- what was signed, see core::custody
    signature BLOB NOT NULL             -- 64 bytes
) STRICT, WITHOUT ROWID;

-- Events of own logs that contradicted what members hold, from before this database was restored: taken out of the
-- log, and written again behind what the members hold.
CREATE TABLE set_aside (
    log       INTEGER NOT NULL,         -- logs.id
    seq       INTEGER NOT NULL,         -- position it had in that log
    header    BLOB NOT NULL,            -- as in events
    payload   BLOB,                     -- as in events
    signature BLOB,                     -- as in events
    PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID;
