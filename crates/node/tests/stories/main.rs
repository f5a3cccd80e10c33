//! Real nodes on real databases, over loopback.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::unwrap_used)]

mod announce;
mod blocks;
mod bundles;
mod common;
mod content;
mod custody;
mod dht;
mod divergences;
mod doctor;
mod garbage;
mod hostile;
mod incidents;
mod js_member;
mod messages;
mod modes;
mod outbox;
mod possession;
mod reasons;
mod recall;
mod recovery;
mod registry;
mod replication;
mod resources;
mod restored;
mod sealed;
mod trust;
mod two_nodes;
