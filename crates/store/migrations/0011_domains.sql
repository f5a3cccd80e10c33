-- Facts of one domain in the order in which they came here, for whoever keeps a collection of its own in a domain.
CREATE INDEX facts_by_domain ON facts (domain, n) WHERE domain IS NOT NULL;
