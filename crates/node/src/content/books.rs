//! What was done with documents since the node started.

use std::time::Duration;

use antiphon_core::time::UnixMillis;

use crate::api::ContentMetrics;

/// Counts and times; see [`ContentMetrics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Books {
    stored: u64,
    retrieved: u64,
    hits: u64,
    misses: u64,
    encryptions: u64,
    decryptions: u64,
    storing: Duration,
    retrieving: Duration,
    updated: Option<UnixMillis>,
}

impl Books {
    /// A document was stored.
    pub(crate) fn stored(&mut self, took: Duration, now: UnixMillis) {
        self.stored += 1;
        self.storing += took;
        self.updated = Some(now);
    }

    /// A document was read to its end.
    pub(crate) fn retrieved(&mut self, took: Duration, now: UnixMillis) {
        self.retrieved += 1;
        self.retrieving += took;
        self.updated = Some(now);
    }

    /// The cache was asked.
    pub(crate) fn looked_up(&mut self, hit: bool, now: UnixMillis) {
        self.hits += u64::from(hit);
        self.misses += u64::from(!hit);
        self.updated = Some(now);
    }

    /// A document was encrypted.
    pub(crate) fn encrypted(&mut self, now: UnixMillis) {
        self.encryptions += 1;
        self.updated = Some(now);
    }

    /// A document was decrypted.
    pub(crate) fn decrypted(&mut self, now: UnixMillis) {
        self.decryptions += 1;
        self.updated = Some(now);
    }

    /// As it is shown, without what the cache and the disk hold.
    pub(crate) fn shown(&self) -> ContentMetrics {
        ContentMetrics {
            stored: self.stored,
            retrieved: self.retrieved,
            cache_hits: self.hits,
            cache_misses: self.misses,
            encryptions: self.encryptions,
            decryptions: self.decryptions,
            store_us: mean(self.storing, self.stored),
            retrieve_us: mean(self.retrieving, self.retrieved),
            updated: self.updated,
            ..ContentMetrics::default()
        }
    }
}

/// Microseconds of each, 0 of none.
fn mean(took: Duration, count: u64) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX).checked_div(count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_of_what_was_done() {
        let mut books = Books::default();
        assert_eq!((books.shown().store_us, books.shown().updated), (0, None));
        for ms in [1, 3] {
            books.stored(Duration::from_millis(ms), UnixMillis(7));
        }
        books.looked_up(true, UnixMillis(9));
        let shown = books.shown();
        assert_eq!((shown.stored, shown.store_us, shown.cache_hits, shown.updated), (2, 2_000, 1, Some(UnixMillis(9))));
    }
}
