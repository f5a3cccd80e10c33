//! Worlds of many nodes in one process.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod federation;
mod forks;
mod outbox;
mod replication;
mod worlds;
