-- Who holds which ciphertexts, and which of them must be looked at again.

-- How many bytes its ciphertext has, as its author says. NULL in rows that an older version wrote.
ALTER TABLE contents ADD COLUMN stored_size INTEGER;
-- Which versions have a ciphertext, those that count and those that do not.
DROP INDEX contents_by_root;
CREATE INDEX contents_by_root ON contents (root, state);

-- The three that follow are kept by the triggers below: what the index says of a ciphertext that is held.
ALTER TABLE blobs ADD COLUMN needed INTEGER NOT NULL DEFAULT 0;   -- 1 when a version needs it that counts
ALTER TABLE blobs ADD COLUMN own INTEGER NOT NULL DEFAULT 0;      -- 1 when this node's key wrote one of those
ALTER TABLE blobs ADD COLUMN named INTEGER NOT NULL DEFAULT 0;    -- 0 no version ever had it, 1 one had, 2 one of a team that was left
ALTER TABLE blobs ADD COLUMN idle_since INTEGER;                  -- Unix milliseconds since when it was seen that nothing needs it
CREATE INDEX blobs_not_needed ON blobs (root) WHERE needed = 0;
-- Bytes that are held of what this node's key wrote.
ALTER TABLE blob_totals ADD COLUMN own INTEGER NOT NULL DEFAULT 0;

-- The key of this node: the second of the four parts of its identity, each of the first two 32 bytes behind their head.
CREATE VIEW own_key AS SELECT substr(value, 38, 32) AS node FROM meta WHERE key = 'own';

-- Ciphertexts of which it changed whether, by whom or how much they are needed, or how they are held here.
CREATE TABLE replication_due (
    root BLOB PRIMARY KEY               -- of the ciphertext, 32 bytes
) STRICT, WITHOUT ROWID;

-- Nodes that were ever asked for a ciphertext: by a number, since each stands in many rows.
CREATE TABLE replica_nodes (
    n    INTEGER PRIMARY KEY,
    node BLOB NOT NULL UNIQUE           -- NodeId
) STRICT;

-- What is known of who holds what; of nodes that are gone too, so that it can be said who had it last.
CREATE TABLE replicas (
    root      BLOB NOT NULL,            -- of the ciphertext
    node      INTEGER NOT NULL REFERENCES replica_nodes (n),
    evidence  INTEGER NOT NULL,         -- 0 proved, 1 claimed, 2 missing, 3 wrong
    at        INTEGER NOT NULL,         -- Unix milliseconds of that, by this node's clock
    added_at  INTEGER,                  -- Unix milliseconds when it first proved or claimed that it holds it; NULL if never
    seen_at   INTEGER,                  -- Unix milliseconds when it last did
    successes INTEGER NOT NULL,         -- see core::replication::History
    failures  INTEGER NOT NULL,         -- likewise
    PRIMARY KEY (root, node)
) STRICT, WITHOUT ROWID;

-- The newest statements of members about what they hold, as they signed them. Bounded; the oldest go first.
CREATE TABLE possessions (
    n         INTEGER PRIMARY KEY AUTOINCREMENT, -- order, never used twice
    node      INTEGER NOT NULL REFERENCES replica_nodes (n),
    at        INTEGER NOT NULL,         -- Unix milliseconds when it came, by this node's clock
    bytes     BLOB NOT NULL,            -- what was signed, see core::possession
    signature BLOB NOT NULL             -- 64 bytes
) STRICT;
CREATE INDEX possessions_by_node ON possessions (node, n);

-- How soon copies are to be made, where a person said so.
CREATE TABLE content_priorities (
    root     BLOB PRIMARY KEY,          -- of the ciphertext
    priority INTEGER NOT NULL           -- number of the priority
) STRICT, WITHOUT ROWID;

