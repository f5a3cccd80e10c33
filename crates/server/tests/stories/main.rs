//! What programs and agents get at the doors of a node.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod agent;
mod api;
mod common;
mod content;
mod custody;
mod divergences;
mod doors;
mod federation;
mod incidents;
mod mcp;
mod mcp_profiles;
mod messages;
mod metrics;
mod openapi;
mod outbox;
mod replication;
mod resources;
mod sealed;
mod trust;
mod two;
