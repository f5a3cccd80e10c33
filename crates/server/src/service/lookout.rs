//! Looking, unasked, whether the database is still what was written.
//!
//! A page whose bytes a disk has changed is read like any other, and what stands in it is shown. Who asks the doctor learns
//! of it; but who would ask while all seems well? So a node that runs looks by itself, soon after its start and then once a
//! day, and says what it finds in its log, to `antiphon status` and at `/readyz`.
//!
//! Limits: it is the doctor's look, which takes seconds and follows a part of a long log only.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::Service;

/// How long after its start a node looks first, in milliseconds: whoever started it has work for it.
const FIRST_MS: u64 = 10_000;
/// How often it looks, in milliseconds: once a day.
const EVERY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Looks until the node stops.
pub(crate) async fn run(service: Arc<Service>, stop: CancellationToken) {
    let mut looks = interval_at(Instant::now() + Duration::from_millis(FIRST_MS), Duration::from_millis(EVERY_MS));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => look(&service).await,
        }
    }
}

async fn look(service: &Service) {
    match service.doctor().await {
        Ok(found) => {
            let errors = found.checks.iter().filter(|check| super::doctor::is_about_the_database(check));
            for finding in errors.flat_map(|check| &check.findings) {
                tracing::error!(what = %finding.what, why = %finding.why, "the database is not what was written");
            }
        }
        Err(problem) => tracing::warn!(%problem, "whether the database is sound could not be seen"),
    }
}
