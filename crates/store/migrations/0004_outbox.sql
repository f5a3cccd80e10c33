-- What waits for peers that cannot be reached, and what came from those for whom it waited. None of it is derived from
-- the log.

-- Items that wait, each sealed for its row. The columns beside are what delivery needs; they are bound to the row.
CREATE TABLE outbox (
    id       INTEGER PRIMARY KEY,       -- number of the row, never used twice, see outbox_total
    peer     BLOB NOT NULL,             -- NodeId it is for
    era      INTEGER NOT NULL,          -- era in which it was put here, see core::outbox
    n        INTEGER NOT NULL,          -- the how-manieth item for that peer
    protocol INTEGER NOT NULL,          -- number of the kind of request
    level    INTEGER NOT NULL,          -- 0 critical
    schema   INTEGER NOT NULL,          -- version of the body's form
    subject  BLOB NOT NULL,             -- what it is about, 16 bytes
    state    INTEGER NOT NULL,          -- 0 waits, 1 refused, 2 does not open
    reason   TEXT,                      -- stable name of why it does not wait; NULL while it does
    at       INTEGER NOT NULL,          -- Unix milliseconds when it was put here
    bytes    INTEGER NOT NULL,          -- bytes of the body
    sealed   BLOB NOT NULL,             -- AES-256-GCM: nonce, ciphertext, tag
    UNIQUE (peer, n)
) STRICT;
-- What no longer waits by itself.
CREATE INDEX outbox_stuck ON outbox (id) WHERE state <> 0;

-- For whom something waits or waited, and how much: read instead of counting rows.
CREATE TABLE outbox_peers (
    peer          BLOB PRIMARY KEY,     -- NodeId
    next_n        INTEGER NOT NULL,     -- place of the next item
    items         INTEGER NOT NULL,     -- rows of the outbox for it
    stuck         INTEGER NOT NULL,     -- those of them that do not wait by themselves
    bytes         INTEGER NOT NULL,     -- bytes of the bodies of all of them
    floor         INTEGER NOT NULL,     -- every row below was here once and is gone
    era           INTEGER,              -- era of the newest item; NULL before the first
    delivered_era INTEGER,              -- place of the last item that it took; NULL before the first
    delivered_n   INTEGER,              -- the same
    delivered_at  INTEGER               -- Unix milliseconds
) STRICT, WITHOUT ROWID;

-- In which era each place of a peer's queue was given: from `n` on, up to the next row.
CREATE TABLE outbox_starts (
    peer BLOB NOT NULL,                 -- NodeId
    n    INTEGER NOT NULL,              -- place of the first item of that era
    era  INTEGER NOT NULL,              -- the era
    PRIMARY KEY (peer, n)
) STRICT, WITHOUT ROWID;

-- How much waits for all peers together, in one row.
CREATE TABLE outbox_total (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    next_id  INTEGER NOT NULL,          -- number of the next row of the outbox
    bytes    INTEGER NOT NULL           -- bytes of all bodies
) STRICT;
INSERT INTO outbox_total (one, next_id, bytes) VALUES (1, 1, 0);

-- Eras of this database: a receiver that names another one has seen items which a restored copy no longer knows.
CREATE TABLE outbox_eras (
    era        INTEGER PRIMARY KEY,     -- drawn when the node started
    turn       INTEGER NOT NULL,        -- counts the eras, so that the oldest can go
    started_at INTEGER NOT NULL         -- Unix milliseconds
) STRICT;

-- What was taken of each sender's outbox, so that nothing is taken twice.
CREATE TABLE taken (
    node    BLOB NOT NULL,              -- NodeId of the sender, whose key nobody else has
    era     INTEGER NOT NULL,           -- era of the items
    store   BLOB NOT NULL,              -- StoreId that the sender's database had when it last sent one of them
    floor   INTEGER NOT NULL,           -- everything below is taken, or gone at the sender
    ranges  BLOB NOT NULL,              -- CBOR: places that were taken, first and last of each range
    last_n  INTEGER NOT NULL,           -- place of the item taken last
    turn    INTEGER NOT NULL,           -- grows with what is taken of this sender, whatever the clock says
    last_at INTEGER NOT NULL,           -- Unix milliseconds
    PRIMARY KEY (node, era)
) STRICT, WITHOUT ROWID;

-- Catalogues: what this node offers, and what others have told it that they offer.
CREATE TABLE resources (
    id              BLOB PRIMARY KEY,   -- ResourceId, which names the owner
    owner           BLOB NOT NULL,      -- NodeId
    gone            INTEGER NOT NULL,   -- 1 when its owner took it away; then only the stamp is kept
    at              INTEGER NOT NULL,   -- first half of its stamp: Unix milliseconds, by its owner's clock
    version         INTEGER NOT NULL,   -- second half: counts its states
    kind            INTEGER NOT NULL,   -- number of its kind; 0 when gone
    name            TEXT NOT NULL,      -- its name, to be found by; empty when gone
    body            BLOB NOT NULL,      -- CBOR, see core::resource; empty when gone
    learned_at      INTEGER NOT NULL,   -- Unix milliseconds when this state came here
    checked_at      INTEGER,            -- Unix milliseconds when its owner answered whether it is there; NULL before
    checked_stamp   INTEGER,            -- stamp that the owner named; NULL when it said no
    checked_version INTEGER             -- the same
) STRICT, WITHOUT ROWID;
CREATE INDEX resources_by_owner ON resources (owner, gone, at);
CREATE INDEX resources_by_name ON resources (name) WHERE gone = 0;

