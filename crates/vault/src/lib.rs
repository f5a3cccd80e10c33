//! Secrets of an Antiphon node: its key, the recovery phrase behind it, the keys of its roles, and what is sealed.
//!
//! A machine that is lost must not take its owner's identity with it. So everything secret about a node grows from
//! one root: 256 random bits. The root can be written down as 24 words (BIP-39), it is what the key file holds, and
//! both keys of the node come out of it by HKDF, each under its own name:
//!
//! ```text
//! 24 words ⇄ root ─ HKDF "antiphon/node-key/1" → Ed25519 key → node id, signatures, libp2p identity
//!                 └ HKDF "antiphon/age/1"      → X25519 key  → age recipient, sealed blobs
//! Ed25519 key ─ HKDF "antiphon/outbox/v1" → AES key → rows of the outbox, see [`at_rest`]
//! ```
//!
//! Why not use the root as the Ed25519 key itself? Because then one number would serve two algorithms, and a third
//! use could never be added without touching the first two. The names carry a version, so a later scheme can stand
//! beside this one. BIP-39's own seed function (PBKDF2 with a passphrase) is left out on purpose: the root is fully
//! random, so stretching adds nothing, and a forgotten passphrase would lose everything.
//!
//! The keys of roles do not grow from it: a role is shared by its members, so each epoch of a role has a random key of
//! its own that reaches a node wrapped to its age recipient; see [`role`].
//!
//! What this crate promises: secrets are wiped when dropped, never appear in `Debug` or in an error, and reach the
//! disk only in files that nobody but their owner can read. What it cannot promise: that the operating system never
//! swapped a page out, or that a copy made by moving a value on the stack is wiped as well.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod at_rest;
pub mod document;
pub mod file;
pub mod key;
pub mod keyring;
mod lean;
pub mod phrase;
pub mod private_file;
pub mod random;
pub mod role;
pub mod seal;
pub mod sealed_copy;
pub mod sealed_fact;
pub mod sealed_file;
pub mod secret_file;

pub use at_rest::OutboxKey;
pub use key::NodeKey;
pub use keyring::{Keyring, LiveKeyring};
pub use phrase::Phrase;
pub use role::RoleSecret;
pub use seal::seal_to;
