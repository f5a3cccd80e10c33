//! Full-text search over the facts.
//!
//! Questions come in plain language: many common words and one or two that matter. Joining them all by OR and scoring
//! every match takes 50 ms and more at 100,000 facts, because nearly every fact has "the". So the words are looked up
//! by how many facts have them, the rare ones choose a bounded number of candidates, and only those are scored, by
//! all words. The index stands in a file of its own and follows the facts; what is not in it yet is scanned.
//!
//! Filters that the index knows (author, level, domain, module, tag) narrow the choice of candidates. The others (time,
//! origin, kind of source, divergence) are asked of the candidates, of which there are then more. A question about the
//! past is answered from the index too, as far as facts were not changed since; the others are read from their edits.
//!
//! Limits: a fact that has only the common words of a question is found only where rare ones leave room.

mod answer;
mod filter;
mod frequencies;
mod indexer;
mod newest;
mod recall;
mod score;
mod sides;
mod tail;
mod then;
pub(crate) mod words;

pub use answer::{Audience, Explanation, Folded, FoundBy, Hit, Origin, Recall, RecallQuery, Weighed, WordPart};

pub(crate) use frequencies::Frequencies;
pub(crate) use indexer::{Cursor, Indexer};
pub(crate) use recall::{recall, weigh};
