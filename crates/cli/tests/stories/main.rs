//! What people do with the real program, on one machine and on several.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::unwrap_used, missing_docs, unreachable_pub)]

mod bad_input;
mod bundles;
mod clients;
mod common;
mod content;
mod crash;
mod custody;
mod daemon;
mod dht;
mod erase;
mod guide;
mod import;
mod incidents;
mod messages;
mod outbox;
mod outbox_kill;
mod qr;
mod reasons;
mod recovery;
mod registry;
mod replication;
mod resources;
mod team;
mod two_machines;
mod why;
