-- What the index of documents says.

-- Projection: one row for every event about a document that counts in its frontier.
CREATE TABLE contents (
    pos          INTEGER PRIMARY KEY,   -- events.pos
    id           BLOB NOT NULL,         -- ContentId, 32 bytes
    event        BLOB NOT NULL,         -- EventId, 16 bytes
    log          INTEGER NOT NULL,      -- logs.id: who wrote it
    state        INTEGER NOT NULL,      -- 0 counts, 1 removed, 2 unauthorised, 3 its payload is not held or none, 4 is a removal
    latest       INTEGER NOT NULL,      -- 1 for the version that stands for the document
    rank         BLOB NOT NULL,         -- order of the versions: version, clock, store, header hash; big-endian
    agent        TEXT,                  -- of its address; this and all below NULL where the payload is not known
    role         TEXT,                  -- of its address
    project      TEXT,                  -- of its address
    task         TEXT,                  -- of its address
    path         TEXT,                  -- of its address; may be empty
    creator_role TEXT,                  -- role in which it was stored
    content_type TEXT,                  -- what kind of document it is
    created_at   INTEGER,               -- Unix milliseconds when it was stored, by its author's clock
    root         BLOB                   -- hash of its root manifest, 32 bytes
) STRICT;

-- The versions of one document in their order.
CREATE INDEX contents_by_id ON contents (id, state, rank);
-- Which ciphertexts are still of a version that counts.
CREATE INDEX contents_by_root ON contents (root) WHERE state = 0;
-- Who stored as what: judged anew when the charter changes.
CREATE INDEX contents_by_author ON contents (log, state, creator_role);
-- Searches look at what stands for its document, the newest first.
CREATE UNIQUE INDEX contents_latest ON contents (id) WHERE latest = 1;
CREATE INDEX contents_newest ON contents (created_at, id) WHERE latest = 1;
CREATE INDEX contents_by_agent ON contents (agent, created_at, id) WHERE latest = 1;
CREATE INDEX contents_by_role ON contents (role, created_at, id) WHERE latest = 1;
CREATE INDEX contents_by_project ON contents (project, created_at, id) WHERE latest = 1;
CREATE INDEX contents_by_task ON contents (task, created_at, id) WHERE latest = 1;
CREATE INDEX contents_by_creator_role ON contents (creator_role, created_at, id) WHERE latest = 1;
CREATE INDEX contents_by_content_type ON contents (content_type, created_at, id) WHERE latest = 1;
