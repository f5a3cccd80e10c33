//! Saying that a call still runs.
//!
//! Most calls take milliseconds. Those that ask other machines may take a minute, and a client that hears nothing gives
//! up before. How far such a call has come nobody here knows, so what is said is the time it has taken, which grows.

use std::time::Duration;

use rmcp::model::ProgressNotificationParam;
use rmcp::service::{RequestContext, RoleServer};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often a call says that it still runs, in seconds.
const STEP_SECONDS: u64 = 2;

/// Waits for `work`, and says meanwhile that it runs, if the caller wants to know.
pub(super) async fn while_it_runs<T>(
    context: &RequestContext<RoleServer>,
    tool: &str,
    work: impl Future<Output = T>,
) -> T {
    let Some(token) = context.meta.get_progress_token() else { return work.await };
    let mut beat = Beat::every(Duration::from_secs(STEP_SECONDS));
    tokio::pin!(work);
    loop {
        let took = tokio::select! {
            done = &mut work => return done,
            took = beat.next() => took,
        };
        let message = format!("{tool} runs for {} s", took.as_secs());
        let progress = ProgressNotificationParam::new(token.clone(), took.as_secs_f64()).with_message(message);
        if let Err(error) = context.peer.notify_progress(progress).await {
            tracing::debug!(%error, "a caller could not be told that its call runs");
        }
    }
}

/// Tells with every step how long something takes.
struct Beat {
    began: Instant,
    ticks: Interval,
}

impl Beat {
    fn every(step: Duration) -> Self {
        let began = Instant::now();
        let mut ticks = interval_at(began + step, step);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { began, ticks }
    }

    async fn next(&mut self) -> Duration {
        self.ticks.tick().await;
        self.began.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_time_that_a_call_has_taken_grows() {
        let mut beat = Beat::every(Duration::from_millis(1));
        let times = [beat.next().await, beat.next().await, beat.next().await];
        assert!(times[0] >= Duration::from_millis(1) && times[0] < times[1] && times[1] < times[2], "{times:?}");
    }
}
