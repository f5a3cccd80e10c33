//! The task that looks at the figures.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::FINE_STEP_MS;
use crate::service::Service;

/// Looks at the figures until the doors close. A look that fails leaves a gap, which is what a plot should show then.
pub(crate) async fn run(service: Arc<Service>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(Duration::from_millis(FINE_STEP_MS));
    // After a machine slept there is one look, not one for every time that passed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(problem) = service.look().await {
            tracing::debug!(%problem, "the figures could not be looked at");
        }
        service.rest().await;
    }
}
