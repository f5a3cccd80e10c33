//! Keeps the number of HTTP sessions bounded.
//!
//! A client that goes away without a goodbye, as most do, leaves its session behind. The library keeps every one
//! until it was silent for long, so a client in a loop could fill the memory. So an address may begin only so many in
//! a minute, and when there are as many as may be, one makes place; its client begins a new one when it comes back.
//!
//! Which one decides whether a broken client can throw out those that work. A session that was begun and never used
//! goes first, however young: a flood of these displaces nothing but itself. Then goes the one that was silent for
//! longest, and last those that wait for an answer or listen to a stream at this moment.
//!
//! A session takes some 75 KiB, most of it the library's channels, so 64 that nobody comes back to would be a fifth of
//! what an idle node needs. One that was never used after the greeting ends by itself after a while, whether or not
//! anybody else comes, and its memory is given back.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::{SessionId, SessionManager};
use tokio::sync::Notify;

use crate::door::{Limiter, Link, Rate};

/// Most sessions of the HTTP door.
pub(super) const SESSIONS_MAX: usize = 64;
/// Where a request names its session.
const SESSION_HEADER: &str = "mcp-session-id";
/// Where a request of the revisions without sessions names what it asks for.
const METHOD_HEADER: &str = "mcp-method";
/// Messages that every client sends to begin: the greeting, and that it was understood.
const GREETING_MESSAGES: u64 = 2;
/// Longest time between these two, in seconds. Whoever says nothing for longer has gone.
const GREETING_SECONDS_MAX: u64 = 20;
/// Longest time between the greeting and the first use, in seconds, of a client that does not listen either. Those that
/// are meant to be used list the tools at once.
const UNUSED_SECONDS_MAX: u64 = 10 * 60;
/// How often it is looked for such sessions while there are any that may become one, in seconds.
const SWEEP_SECONDS: u64 = 5;

/// How a session was used.
#[derive(Debug, Clone, Copy)]
struct Use {
    last: Instant,
    messages: u64,
    /// Answers and streams that are under way.
    open: usize,
}

impl Use {
    fn fresh() -> Self {
        Self { last: Instant::now(), messages: 0, open: 0 }
    }

    /// Whoever is least in this order makes place first.
    fn rank(&self) -> (bool, bool, Instant) {
        (self.open > 0, !self.is_unused(), self.last)
    }

    /// Whether nothing came of it yet.
    fn is_unused(&self) -> bool {
        self.messages <= GREETING_MESSAGES
    }

    /// Whether its client went away before it had said that it understood the greeting, or soon after.
    fn is_abandoned(&self, now: Instant) -> bool {
        let silent_max = if self.messages < GREETING_MESSAGES { GREETING_SECONDS_MAX } else { UNUSED_SECONDS_MAX };
        let silent = now.saturating_duration_since(self.last).as_secs() > silent_max;
        self.open == 0 && self.is_unused() && silent
    }
}

/// The sessions, and how they are used.
pub(super) struct Sessions {
    manager: Arc<LocalSessionManager>,
    used: Mutex<HashMap<String, Use>>,
    begun: Limiter,
    /// Told when a session begins.
    fresh: Notify,
}

impl Sessions {
    pub(super) fn new(manager: Arc<LocalSessionManager>, rate: Rate) -> Self {
        Self { manager, used: Mutex::new(HashMap::new()), begun: Limiter::new(rate), fresh: Notify::new() }
    }

    fn used(&self) -> MutexGuard<'_, HashMap<String, Use>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends sessions until there are no more than may be, `fresh` not among them.
    async fn make_place(&self, fresh: Option<&str>) {
        let live: Vec<_> = self.manager.sessions.read().await.keys().cloned().collect();
        for session in self.too_many(live, fresh) {
            if let Err(error) = self.manager.close_session(&session).await {
                tracing::warn!(%error, "a silent session could not be closed");
            }
        }
    }

    /// Ends sessions that were abandoned, for as long as it runs. It sleeps while there are none that could be.
    pub(super) async fn sweep(self: Arc<Self>) {
        loop {
            self.fresh.notified().await;
            loop {
                tokio::time::sleep(Duration::from_secs(SWEEP_SECONDS)).await;
                self.make_place(None).await;
                if !self.used().values().any(Use::is_unused) {
                    break;
                }
            }
        }
    }

