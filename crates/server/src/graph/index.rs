//! Which entities may hold a text.
//!
//! Looking through every text takes the longer the more there is. An index by words finds no parts of words, and the memory
//! server finds those. So every three bytes that follow each other in a text set one of a row's few bits: where one of the
//! bits of what is looked for is missing, the row's texts cannot hold it. Bits say too much at times, and what they let
//! through is looked at itself.
//!
//! A search reads a few bits of all rows, so equal bits of many rows lie together: a block of 512 rows costs one line of the
//! processor's cache for each bit. A row takes on texts until a quarter of its bits are set, and then its entity begins
//! another one; so it stays as sharp for entities about which much is known. A row has 128 bytes.

/// Bits of a row.
const BITS: usize = 1 << HASH_BITS;
const HASH_BITS: u32 = 10;
/// A row that has more bits set takes on no further text.
const FILLED_MAX: usize = BITS / 4;
/// Rows of a block.
const BLOCK_ROWS: usize = WORDS * WORD_BITS;
const WORDS: usize = 8;
const WORD_BITS: usize = u64::BITS as usize;
/// How many bytes set a bit. What is shorter cannot be looked for here.
const GRAM: usize = 3;
/// Most bits of what is looked for that are read; more hardly rule out more.
const LOOKUPS_MAX: usize = 24;

/// One bit of every row of a block.
type Column = [u64; WORDS];

/// Rows of bits, with the entities they belong to.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// For each block a column for every bit.
    blocks: Vec<Vec<Column>>,
    /// The entity of each row.
    owners: Vec<usize>,
}

/// The row that takes on the texts of an entity.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    at: usize,
    filled: usize,
}

impl Index {
    /// Notes a text of an entity, in small letters.
    pub(super) fn note(&mut self, row: &mut Option<Row>, owner: usize, text: &str) {
        let mut into = match *row {
            Some(row) if row.filled <= FILLED_MAX => row,
            _ => self.begin(owner),
        };
        let (word, mask) = place(into.at);
        if let Some(block) = self.blocks.get_mut(into.at / BLOCK_ROWS) {
            for bit in bits(text) {
                if let Some(bits) = block.get_mut(bit).and_then(|column| column.get_mut(word)) {
                    into.filled += usize::from(*bits & mask == 0);
                    *bits |= mask;
                }
            }
        }
        *row = Some(into);
    }

    /// The entities that may hold a text, in small letters, in ascending order; `None` where that cannot be said.
    pub(super) fn may_hold(&self, text: &str) -> Option<Vec<usize>> {
        let mut wanted: Vec<usize> = bits(text).collect();
        if wanted.is_empty() {
            return None;
        }
        wanted.sort_unstable();
        wanted.dedup();
        // Neighbours in a text are alike in many texts; those far apart rule out more.
        wanted.sort_unstable_by_key(|bit| bit.wrapping_mul(0x9E37_79B9) % BITS);
        wanted.truncate(LOOKUPS_MAX);
        let mut found = Vec::new();
        for (block, owners) in self.blocks.iter().zip(self.owners.chunks(BLOCK_ROWS)) {
            let Some(rows) = common(block, &wanted) else { continue };
            for (word, bits) in rows.into_iter().enumerate() {
                let mut bits = bits;
                while bits != 0 {
                    let row = word * WORD_BITS + bits.trailing_zeros() as usize;
                    found.extend(owners.get(row));
                    bits &= bits - 1;
                }
            }
        }
        // An entity about which much is known has several rows.
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    fn begin(&mut self, owner: usize) -> Row {
        let at = self.owners.len();
        if at.is_multiple_of(BLOCK_ROWS) {
            self.blocks.push(vec![Column::default(); BITS]);
        }
        self.owners.push(owner);
        Row { at, filled: 0 }
    }
}

/// The rows of a block that have all of these bits; `None` when there is none.
fn common(block: &[Column], wanted: &[usize]) -> Option<Column> {
    let mut rows = [u64::MAX; WORDS];
    for bit in wanted {
        let column = block.get(*bit)?;
        let mut any = 0;
        for (row, bits) in rows.iter_mut().zip(column) {
            *row &= bits;
            any |= *row;
        }
        if any == 0 {
            return None;
        }
    }
    Some(rows)
}

/// The word of a column that holds a row's bit, and the bit in it.
const fn place(row: usize) -> (usize, u64) {
    let row = row % BLOCK_ROWS;
    (row / WORD_BITS, 1 << (row % WORD_BITS))
}

/// The bits that a text sets.
fn bits(text: &str) -> impl Iterator<Item = usize> {
    let bit = |gram: &[u8]| {
        let number = gram.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        (number.wrapping_mul(0x9E37_79B1) >> (u32::BITS - HASH_BITS)) as usize
    };
    text.as_bytes().windows(GRAM).map(bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entities with so many texts each, made from small numbers.
    fn entities(count: usize, texts: usize) -> Vec<Vec<String>> {
        let text = |entity, text| format!("note{entity:05}x{text:03} of the ferry to {} and öre", entity * 7919 % 1009);
        (0..count).map(|entity| (0..texts).map(|number| text(entity, number)).collect()).collect()
    }

    fn index(entities: &[Vec<String>]) -> Index {
        let mut index = Index::default();
        for (owner, texts) in entities.iter().enumerate() {
            let mut row = None;
            for text in texts {
                index.note(&mut row, owner, text);
            }
        }
        index
    }

    #[test]
    fn no_text_that_is_there_is_ruled_out() {
        for (count, texts) in [(1, 1), (511, 1), (512, 1), (513, 1), (3, 900)] {
            let entities = entities(count, texts);
            let index = index(&entities);
            for owner in [0, count / 2, count - 1] {
                for text in [&entities[owner][0], entities[owner].last().unwrap()] {
                    let parts = [text.as_str(), &text[2..9], &text[4..7], "ferry", "ör"];
                    for part in parts {
                        let found = index.may_hold(part).unwrap();
                        assert!(found.contains(&owner), "{part:?} of {owner} in {count} times {texts}");
                        assert!(found.is_sorted_by(|one, next| one < next), "{part:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn nearly_all_others_are_ruled_out() {
        let few = index(&entities(4_000, 1));
        let found = few.may_hold("note01234x").unwrap().len();
        assert!(found <= 40, "{found} of 4000");
        // So they are where each has far more texts than one row has bits for.
        let much = index(&entities(20, 600));
        let found = much.may_hold("note00007x").unwrap().len();
        assert!(found <= 10, "{found} of 20");
        assert_eq!(few.may_hold("zeppelin"), Some(Vec::new()));
    }

    #[test]
    fn what_is_too_short_is_looked_for_in_all() {
        let index = index(&entities(2, 1));
        for short in ["", "n", "no", "ö"] {
            assert_eq!(index.may_hold(short), None, "{short:?}");
        }
    }
}
