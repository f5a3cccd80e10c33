//! Keeping copies of documents: who holds what, and what this node does so that enough members hold everything.

mod answering;
mod asking;
mod garbage;
mod keeper;
pub(crate) mod presence;
mod stream;
mod taking;
mod view;