    fn too_many(&self, mut live: Vec<SessionId>, fresh: Option<&str>) -> Vec<SessionId> {
        let mut used = self.used();
        used.retain(|session, _| live.iter().any(|id| **id == **session));
        // One whose client was gone before it had an answer is in the library's list alone.
        for id in &live {
            used.entry(id.to_string()).or_insert_with(Use::fresh);
        }
        let now = Instant::now();
        let abandoned = used.values().filter(|one| one.is_abandoned(now)).count();
        let surplus = live.len().saturating_sub(SESSIONS_MAX);
        live.retain(|id| fresh != Some(&**id));
        let order = |id: &SessionId| used.get(&**id).map(|one| (!one.is_abandoned(now), one.rank()));
        live.sort_by_key(order);
        live.truncate(surplus.max(abandoned));
        live
    }

    /// Counts a message, and that its answer is under way.
    fn open(self: &Arc<Self>, session: &str, message: bool) -> Open {
        let mut used = self.used();
        let one = used.entry(session.to_owned()).or_insert_with(Use::fresh);
        one.last = Instant::now();
        one.messages += u64::from(message);
        one.open += 1;
        Open { sessions: self.clone(), session: session.to_owned() }
    }
}

/// An answer that is under way.
struct Open {
    sessions: Arc<Sessions>,
    session: String,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(one) = self.sessions.used().get_mut(&self.session) {
            one.open = one.open.saturating_sub(1);
            one.last = Instant::now();
        }
    }
}

/// Counts how sessions are used, and makes place for new ones.
pub(super) async fn bounded(State(sessions): State<Arc<Sessions>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let named = headers.get(SESSION_HEADER).and_then(|id| id.to_str().ok()).map(str::to_owned);
    if let Some(id) = named {
        sessions.make_place(None).await;
        // Only sessions that exist are counted: names cost their senders nothing.
        let known = sessions.manager.sessions.read().await.contains_key(id.as_str());
        let open = known.then(|| sessions.open(&id, request.method() == Method::POST));
        return until_sent(next.run(request).await, open);
    }
    let may_begin = request.method() == Method::POST && !headers.contains_key(METHOD_HEADER);
    if !may_begin {
        return next.run(request).await;
    }
    if let Err(wait) = sessions.begun.take(Link::carrying(&request).peer, Instant::now()) {
        return wait.response("new sessions");
    }
    sessions.fresh.notify_one();
    // Before, for those that went away while they were begun, and after, for this one.
    sessions.make_place(None).await;
    let response = next.run(request).await;
    let begun = response.headers().get(SESSION_HEADER).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let Some(id) = begun else { return response };
    let open = sessions.open(&id, true);
    sessions.make_place(Some(&id)).await;
    until_sent(response, Some(open))
}

/// The same answer, which counts as under way until its last byte is sent or its client is gone.
fn until_sent(response: Response, open: Option<Open>) -> Response {
    match open {
        Some(open) => response.map(|body| Body::new(Counted { body, _open: open })),
        None => response,
    }
}

struct Counted {
    body: Body,
    _open: Open,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_abandoned_when_nothing_came_of_it() {
        let began = Instant::now();
        let check = |messages: u64, open: usize, seconds: u64, abandoned: bool| {
            let one = Use { last: began, messages, open };
            let now = began + Duration::from_secs(seconds);
            assert_eq!(one.is_abandoned(now), abandoned, "{messages} messages, {open} open, {seconds} s");
        };
        check(1, 0, GREETING_SECONDS_MAX, false);
        check(1, 0, GREETING_SECONDS_MAX + 1, true);
        // Its client waits for the answer to the greeting.
        check(1, 1, GREETING_SECONDS_MAX + 1, false);
        check(2, 0, GREETING_SECONDS_MAX + 1, false);
        check(2, 0, UNUSED_SECONDS_MAX + 1, true);
        // Its client listens for news.
        check(2, 1, UNUSED_SECONDS_MAX + 1, false);
        // It was used, and agents wait for people.
        check(3, 0, UNUSED_SECONDS_MAX * 60, false);
    }
}
