//! The conversations between nodes, without a network: every order of things, and peers that keep no rule.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::single_range_in_vec_init,
    clippy::unwrap_used
)]

mod blocks;
mod blocks_world;
mod common;
mod custody;
mod dht_hybrid;
mod dht_publish;
mod dht_upkeep;
mod handshake;
mod join;
mod outbox;
mod outbox_days;
mod outbox_hostile;
mod outbox_moderate;
mod outbox_schedule;
mod outbox_wire;
mod outbox_world;
mod replication_copies;
mod replication_days;
mod replication_losses;
mod replication_trim;
mod replication_wire;
mod replication_world;
mod sync;
mod wire;
