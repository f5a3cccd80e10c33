-- The search index: a projection that follows the facts and may be deleted at any time.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,             -- name of a counter or cursor
    value INTEGER NOT NULL              -- its value
) STRICT, WITHOUT ROWID;

-- Words are cut and folded by this crate, so the tokenizer only splits at spaces. Only the index is kept, not the
-- text: nothing that was forgotten can be read back from it.
CREATE VIRTUAL TABLE docs USING fts5 (text, labels, content = '', contentless_delete = 1, tokenize = 'ascii');

-- How many facts have a word.
CREATE VIRTUAL TABLE words USING fts5vocab (docs, 'row');
