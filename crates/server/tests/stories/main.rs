//! What programs and agents get at the doors of a node.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod agent;
mod api;
mod common;
mod conformance;
mod content;
mod custody;
mod dashboard;
mod divergences;
mod doors;
mod export;
mod federation;
mod incidents;
mod injections;
mod matrix;
mod mcp;
mod mcp_profiles;
mod mcp_resources;
mod memory_server;
mod messages;
mod metrics;
mod openapi;
mod outbox;
mod pages;
mod pressure;
mod raw;
mod recall;
mod replication;
mod resources;
mod sealed;
mod tls;
mod trust;
mod two;
