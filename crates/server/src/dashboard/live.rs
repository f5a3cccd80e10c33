//! Pages and programs that want to know when to look again: server-sent events.
//!
//! A stream says which topics changed and nothing else; what is new is read where it is always read. So a stream tells
//! nobody anything that he could not ask, and a slow reader costs the memory of one set of topics. There are at most
//! [`FEEDS_MAX`] at the same time.
//!
//! Events: `hello` with every topic when the stream begins (something may have changed since the page was written),
//! `changed` with those that changed, `beat` every [`BEAT_SECONDS`] with none.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use antiphon_node::{Changes, Topic};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::session::Visitor;
use crate::error::{Code, Problem};
use crate::service::Service;

/// Most streams at the same time.
pub(crate) const FEEDS_MAX: usize = 32;
/// How often a stream says that it is still there, in seconds.
pub(crate) const BEAT_SECONDS: u64 = 15;
/// How soon a client comes back after a stream broke, in milliseconds.
const RETRY_MS: u64 = 3_000;

/// Places for streams.
pub(crate) struct Feeds(Arc<Semaphore>);

impl Default for Feeds {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(FEEDS_MAX)))
    }
}

struct Feed {
    changes: Changes,
    beat: Interval,
    stop: CancellationToken,
    service: Arc<Service>,
    /// Whose session it lives with, if it is a page's.
    visitor: Option<Visitor>,
    begun: bool,
    _place: OwnedSemaphorePermit,
}

/// A stream of what changes, until the doors close or the session ends.
pub(crate) fn feed(
    service: Arc<Service>,
    stop: CancellationToken,
    visitor: Option<Visitor>,
) -> Result<Response, Problem> {
    let full = |_| {
        Problem::new(Code::Busy, format!("{FEEDS_MAX} streams of events are open, and no more are kept"))
            .hint("close pages that are not looked at, or programs that listen twice")
    };
    let place = service.dashboard().feeds.0.clone().try_acquire_owned().map_err(full)?;
    let period = Duration::from_secs(BEAT_SECONDS);
    let mut beat = interval_at(tokio::time::Instant::now() + period, period);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let changes = service.handle().changes();
    let feed = Feed { changes, beat, stop, service, visitor, begun: false, _place: place };
    let events = stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(event), feed))
    });
    Ok(Sse::new(events).into_response())
}

impl Feed {
    async fn next(&mut self) -> Option<Event> {
        if !self.begun {
            self.begun = true;
            return Some(event("hello", Topic::ALL).retry(Duration::from_millis(RETRY_MS)));
        }
        let next = tokio::select! {
            () = self.stop.cancelled() => None,
            topics = self.changes.next() => topics.map(|topics| event("changed", topics)),
            _ = self.beat.tick() => Some(event("beat", BTreeSet::new())),
        };
        next.filter(|_| self.is_allowed())
    }

    fn is_allowed(&self) -> bool {
        let sessions = &self.service.dashboard().sessions;
        self.visitor.as_ref().is_none_or(|visitor| sessions.is_open(visitor, Instant::now()))
    }
}

fn event(name: &str, topics: impl IntoIterator<Item = Topic>) -> Event {
    let names: Vec<&str> = topics.into_iter().map(Topic::name).collect();
    Event::default().event(name).data(json!({ "topics": names }).to_string())
}
