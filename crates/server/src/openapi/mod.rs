//! The OpenAPI document of the API, `/api/v1/openapi.json`.
//!
//! A document that is written by hand is wrong after the third change. So the routes of the API stand in one table
//! ([`Routes`]) from which both the router and the document are made, and what a route takes and gives follows from
//! the types of its handler: parameters, body and answer are described by the same structs that read and write the
//! JSON. The only words of the table itself are one sentence for each operation.
//!
//! A shape can differ by direction: a key that may be left out of a request is always there in an answer. Both forms
//! are generated, and only where they do differ the document has two schemas, the second with `Input` behind its name.

mod describe;
mod document;
mod schemas;
mod table;

pub(crate) use describe::{Draft, Input, Output};
pub(crate) use document::document;
pub(crate) use table::{Routes, delete, get, patch, post, put};
