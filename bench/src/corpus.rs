//! Facts and questions made from a seed: words follow Zipf's law, as in written language.

use antiphon_core::event::{Provenance, SourceKind};
use antiphon_core::fact::{Edit, Field};
use antiphon_core::value::Value;
use antiphon_node::Draft;

/// Words that every third sentence has.
const COMMON: &[&str] = &[
    "the", "of", "and", "to", "in", "is", "for", "on", "with", "that", "by", "it", "as", "are", "from", "at", "be",
    "this", "when", "which", "service", "database", "port", "server", "request", "error", "config", "build", "test",
    "deploy", "branch", "release", "user", "file", "key", "cache", "queue", "retry", "timeout", "index",
];
/// Words of the vocabulary beyond those.
const RARE_WORDS: u64 = 20_000;

/// A generator of pseudo-random numbers (SplitMix64, Steele et al. 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// One word: half of them common ones, the others ever rarer.
    fn word(&mut self) -> String {
        if self.below(2) == 0 {
            return COMMON[self.below(COMMON.len() as u64) as usize].to_owned();
        }
        // The rank is the product of two uniform numbers, which makes low ranks far more frequent.
        let rank = self.below(RARE_WORDS) * self.below(RARE_WORDS) / RARE_WORDS;
        name(rank)
    }
}

/// The word of a rank: syllables, so that it looks and compresses like a word.
fn name(mut rank: u64) -> String {
    const HEADS: &[&str] = &["ba", "ke", "li", "mo", "nu", "pra", "ste", "tri", "vo", "zan"];
    const TAILS: &[&str] = &["dor", "fen", "gis", "lam", "nex", "pol", "rus", "sor", "tin", "vek"];
    let mut word = String::new();
    for _ in 0..3 {
        word.push_str(HEADS[(rank % 10) as usize]);
        rank /= 10;
        word.push_str(TAILS[(rank % 10) as usize]);
        rank /= 10;
        if rank == 0 {
            break;
        }
    }
    word
}

/// A text of about `bytes` bytes.
pub fn text(random: &mut Random, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&random.word());
    }
    text.truncate(bytes);
    text
}

/// A new shared fact of 300 bytes.
pub fn draft(random: &mut Random) -> Draft {
    let edit = Edit::new().set(Field::Content, Value::Text(text(random, 300)));
    let provenance =
        Provenance { agent: Some("bench".to_owned()), source: Some(SourceKind::Agent), ..Default::default() };
    Draft::Remember { id: None, edit, provenance, idempotency_key: None }
}

/// A question of 6 to 10 words, most of them common.
pub fn question(random: &mut Random) -> String {
    let words = 6 + random.below(5);
    (0..words).map(|_| random.word()).collect::<Vec<_>>().join(" ")
}
