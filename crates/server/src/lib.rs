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
//! | [`doctor`] | what is wrong with a home whose node does not run |
//! | [`door`] | where the node listens: the control socket, the loopback HTTP port |
//! | [`client`] | the other end of the control socket, used by the command line |
//! | [`export`] | facts as Markdown for people, and back |
//! | [`import`] | other programs' files, read as facts |
//! | [`proof`] | checking a gene with nothing but the genome's root |
//! | [`settings`] | what the program that runs the node tells of its settings |
//! | [`time`] | times and durations as people write them |
//! | [`words`] | what changed in a text, word by word |
//!
//! Limits: whoever can read the node's token file, or open its control socket, is the node's owner; the doors tell nobody
//! apart beyond that.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bundle;
pub mod client;
mod convert;
mod dashboard;
pub mod doctor;
pub mod door;
pub mod dto;
pub mod error;
pub mod export;
mod graph;
mod history;
pub mod import;
mod mcp;
mod metrics;
mod openapi;
#[doc(hidden)]
pub mod outside;
pub mod proof;
mod routes;
mod service;
pub mod settings;
mod text;
pub mod time;
mod tokens;
pub mod words;

pub use mcp::ToolProfile;
/// The HTTP transport of MCP, for the test that runs the official suite against it.
#[doc(hidden)]
pub use mcp::transport as mcp_transport;
