//! The wall clock, read in one place.

use std::time::{SystemTime, UNIX_EPOCH};

use antiphon_core::time::UnixMillis;

/// Milliseconds since 1970, 0 for a clock that stands before it.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
