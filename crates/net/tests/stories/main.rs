//! Real swarms over loopback: members, strangers, and the hash table among them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;
mod dht;
mod kinds;
mod members;
mod reach;
mod reasons;
mod strangers;
mod turned_away;
