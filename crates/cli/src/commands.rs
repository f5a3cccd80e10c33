//! The commands, one file per group. Each asks the node and prints its answer; what answers look like is in
//! [`render`](crate::render).

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod bundle;
pub(crate) mod content;
pub(crate) mod custody;
pub(crate) mod dht;
pub(crate) mod divergences;
pub(crate) mod down;
pub(crate) mod erase;
pub(crate) mod facts;
pub(crate) mod federation;
pub(crate) mod gene;
pub(crate) mod import;
pub(crate) mod inbox;
pub(crate) mod incidents;
pub(crate) mod init;
pub(crate) mod mcp;
pub(crate) mod members;
pub(crate) mod outbox;
pub(crate) mod peers;
pub(crate) mod recall;
pub(crate) mod recover;
pub(crate) mod remember;
pub(crate) mod replication;
pub(crate) mod resources;
pub(crate) mod send;
pub(crate) mod shell;
pub(crate) mod status;
pub(crate) mod team;
pub(crate) mod up;
pub(crate) mod verify;
mod which;
pub(crate) mod why;
