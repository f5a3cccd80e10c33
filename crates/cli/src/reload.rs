//! The settings of a running node: what it was started with, and what it was told since.
//!
//! A signal (SIGHUP) or `antiphon config reload` has the file read again. It is taken as a whole or not at all: a file
//! with a slip changes nothing and is a problem in `antiphon status` until it is mended. What cannot be changed while the
//! node runs is said, and holds from the next start. The environment and the flags of the node stay what they were.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use antiphon_node::{Handle, LiveSettings};
use antiphon_server::dto::{FindingDto, ReloadedDto, SettingsDto};
use antiphon_server::settings::Settings;

use crate::config_file::{Environment, Given, NAME, Resolved, Takes, shown};
use crate::logging;
use crate::outcome::Problem;

/// What the node goes by, and where it came from.
#[derive(Debug)]
pub(crate) struct Live {
    home: PathBuf,
    environment: Environment,
    flags: Vec<Given>,
    handle: Handle,
    state: Mutex<State>,
    /// One at a time reads the file again.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    /// What holds.
    holds: Resolved,
    /// Why the file could not be read again, if it could not.
    problem: Option<Problem>,
    /// Settings that changed and hold from the next start.
    waits: Vec<String>,
}

impl Live {
    /// The settings of a node that goes by `holds`.
    pub(crate) fn new(
        home: PathBuf,
        environment: Environment,
        flags: Vec<Given>,
        handle: Handle,
        holds: Resolved,
    ) -> Self {
        let state = Mutex::new(State { holds, problem: None, waits: Vec::new() });
        Self { home, environment, flags, handle, state, turn: tokio::sync::Mutex::default() }
    }

    /// Nothing is left half done by whoever panicked with it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<Resolved, Problem> {
        Resolved::read(&self.home, &self.environment, &self.flags)
    }

    async fn take_over(&self) -> Result<ReloadedDto, Problem> {
        let next = self.read()?;
        let holds = self.state().holds.clone();
        let merged = holds.with(&next, |setting| setting.takes == Takes::Reload);
        let changed: Vec<String> = shown::differing(&holds, &merged).map(|setting| setting.name.to_owned()).collect();
        let waits = shown::differing(&merged, &next).filter(|setting| setting.takes == Takes::Restart);
        let waits: Vec<String> = waits.map(|setting| setting.name.to_owned()).collect();
        self.handle.reconfigure(live(&merged)).await?;
        logging::set(merged.wanted.node.log.as_deref())?;
        let mut state = self.state();
        state.holds = merged;
        state.waits.clone_from(&waits);
        Ok(ReloadedDto { changed, waits })
    }

    /// Reads the file again and says in the log what came of it.
    pub(crate) async fn reload_now(&self) -> Result<ReloadedDto, Problem> {
        let _one_at_a_time = self.turn.lock().await;
        let outcome = self.take_over().await;
        self.state().problem = outcome.as_ref().err().cloned();
        match &outcome {
            Ok(done) => tracing::info!(
                changed = done.changed.join(", "),
                needs_restart = done.waits.join(", "),
                "the settings were read again"
            ),
            Err(problem) => tracing::error!(%problem, "the settings could not be read again; nothing changed"),
        }
        outcome
    }
}

/// What can be changed while a node runs.
fn live(resolved: &Resolved) -> LiveSettings {
    let wanted = &resolved.wanted;
    LiveSettings {
        outbox: wanted.outbox.clone(),
        storage: wanted.storage,
        replication: wanted.replication,
        content_cache_bytes: wanted.content_cache_bytes,
        peer_timeout_ms: wanted.node.peer_timeout_ms,
        reserve_bytes: wanted.reserve_bytes,
    }
}

impl Settings for Live {
    fn show(&self) -> SettingsDto {
        let next = self.read();
        shown::settings(&self.home, &self.state().holds, Some(next.as_ref()))
    }

    fn findings(&self) -> Vec<FindingDto> {
        let state = self.state();
        let bad = state.problem.as_ref().map(|problem| FindingDto {
            what: format!("{NAME} was not taken over: {}", problem.what),
            fix: format!("mend it ({}), then antiphon config reload", problem.hint.as_deref().unwrap_or("see above")),
        });
        let waits = (!state.waits.is_empty()).then(|| FindingDto {
            what: format!("{} changed and will hold from the next start", state.waits.join(", ")),
            fix: "antiphon down, then antiphon up --detach".to_owned(),
        });
        bad.into_iter().chain(waits).collect()
    }

    fn stuck_ms(&self) -> u64 {
        self.state().holds.wanted.doctor.stuck_ms
    }

    fn reload(&self) -> Pin<Box<dyn Future<Output = Result<ReloadedDto, Problem>> + Send + '_>> {
        Box::pin(self.reload_now())
    }
}
