-- What trust needs beyond the log: leaf hashes that name a gene somebody tampered with, and this node's own business
-- with other nodes: what is kept ready for them, what was carried by hand, who removed us.

CREATE TABLE gene_leaves (
    id   TEXT PRIMARY KEY,              -- genes.id
    leaf BLOB NOT NULL                  -- RFC 6962 leaf hash of the gene when it was written, 32 bytes
) STRICT, WITHOUT ROWID;

-- What is kept ready for a node that fell silent: a pinned range of its own logs, not a copy.
CREATE TABLE backups (
    node         BLOB PRIMARY KEY,      -- NodeId it is for
    genome_hash  BLOB NOT NULL,         -- the genome it was made under, 32 bytes
    facts        INTEGER NOT NULL,      -- facts in that range
    heads        BLOB NOT NULL,         -- CBOR: how much of each of its logs is pinned
    backed_up_at INTEGER NOT NULL,      -- Unix milliseconds
    reason       INTEGER NOT NULL       -- 0 timeout, 1 explicit
) STRICT, WITHOUT ROWID;

-- Copies of other nodes' local streams, sealed to themselves.
CREATE TABLE sealed_copies (
    node       BLOB NOT NULL,           -- NodeId it belongs to; nobody else can read it
    store      BLOB NOT NULL,           -- StoreId whose local log it is
    first      INTEGER NOT NULL,        -- first sequence number in it
    last       INTEGER NOT NULL,        -- last sequence number in it
    sealed     BLOB NOT NULL,           -- age file
    created_at INTEGER NOT NULL,        -- Unix milliseconds
    PRIMARY KEY (node, store, first)
) STRICT, WITHOUT ROWID;

-- Nonces of requests that were carried by hand: ours until they are answered, others' so that none is answered twice.
CREATE TABLE carried (
    nonce      BLOB PRIMARY KEY,        -- 32 bytes
    node       BLOB,                    -- NodeId of whoever asked; NULL when it was this node
    created_at INTEGER NOT NULL         -- Unix milliseconds, by this node's clock
) STRICT, WITHOUT ROWID;
CREATE INDEX carried_by_age ON carried (created_at);

-- What was refused and who tried, so that a person can read it later. Bounded; the oldest go first.
CREATE TABLE audit (
    n      INTEGER PRIMARY KEY AUTOINCREMENT, -- order
    at     INTEGER NOT NULL,            -- Unix milliseconds
    kind   TEXT NOT NULL,               -- what was tried
    node   BLOB,                        -- NodeId of whoever tried; NULL when that is not known
    reason TEXT NOT NULL,               -- stable name of why it was refused
    detail TEXT NOT NULL                -- what else there is to say; never a secret
) STRICT;
