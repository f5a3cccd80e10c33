//! The last samples of one figure.

use std::collections::VecDeque;

use antiphon_core::time::UnixMillis;

/// A figure at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// When.
    pub(crate) at: UnixMillis,
    /// What it was.
    pub(crate) value: f64,
}

impl Sample {
    /// Whether `other` comes less than `ms` after this one.
    pub(super) fn is_within(self, ms: u64, other: Self) -> bool {
        other.at >= self.at && other.at.0.saturating_sub(self.at.0) < ms
    }
}

/// As many samples as there are steps in a span.
#[derive(Debug)]
pub(super) struct Ring {
    samples: VecDeque<Sample>,
    samples_max: usize,
    span_ms: u64,
}

impl Ring {
    pub(super) fn new(step_ms: u64, span_ms: u64) -> Self {
        let samples_max = usize::try_from(span_ms / step_ms.max(1)).unwrap_or(1);
        Self { samples: VecDeque::new(), samples_max, span_ms }
    }

    /// Adds the newest sample; what is older than the span goes. After a clock was set back, what it will come by again
    /// goes too.
    pub(super) fn push(&mut self, sample: Sample) {
        while self.samples.back().is_some_and(|last| last.at >= sample.at) {
            self.samples.pop_back();
        }
        self.samples.push_back(sample);
        let is_old = |first: &Sample| sample.at.0.saturating_sub(first.at.0) > self.span_ms;
        while self.samples.len() > self.samples_max || self.samples.front().is_some_and(is_old) {
            self.samples.pop_front();
        }
    }

    pub(super) fn last(&self) -> Option<Sample> {
        self.samples.back().copied()
    }

    /// The oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Sample> + '_ {
        self.samples.iter().copied()
    }
}
