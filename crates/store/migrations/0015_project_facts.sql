-- Facts of level 0: few among very many, and asked for whenever an agent begins to work.
CREATE INDEX facts_project ON facts (id) WHERE level = 0;
