//! `[content]`: how much of the documents that were read stays in memory.

use super::outbox::BYTES_MAX;
use super::setting::Setting;
use super::value::{Kind, Value};

/// The table.
pub(super) const SETTINGS: &[Setting] = &[Setting::new(
    "content.cache",
    Kind::Bytes { least: 1, most: BYTES_MAX },
    "most bytes of documents that stay decrypted in memory for ten minutes after they were read",
    |wanted| Value::Bytes(wanted.content_cache_bytes),
    |wanted, value| {
        if let Value::Bytes(bytes) = value {
            wanted.content_cache_bytes = *bytes;
        }
        Ok(())
    },
)
.reloads()];
