//! Worlds of many nodes in one process.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod backups;
mod documents;
mod federation;
mod forks;
mod outbox;
mod replication;
mod swarm;
mod worlds;
