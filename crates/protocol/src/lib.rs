//! Conversations between Antiphon nodes as sans-IO state machines.
//!
//! Two machines that talk must agree on what happens when a message is late, doubled, hostile or cut short. Code that
//! does this while it reads sockets can only be tested by luck. So every conversation here is a value: what happened
//! goes in, what must be done comes out, and time, randomness, storage and the network belong to the caller. The same
//! inputs give the same outputs, so the simulator can drive thousands of unlucky days from one seed.
//!
//! | module | conversation |
//! |---|---|
//! | [`ticket`] | the text that invites a machine |
//! | [`join`] | `/antiphon/join/1`: a ticket becomes a membership |
//! | [`handshake`] | `/antiphon/handshake/1`: two nodes prove that they belong together |
//! | [`sync`] | `/antiphon/sync/1`: two verified nodes bring each other up to date |
//! | [`outbox`] | `/antiphon/outbox/1`: what waited for a peer is handed over |
//! | [`dht`] | what is found by key: when the network is asked, told, and left alone |
//! | [`blocks`] | `/antiphon/blocks/1`: the blocks of a document are fetched from those who hold it |
//! | [`query`] | `/antiphon/query/1`: a question to a connected member, and its answer |
//! | [`frame`] | how their messages become bytes |
//! | [`backup`] | `/antiphon/backup/1`: a member keeps what it cannot read |
//! | [`replication`] | copies of documents: who holds one, who makes the next |
//! | [`reason`] | why something did not happen, in names that never change |
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod backup;
pub mod blocks;
mod compact;
pub mod dht;
pub mod frame;
pub mod handshake;
pub mod join;
pub mod outbox;
pub mod query;
pub mod reason;
pub mod replication;
pub mod sync;
pub mod ticket;
mod wire;
