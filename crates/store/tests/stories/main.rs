//! What the database promises, told as stories of alice, bob and eve.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, missing_docs, unused_must_use)]

mod common;
mod memory;
mod sync;
