//! Full-text search over the facts.
//!
//! Questions come in plain language: many common words and one or two that matter. Joining them all by OR and scoring
//! every match takes 50 ms and more at 100,000 facts, because nearly every fact has "the". So the words are looked up
//! by how many facts have them, the rare ones choose a bounded number of candidates, and only those are scored, by
//! all words. The index stands in a file of its own and follows the facts; what is not in it yet is scanned.
//!
//! Limits: a fact that has only the common words of a question is found only where rare ones leave room.

mod frequencies;
mod indexer;
mod recall;
mod score;
mod sides;
mod tail;
pub(crate) mod words;

pub(crate) use frequencies::Frequencies;
pub(crate) use indexer::Indexer;
pub(crate) use recall::recall;
