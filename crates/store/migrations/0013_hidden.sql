-- Facts that are forgotten (8) or closed (128): few among many, and counted whenever somebody looks at the node.
CREATE INDEX facts_hidden ON facts (flags) WHERE flags & 136;
