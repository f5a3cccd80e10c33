//! What the database promises, told as stories of alice, bob and eve.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    unused_must_use,
    clippy::print_stdout
)]

mod as_of;
mod branches;
mod common;
mod content_index;
mod copies;
mod custody;
mod dht;
mod disk;
mod divergences;
mod domains;
mod erase;
mod flaws;
mod incidents;
mod laws;
mod lists;
mod memory;
mod messages;
mod named;
mod outbox;
mod outbox_crashes;
mod outbox_damage;
mod outbox_schedules;
mod recall;
mod recall_filters;
mod replication;
mod resources;
mod restored;
mod sealed;
mod standing;
mod store;
mod sync;
mod taken;
mod trail;
mod trust;
