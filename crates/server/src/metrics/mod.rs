//! `/metrics`: the node in numbers, in the text form of OpenMetrics.
//!
//! Monitoring asks every few seconds, from outside, and keeps every series that it ever saw. So nothing is counted
//! here: a scrape reads what node and doors count anyway, puts it into families, and forgets it. A label takes only
//! values out of a short list, or names a charter member, of which there are at most 512; addresses, ids of facts and
//! names that strangers chose are never labels.
//!
//! | file | what |
//! |---|---|
//! | `family` | a metric with its samples, and its way into the text form |
//! | `scrape` | asks the node for everything at once |
//! | `node`, `agents`, `peers`, `outbox`, `content`, `replication`, `dht`, `trust`, `process` | one part of the node each |
//!
//! Counters begin at 0 when the node starts. Times are seconds since 1970, as OpenMetrics wants them.

mod agents;
mod content;
mod dht;
mod family;
mod node;
mod outbox;
mod peers;
mod process;
mod replication;
mod scrape;
mod trust;

pub(crate) use process::resident_bytes;
pub(crate) use scrape::scrape;

/// The media type of the text form.
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
