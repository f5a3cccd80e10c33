-- The log, and everything that is derived from it. Whatever is marked "projection" can be dropped and rebuilt.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,             -- name of a setting of this database
    value BLOB NOT NULL                 -- its value; each key has its own encoding
) STRICT, WITHOUT ROWID;

CREATE TABLE genes (
    id   TEXT PRIMARY KEY,              -- stable name of the gene
    text TEXT NOT NULL                  -- what it says; never changed
) STRICT, WITHOUT ROWID;

CREATE TABLE logs (
    id          INTEGER PRIMARY KEY,    -- local number of the log, used inside this database only
    store       BLOB NOT NULL,          -- StoreId, 16 bytes
    stream      INTEGER NOT NULL,       -- 0 charter, 1 shared, 2 local
    node        BLOB NOT NULL,          -- NodeId of the key that signs it, 32 bytes
    name        TEXT NOT NULL,          -- the node's name in the opening event
    head_seq    INTEGER NOT NULL,       -- last sequence number held
    head_hash   BLOB NOT NULL,          -- hash of that header, 32 bytes
    verdict     INTEGER NOT NULL,       -- 0 good, 1 forked, 2 cut
    verdict_seq INTEGER NOT NULL,       -- the sequence number the verdict names
    UNIQUE (stream, store)
) STRICT;

CREATE TABLE events (
    pos       INTEGER PRIMARY KEY,      -- order of arrival at this node
    log       INTEGER NOT NULL,         -- logs.id
    seq       INTEGER NOT NULL,         -- position in that log, from 1 without gaps
    header    BLOB NOT NULL,            -- the bytes that were signed
    payload   BLOB,                     -- the payload as it came; NULL when it is not held
    signature BLOB,                     -- 64 bytes; NULL when a later signature speaks for it
    UNIQUE (log, seq)
) STRICT;

-- Events whose payload did not come along, to be asked for.
CREATE INDEX events_without_payload ON events (log, seq) WHERE payload IS NULL;

-- Both sides of a log that its author signed twice: these rows are the branch that is not in `events`.
CREATE TABLE forks (
    log       INTEGER NOT NULL,         -- logs.id
    seq       INTEGER NOT NULL,         -- position in that log
    hash      BLOB NOT NULL,            -- hash of the header
    header    BLOB NOT NULL,            -- as in events
    payload   BLOB,                     -- as in events
    signature BLOB,                     -- as in events
    PRIMARY KEY (log, seq, hash)
) STRICT, WITHOUT ROWID;

-- Projection: which edit of which subject stands for which fields. History and frontier in one.
CREATE TABLE edits (
    kind     INTEGER NOT NULL,          -- kind of the subject; 1 is a fact
    id       BLOB NOT NULL,             -- id of the subject
    stream   INTEGER NOT NULL,          -- the frontiers of the streams are apart
    pos      INTEGER NOT NULL,          -- events.pos
    standing INTEGER NOT NULL,          -- bitmap of the fields for which it stands; 0 when later edits took them all
    PRIMARY KEY (kind, id, stream, pos)
) STRICT, WITHOUT ROWID;

-- Projection: what each fact says now.
CREATE TABLE facts (
    n           INTEGER PRIMARY KEY,    -- pos of its first edit; the search index names it by this
    id          BLOB NOT NULL UNIQUE,   -- FactId, 16 bytes
    stream      INTEGER NOT NULL,       -- the stream whose frontier decides: 1 shared, 2 local
    pos         INTEGER NOT NULL,       -- pos of its last edit
    event       INTEGER NOT NULL,       -- pos of the edit whose text is shown
    log         INTEGER NOT NULL,       -- logs.id of that edit: author and origin
    content     TEXT,                   -- the text; NULL when forgotten or not held
    level       INTEGER NOT NULL,       -- 0 project, 1 domain, 2 module, 3 snippet
    domain      TEXT,                   -- area of knowledge
    module      TEXT,                   -- module inside the domain
    flags       INTEGER NOT NULL,       -- 1 stale, 2 archived, 4 private, 8 forgotten, 16 incomplete, 32 withheld, 64 erased
    diverged    INTEGER NOT NULL,       -- bitmap of the fields for which distinct values stand
    created_at  INTEGER NOT NULL,       -- Unix milliseconds
    updated_at  INTEGER NOT NULL,       -- Unix milliseconds of the last edit, by its author's clock
    expires_at  INTEGER,                -- Unix milliseconds; NULL when it has no time to live
    on_expire   INTEGER NOT NULL,       -- 0 mark stale, 1 archive, 2 delete
    agent       TEXT,                   -- who wrote the shown text, by its provenance
    source_kind INTEGER,                -- number of the kind of source; NULL when unknown
    rest        BLOB                    -- CBOR map of field bit to value: the fields without a column
) STRICT;

-- The search index follows the facts in this order.
CREATE INDEX facts_by_pos ON facts (pos);
-- Facts of the shared stream that are no longer meant for others.
CREATE INDEX facts_withheld ON facts (id) WHERE flags & 32;

-- Facts that changed without a new event (a log was cut or forked, a payload came later): the index looks again.
CREATE TABLE touched (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- order of the changes
    n  INTEGER NOT NULL                   -- facts.n
) STRICT;

-- Projection: events that are stored and not, or not fully, applied.
CREATE TABLE quarantine (
    pos    INTEGER PRIMARY KEY,         -- events.pos
    reason INTEGER NOT NULL             -- number of the reason, see view::Cause
) STRICT;

-- Everything below is this node's own business: neither in the log nor in the state hash.

CREATE TABLE peers (
    node         BLOB PRIMARY KEY,      -- NodeId, 32 bytes
    name         TEXT NOT NULL,         -- its name for people
    trust        INTEGER NOT NULL,      -- 0 unknown, 1 pending, 2 verified, 3 rejected, 4 expired
    store        BLOB,                  -- pinned StoreId; NULL before the first handshake
    last_seen    INTEGER,               -- Unix milliseconds
    fact_count   INTEGER NOT NULL,      -- facts received from it, cumulative
    data         BLOB NOT NULL          -- CBOR of the rest, see peers.rs
) STRICT, WITHOUT ROWID;

CREATE TABLE invites (
    secret_hash BLOB PRIMARY KEY,       -- SHA-256 of the one-time secret; the secret itself is not kept
    roles       BLOB NOT NULL,          -- CBOR list of role names
    expires_at  INTEGER NOT NULL,       -- Unix milliseconds
    created_at  INTEGER NOT NULL,       -- Unix milliseconds
    joiner      BLOB                    -- NodeId that used it; NULL while nobody has
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    key        TEXT PRIMARY KEY,        -- what the caller named its write
    fact       BLOB NOT NULL,           -- the fact that the write made
    created_at INTEGER NOT NULL         -- Unix milliseconds
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE hits (
    fact     BLOB PRIMARY KEY,          -- FactId
    hits     INTEGER NOT NULL,          -- how often it was recalled here
    last_at  INTEGER NOT NULL           -- Unix milliseconds of the last time
) STRICT, WITHOUT ROWID;
