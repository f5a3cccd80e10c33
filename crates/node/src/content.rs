//! Documents: sealed to roles, stored as blocks, found by their address.
//!
//! The parts lie elsewhere: addresses and the words of the index in `core`, encryption in `vault`, files and rows in
//! `store`, the transfer of blocks in `protocol`. Here they are put together, so that whatever is stored is durable, in
//! the index and in the audit trail at once, and whatever is read was allowed, checked and opened by nobody else.

mod cache;
mod pipe;
mod policy;

pub use pipe::{Feed, Intake, intake};
