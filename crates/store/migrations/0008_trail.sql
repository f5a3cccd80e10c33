-- Who stored and read what: an append-only trail, each line hashed together with the hash of the one before.

CREATE TABLE trail (
    n    INTEGER PRIMARY KEY,           -- order, from 1 without gaps
    line BLOB NOT NULL,                 -- canonical CBOR, see core::trail
    hash BLOB NOT NULL                  -- SHA-256 over the hash of line n - 1 and this line, 32 bytes
) STRICT;
-- No code of ours changes a line. These keep a mistake from doing it.
CREATE TRIGGER trail_stays BEFORE DELETE ON trail BEGIN SELECT raise(ABORT, 'the trail only grows'); END;
CREATE TRIGGER trail_is_final BEFORE UPDATE ON trail BEGIN SELECT raise(ABORT, 'the trail only grows'); END;
