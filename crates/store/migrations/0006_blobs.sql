-- Which ciphertexts are held here, whole or in part. The bytes are files, `content/<root>` in the home.

-- One ciphertext.
CREATE TABLE blobs (
    id INTEGER PRIMARY KEY,
    root BLOB NOT NULL UNIQUE CHECK (length(root) = 32), -- hash of its root manifest, and the name of its file
    length INTEGER NOT NULL CHECK (length > 0),          -- bytes of the whole
    hash BLOB CHECK (length(hash) = 32),                 -- SHA-256 of the whole; NULL when it came in blocks
    held INTEGER NOT NULL CHECK (held >= 0),             -- bytes of the blocks that are held
    missing INTEGER NOT NULL CHECK (missing >= 0),       -- how many blocks are not held
    damaged INTEGER NOT NULL DEFAULT 0                   -- how many of those were held and were found changed
) STRICT;
-- Those that want something, and those that were found changed.
CREATE INDEX blobs_wanting ON blobs (root) WHERE missing > 0;
CREATE INDEX blobs_damaged ON blobs (root) WHERE damaged > 0;

-- Manifests as they are named by their hash.
CREATE TABLE blob_manifests (
    blob INTEGER NOT NULL REFERENCES blobs (id),
    place INTEGER NOT NULL,                              -- 0: the root; n + 1: part n of a root that lists manifests
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    bytes BLOB NOT NULL,                                 -- canonical CBOR
    PRIMARY KEY (blob, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_manifests_by_hash ON blob_manifests (hash);

-- Blocks that are not held, for each part of 4,096 blocks; no row means that all of the part is held.
CREATE TABLE blob_missing (
    blob INTEGER NOT NULL REFERENCES blobs (id),
    part INTEGER NOT NULL,
    missing BLOB NOT NULL,                               -- one bit for each block, the lowest of the first byte first
    damaged BLOB NOT NULL,                               -- those of them that were held and were found changed
    PRIMARY KEY (blob, part)
) STRICT, WITHOUT ROWID;

-- One row: sums over all of `blobs`, so that a quota can be asked for at any time.
CREATE TABLE blob_totals (
    blobs INTEGER NOT NULL,
    length INTEGER NOT NULL,
    held INTEGER NOT NULL
) STRICT;
INSERT INTO blob_totals VALUES (0, 0, 0);
CREATE TRIGGER blob_kept AFTER INSERT ON blobs BEGIN
    UPDATE blob_totals SET blobs = blobs + 1, length = length + NEW.length, held = held + NEW.held;
END;
CREATE TRIGGER blob_changed AFTER UPDATE OF held ON blobs BEGIN
    UPDATE blob_totals SET held = held - OLD.held + NEW.held;
END;
CREATE TRIGGER blob_dropped AFTER DELETE ON blobs BEGIN
    UPDATE blob_totals SET blobs = blobs - 1, length = length - OLD.length, held = held - OLD.held;
END;
