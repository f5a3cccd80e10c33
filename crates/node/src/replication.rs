//! Keeping copies of documents: who holds what, and what this node does so that enough members hold everything.

mod answering;
mod asking;
mod garbage;
pub(crate) mod presence;
mod stream;
