//! What must hold of every decoder of bytes from outside, whatever the bytes are.
//!
//! Most faults of decoders are found by bytes that nobody would think of, so a fuzzer makes them up (`fuzz/`), and what it
//! found worth keeping is tried again with every run of the tests, on a stable toolchain (`tests/corpora.rs`). Both call
//! the same functions: one target, one function, in [`TARGETS`]. "It does not panic" is the least of what they say:
//!
//! - what has one form was read from that form: `encode(decode(x)) == x` ([`laws::exact`]);
//! - what may hold parts of newer versions, which are skipped, comes to rest: what was read, written and read again is
//!   the same, and so are its bytes ([`laws::settles`]);
//! - a text that stands for a value is read back as that value: `parse(display(x)) == x` ([`laws::reads_back`]);
//! - what was read keeps the bounds that its module documents;
//! - what was sealed opens as itself, or not at all if a byte of it was changed.
//!
//! Memory is bounded by the fuzzer, which ends a run that allocates too much (`fuzz/run.sh`).
//! Limits: decoders of what only this node writes on its own disk are in it where they are easy to reach; the database
//! itself is tried by damaging it (`crates/store/tests`).
// A property that does not hold panics: that is how a fuzzer and a test hear of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod doors;
pub mod files;
pub mod laws;
pub mod sealed;
pub mod signed;
pub mod texts;
pub mod values;
pub mod wire;

/// A property of a decoder, over whatever bytes there are. It panics where it does not hold.
pub type Property = fn(&[u8]);

/// Every target of `fuzz/`, by its name.
pub const TARGETS: &[(&str, Property)] = &[
    ("address", texts::address),
    ("age_blob", sealed::age_blob),
    ("announcement", values::announcement),
    ("backup", wire::backup),
    ("blocks", wire::blocks),
    ("bundle", doors::bundle),
    ("cbor", values::cbor_value),
    ("charter_record", values::charter_record),
    ("client_file", files::client_file),
    ("config", files::config),
    ("custody_receipt", signed::custody_receipt),
    ("dht_key", texts::dht_key),
    ("dht_record", signed::dht_record),
    ("document", sealed::document),
    ("event", values::event),
    ("event_header", values::event_header),
    ("event_payload", values::event_payload),
    ("founding", files::founding),
    ("gene_path", values::gene_path),
    ("gene_proof", doors::gene_proof),
    ("genome", values::genome),
    ("grant_path", values::grant_path),
    ("handshake", wire::handshake),
    ("imported", doors::imported),
    ("join", wire::join),
    ("key_file", sealed::key_file),
    ("letter", signed::letter),
    ("letter_kept", values::letter_kept),
    ("manifest", values::manifest),
    ("mcp", doors::mcp),
    ("outbox_frame", wire::outbox_frame),
    ("outbox_row", sealed::outbox_row),
    ("phrase", texts::phrase),
    ("possession", signed::possession),
    ("query", wire::query),
    ("replication", wire::replication),
    ("request", doors::request),
    ("resource", values::resource),
    ("role_key", sealed::role_key),
    ("sealed_changed", sealed::sealed_changed),
    ("sealed_copy", sealed::sealed_copy),
    ("sealed_fact", sealed::sealed_fact),
    ("sync_frame", wire::sync_frame),
    ("ticket", texts::ticket),
    ("trail", values::trail),
    ("words", texts::words),
];
