//! What documents need now and then.

use std::time::Duration;

use antiphon_store::Store;
use tokio::time::{MissedTickBehavior, interval};

use super::Contents;
use super::cache::CACHE_CLEANUP_MS;
use super::policy::Rights;
use crate::clock::now;
use crate::team::TeamState;

/// Drops what is too old every few minutes, and whenever the charter changes what this node may not read any more. Ends
/// with the store.
pub(crate) async fn tend(contents: Contents, store: Store, agent_version: String) {
    let mut commits = store.committed();
    let mut charter = commits.borrow_and_update().charter;
    let mut cleanup = interval(Duration::from_millis(CACHE_CLEANUP_MS));
    cleanup.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = cleanup.tick() => {
                let _dropped = contents.cache().clean_up(now());
            }
            changed = commits.changed() => {
                if changed.is_err() {
                    return;
                }
                let newest = commits.borrow_and_update().charter;
                if newest != charter && !contents.cache().is_empty() {
                    follow_charter(&contents, &store, &agent_version).await;
                }
                charter = newest;
            }
        }
    }
}

async fn follow_charter(contents: &Contents, store: &Store, agent_version: &str) {
    let version = agent_version.to_owned();
    let team = store.read(move |reader| TeamState::read(reader, &version)).await;
    let rights = team.as_ref().ok().map(|team| Rights::of(team, &team.own.node));
    // Where the rights are not known, nothing stays: whoever reads next asks the policy anyway.
    let reads =
        |role: &str| rights.as_ref().and_then(|rights| rights.as_ref().ok()).is_some_and(|held| held.reads(role));
    let _dropped = contents.cache().retain_roles(reads);
}