-- Words by which entries are found.
CREATE TABLE resource_words (
    word   TEXT NOT NULL,               -- as search cuts it, or the mark of an exact capability or tag
    id     BLOB NOT NULL,               -- ResourceId
    weight INTEGER NOT NULL,            -- how much it counts
    PRIMARY KEY (word, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX resource_words_by_id ON resource_words (id);

-- When resources can be used, as their owners say.
CREATE TABLE resource_plans (
    id    BLOB PRIMARY KEY,             -- ResourceId
    owner BLOB NOT NULL,                -- NodeId
    at    INTEGER NOT NULL,             -- Unix milliseconds when the plan was made, by its owner's clock
    body  BLOB NOT NULL                 -- CBOR, see core::resource::notice
) STRICT, WITHOUT ROWID;
CREATE INDEX resource_plans_by_owner ON resource_plans (owner);

-- Acknowledgements of planned uses.
CREATE TABLE resource_considers (
    id       BLOB NOT NULL,             -- ResourceId
    node     BLOB NOT NULL,             -- NodeId of whoever gave it
    from_at  INTEGER NOT NULL,          -- Unix milliseconds when the use begins
    until_at INTEGER NOT NULL,          -- Unix milliseconds when it ends
    at       INTEGER NOT NULL,          -- Unix milliseconds when it was given, by that node's clock
    body     BLOB NOT NULL,             -- CBOR, see core::resource::notice
    PRIMARY KEY (id, node, from_at, until_at)
) STRICT, WITHOUT ROWID;

-- Members that were told the whole own catalogue, and for which of their databases.
CREATE TABLE resource_told (
    node  BLOB PRIMARY KEY,             -- NodeId
    store BLOB NOT NULL,                -- StoreId
    at    INTEGER NOT NULL              -- Unix milliseconds
) STRICT, WITHOUT ROWID;

-- Messages between agents, in the order in which they came, or were written here.
CREATE TABLE messages (
    n        INTEGER PRIMARY KEY AUTOINCREMENT, -- order, never used twice
    id       BLOB NOT NULL UNIQUE,      -- MessageId, which names the writer
    thread   BLOB NOT NULL,             -- MessageId of the one that began the conversation
    reply_to BLOB,                      -- MessageId of the one that it answers
    node     BLOB NOT NULL,             -- NodeId of the writer
    sent     INTEGER NOT NULL,          -- 1 when this node wrote it
    at       INTEGER NOT NULL,          -- Unix milliseconds, by the writer's clock
    came_at  INTEGER NOT NULL,          -- Unix milliseconds when it came, or was put into the outbox
    read_at  INTEGER,                   -- Unix milliseconds when it was read here; NULL before
    body     BLOB NOT NULL              -- CBOR of role, agent, text, references; sealed when this node wrote it
) STRICT;
CREATE INDEX messages_by_thread ON messages (thread, n);
-- What came and was not read, and what was, which makes room.
CREATE INDEX messages_unread ON messages (n) WHERE sent = 0 AND read_at IS NULL;
CREATE INDEX messages_read ON messages (node, n) WHERE sent = 0 AND read_at IS NOT NULL;

-- To whom this node wrote, and how far that has come. While its row of the outbox is there it waits, or is refused.
CREATE TABLE message_receivers (
    message      INTEGER NOT NULL,      -- messages.n
    node         BLOB NOT NULL,         -- NodeId of the receiver
    item         INTEGER,               -- outbox.id; NULL if it was not kept on disk
    delivered_at INTEGER,               -- Unix milliseconds; NULL before
    read_at      INTEGER,               -- Unix milliseconds, by the receiver's clock; NULL before
    PRIMARY KEY (message, node)
) STRICT, WITHOUT ROWID;

-- How much there is of each writer: read instead of counting rows.
CREATE TABLE message_writers (
    node   BLOB PRIMARY KEY,            -- NodeId
    own    INTEGER NOT NULL,            -- 1 for this node
    items  INTEGER NOT NULL,            -- messages of it
    bytes  INTEGER NOT NULL,            -- bytes of their bodies
    unread INTEGER NOT NULL             -- those of them that came and were not read
) STRICT, WITHOUT ROWID;

-- Words of the messages that came, cut and folded by this crate. What this node wrote is not in here: while it waits
-- it must not stand in the file for others to read.
CREATE VIRTUAL TABLE message_words USING fts5 (text, content = '', contentless_delete = 1, tokenize = 'ascii');
