//! The wall clock, read in one place.

use std::time::{SystemTime, UNIX_EPOCH};

use antiphon_core::time::UnixMillis;

/// Milliseconds since 1970, 0 for a clock that stands before it.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Whether `at` has come. Nothing here waits longer than `longest_ms`, so a time beyond that was set before somebody
/// set the clock back, and has come too.
pub(crate) fn has_come(at: UnixMillis, now: UnixMillis, longest_ms: u64) -> bool {
    at <= now || at.since(now) > longest_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait() {
        let check = |at, now, come| assert_eq!(has_come(UnixMillis(at), UnixMillis(now), 100), come, "{at} at {now}");
        check(500, 500, true);
        check(500, 499, false);
        check(500, 400, false);
        check(500, 399, true);
    }
}
