-- Messages that their callers named, so that sending one again sends nothing.
CREATE TABLE named_messages (
    key        TEXT PRIMARY KEY,        -- what the caller named its message
    message    BLOB NOT NULL,           -- MessageId of the one that was sent, 16 bytes
    created_at INTEGER NOT NULL         -- Unix milliseconds
) STRICT, WITHOUT ROWID;
CREATE INDEX named_messages_by_age ON named_messages (created_at);
