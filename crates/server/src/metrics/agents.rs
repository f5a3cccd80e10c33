//! What agents ask.

use super::family::{Family, Histogram};
use crate::mcp::{BOUNDS_SECONDS, CallTimes};

/// How long their tool calls took.
pub(super) fn families(times: &CallTimes) -> Vec<Family> {
    let family = Family::histogram("mcp_call_duration", "Time that tool calls of agents took in the server.").seconds();
    let samples = times.all().into_iter().map(|(tool, times)| {
        let buckets = BOUNDS_SECONDS.into_iter().zip(times.counts);
        let beyond = times.calls.saturating_sub(times.counts.iter().sum());
        let buckets = buckets.chain([(f64::INFINITY, beyond)]).collect();
        (vec![("tool", tool)], Histogram { buckets, count: times.calls, sum: times.seconds })
    });
    vec![family.each(samples)]
}
