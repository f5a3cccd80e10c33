-- What this node keeps of the distributed hash table, and what it still has to publish there.

-- Records, of this node and of others: the one that stands under each key, exactly as it was signed.
CREATE TABLE dht_records (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- another one for another author's record, never used twice
    key          BLOB NOT NULL UNIQUE,  -- the path, UTF-8
    author       BLOB NOT NULL,         -- NodeId of who signed it
    own          INTEGER NOT NULL,      -- 1 when that is this node, which publishes it
    kind         INTEGER NOT NULL,      -- number of its kind, see core::dht
    version      INTEGER NOT NULL,      -- as it says
    expires      INTEGER NOT NULL,      -- Unix milliseconds when it ends, as it says
    came_at      INTEGER NOT NULL,      -- Unix milliseconds when it came here, or was written
    published_at INTEGER,               -- of an own one: Unix milliseconds when members took it as it is; NULL before
    value        BLOB NOT NULL          -- the signed bytes
) STRICT;
CREATE INDEX dht_records_by_author ON dht_records (author, expires);
CREATE INDEX dht_records_by_end ON dht_records (own, expires);

-- What this node says to provide.
CREATE TABLE dht_provides (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice
    topic        TEXT NOT NULL UNIQUE,  -- as it is hashed into the key, see core::dht
    source       INTEGER NOT NULL,      -- 0 it follows from what is known of this node, 1 a person said so, 2 it holds it
    since        INTEGER NOT NULL,      -- Unix milliseconds when it was first said
    published_at INTEGER                -- Unix milliseconds when members were last told; NULL before
) STRICT;
CREATE INDEX dht_provides_by_source ON dht_provides (source, topic);

-- Who else was found to provide something: what is answered while the network is away.
CREATE TABLE dht_providers (
    topic    TEXT NOT NULL,             -- of what
    node     BLOB NOT NULL,             -- NodeId of who provides it
    added_at INTEGER NOT NULL,          -- Unix milliseconds when that was first heard
    seen_at  INTEGER NOT NULL,          -- Unix milliseconds when it was last heard
    PRIMARY KEY (topic, node)
) STRICT, WITHOUT ROWID;
CREATE INDEX dht_providers_by_age ON dht_providers (seen_at);
CREATE INDEX dht_providers_by_node ON dht_providers (node);

-- How many rows there are: read instead of counting them.
CREATE TABLE dht_total (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    own       INTEGER NOT NULL,         -- own records
    others    INTEGER NOT NULL,         -- records of others
    provides  INTEGER NOT NULL,         -- what this node provides
    providers INTEGER NOT NULL          -- who else provides what
) STRICT;
INSERT INTO dht_total (one, own, others, provides, providers) VALUES (1, 0, 0, 0, 0);
CREATE TRIGGER dht_record_in AFTER INSERT ON dht_records BEGIN
    UPDATE dht_total SET own = own + new.own, others = others + 1 - new.own;
END;
CREATE TRIGGER dht_record_out AFTER DELETE ON dht_records BEGIN
    UPDATE dht_total SET own = own - old.own, others = others - 1 + old.own;
END;
CREATE TRIGGER dht_provide_in AFTER INSERT ON dht_provides BEGIN UPDATE dht_total SET provides = provides + 1; END;
CREATE TRIGGER dht_provide_out AFTER DELETE ON dht_provides BEGIN UPDATE dht_total SET provides = provides - 1; END;
CREATE TRIGGER dht_provider_in AFTER INSERT ON dht_providers BEGIN UPDATE dht_total SET providers = providers + 1; END;
CREATE TRIGGER dht_provider_out AFTER DELETE ON dht_providers BEGIN UPDATE dht_total SET providers = providers - 1; END;
