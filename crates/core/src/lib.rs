//! Words and laws of Antiphon: pure values, no IO.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod address;
pub mod ancestor;
pub mod announce;
pub mod cbor;
pub mod charter;
pub mod content;
pub mod custody;
pub mod dht;
pub mod edit;
pub mod event;
pub mod fact;
pub mod frontier;
pub mod genome;
pub mod ids;
pub mod incident;
pub mod letter;
pub mod log;
pub mod merkle;
pub mod outbox;
pub mod possession;
pub mod replication;
pub mod resource;
pub mod roles;
pub mod sign;
pub mod state;
pub mod time;
pub mod trail;
pub mod trust;
pub mod value;
pub mod vclock;
