-- Facts that are sealed to a role.

-- Projection: the role that may read the fact; NULL when everybody may.
ALTER TABLE facts ADD COLUMN role TEXT;

-- Projection: edits that are sealed with a key which this node has not. Bit 128 of `facts.flags` says that the text of
-- a fact is closed.
CREATE TABLE closed (
    pos   INTEGER PRIMARY KEY,          -- events.pos
    role  TEXT NOT NULL,                -- name of the role
    epoch BLOB NOT NULL                 -- which of its keys: hash of the record that made it, 32 bytes
) STRICT;
CREATE INDEX closed_by_key ON closed (role, epoch);
