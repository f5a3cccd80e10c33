//! How long tool calls take inside this server: from the arguments to the result, without the transport.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets, in seconds. What takes longer is counted above them.
pub(crate) const BOUNDS_SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 60.0];

/// Calls of one tool.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Times {
    /// How many took at most each of [`BOUNDS_SECONDS`] and more than the one before.
    pub(crate) counts: [u64; BOUNDS_SECONDS.len()],
    /// How many there were.
    pub(crate) calls: u64,
    /// How long they took together, in seconds.
    pub(crate) seconds: f64,
}

/// Calls of all tools since the node started, by the names in the tool lists.
#[derive(Debug, Default)]
pub(crate) struct CallTimes(Mutex<BTreeMap<String, Times>>);

impl CallTimes {
    /// Counts a call of a tool that exists.
    pub(super) fn add(&self, tool: &str, took: Duration) {
        let seconds = took.as_secs_f64();
        let mut tools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !tools.contains_key(tool) {
            tools.insert(tool.to_owned(), Times::default());
        }
        let Some(times) = tools.get_mut(tool) else { return };
        if let Some(count) = BOUNDS_SECONDS.iter().zip(&mut times.counts).find(|(bound, _)| seconds <= **bound) {
            *count.1 += 1;
        }
        times.calls += 1;
        times.seconds += seconds;
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<(String, Times)> {
        let tools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tools.iter().map(|(tool, times)| (tool.clone(), *times)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_counted_in_the_first_bucket_that_holds_it() {
        let times = CallTimes::default();
        for millis in [0, 1, 3, 5, 90_000] {
            times.add("recall", Duration::from_millis(millis));
        }
        let [(tool, recall)] = &times.all()[..] else { panic!("one tool was called") };
        assert_eq!((tool.as_str(), recall.calls), ("recall", 5));
        assert_eq!(recall.counts[..4], [1, 1, 0, 2]);
        assert_eq!(recall.counts.iter().sum::<u64>(), 4, "one took longer than every bound");
        assert!((recall.seconds - 90.009).abs() < 1e-9);
    }
}
