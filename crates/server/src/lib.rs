//! The doors of an Antiphon node: MCP and the HTTP API.
//!
//! Agents, people and scripts want the same few things: remember, recall, see what is going on. They come in by
//! different doors, and each door has its own way to be abused. So there is one set of operations with
//! one set of shapes ([`dto`]) and one place that words what goes wrong ([`error`]); a door only carries them.
//!
//! | module | what |
//! |---|---|
//! | [`dto`] | the documented JSON shapes |
//! | [`error`] | what went wrong, why, and what to do next |
//! | [`door`] | where the node listens: the control socket, the loopback HTTP port |
//! | [`client`] | the other end of the control socket, used by the command line |
//! | [`import`] | other programs' files, read as facts |
//! | [`proof`] | checking a gene with nothing but the genome's root |
//! | [`time`] | times and durations as people write them |
//!
//! Limits: the HTTP port is loopback only. Whoever can read the node's token file, or open its control socket, is the
//! node's owner; the doors tell nobody apart beyond that.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bundle;
pub mod client;
mod convert;
pub mod door;
pub mod dto;
pub mod error;
pub mod import;
mod mcp;
mod metrics;
mod named;
mod openapi;
pub mod proof;
mod routes;
mod service;
mod text;
pub mod time;

pub use mcp::ToolProfile;