-- A version came, went, or began to count or to stand for its document, or ceased to. A row that is replaced counts as
-- one that comes, so everything is found anew and nothing is counted up or down.
CREATE TRIGGER replication_version_in AFTER INSERT ON contents WHEN NEW.root IS NOT NULL BEGIN
    INSERT OR IGNORE INTO replication_due (root) VALUES (NEW.root);
    UPDATE blobs SET named = 1,
        needed = EXISTS (SELECT 1 FROM contents WHERE root = NEW.root AND state = 0),
        own = EXISTS (SELECT 1 FROM contents c JOIN logs l ON l.id = c.log JOIN own_key k ON k.node = l.node
                      WHERE c.root = NEW.root AND c.state = 0)
    WHERE root = NEW.root;
END;
CREATE TRIGGER replication_version_changed AFTER UPDATE OF state, latest ON contents
WHEN NEW.root IS NOT NULL AND (NEW.state <> OLD.state OR NEW.latest <> OLD.latest) BEGIN
    INSERT OR IGNORE INTO replication_due (root) VALUES (NEW.root);
    UPDATE blobs SET
        needed = EXISTS (SELECT 1 FROM contents WHERE root = NEW.root AND state = 0),
        own = EXISTS (SELECT 1 FROM contents c JOIN logs l ON l.id = c.log JOIN own_key k ON k.node = l.node
                      WHERE c.root = NEW.root AND c.state = 0)
    WHERE root = NEW.root;
END;
CREATE TRIGGER replication_version_out AFTER DELETE ON contents WHEN OLD.root IS NOT NULL BEGIN
    INSERT OR IGNORE INTO replication_due (root) VALUES (OLD.root);
    UPDATE blobs SET
        needed = EXISTS (SELECT 1 FROM contents WHERE root = OLD.root AND state = 0),
        own = EXISTS (SELECT 1 FROM contents c JOIN logs l ON l.id = c.log JOIN own_key k ON k.node = l.node
                      WHERE c.root = OLD.root AND c.state = 0)
    WHERE root = OLD.root;
END;

-- A ciphertext began to be held, became whole or ceased to be, or was dropped.
CREATE TRIGGER replication_blob_in AFTER INSERT ON blobs BEGIN
    INSERT OR IGNORE INTO replication_due (root) VALUES (NEW.root);
    UPDATE blobs SET
        named = EXISTS (SELECT 1 FROM contents WHERE root = NEW.root),
        needed = EXISTS (SELECT 1 FROM contents WHERE root = NEW.root AND state = 0),
        own = EXISTS (SELECT 1 FROM contents c JOIN logs l ON l.id = c.log JOIN own_key k ON k.node = l.node
                      WHERE c.root = NEW.root AND c.state = 0)
    WHERE id = NEW.id;
END;
CREATE TRIGGER replication_blob_changed AFTER UPDATE OF missing ON blobs
WHEN (NEW.missing = 0) <> (OLD.missing = 0) BEGIN
    INSERT OR IGNORE INTO replication_due (root) VALUES (NEW.root);
END;
CREATE TRIGGER replication_blob_out AFTER DELETE ON blobs BEGIN
    INSERT OR IGNORE INTO replication_due (root) VALUES (OLD.root);
    UPDATE blob_totals SET own = own - OLD.held * OLD.own;
END;
CREATE TRIGGER replication_own AFTER UPDATE OF held, own ON blobs WHEN NEW.own + OLD.own > 0 BEGIN
    UPDATE blob_totals SET own = own - OLD.held * OLD.own + NEW.held * NEW.own;
END;
-- What is needed again, or of which more has come, has not been idle.
CREATE TRIGGER replication_busy AFTER UPDATE OF held, needed ON blobs
WHEN NEW.idle_since IS NOT NULL AND (NEW.needed = 1 OR NEW.held > OLD.held) BEGIN
    UPDATE blobs SET idle_since = NULL WHERE id = NEW.id;
END;

-- What was held before.
UPDATE blobs SET
    named = EXISTS (SELECT 1 FROM contents c WHERE c.root = blobs.root),
    needed = EXISTS (SELECT 1 FROM contents c WHERE c.root = blobs.root AND c.state = 0),
    own = EXISTS (SELECT 1 FROM contents c JOIN logs l ON l.id = c.log JOIN own_key k ON k.node = l.node
                  WHERE c.root = blobs.root AND c.state = 0);
