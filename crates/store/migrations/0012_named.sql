-- Writes that their callers named, so that repeating one does nothing.
CREATE TABLE named (
    key        TEXT PRIMARY KEY,        -- what the caller named its write
    stream     INTEGER NOT NULL,        -- Stream of the log of the event that stands for it
    store      BLOB NOT NULL,           -- StoreId of that log
    seq        INTEGER NOT NULL,        -- its place there
    created_at INTEGER NOT NULL         -- Unix milliseconds
) STRICT, WITHOUT ROWID;
CREATE INDEX named_by_age ON named (created_at);
