//! Keeps the number of HTTP sessions bounded.
//!
//! A client that goes away without a goodbye, as most do, leaves its session behind. The library keeps every one
//! until it was silent for long, so a client in a loop could fill the memory. When there are as many as may be, the
//! one that was silent for longest makes place; its client begins a new one when it comes back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::{SessionId, SessionManager};

/// Most sessions of the HTTP door.
pub(super) const SESSIONS_MAX: usize = 64;
/// Where a request names its session.
const HEADER: &str = "mcp-session-id";

/// The sessions and when each was last used.
pub(super) struct Sessions {
    manager: Arc<LocalSessionManager>,
    used: Mutex<HashMap<String, Instant>>,
}

impl Sessions {
    pub(super) fn new(manager: Arc<LocalSessionManager>) -> Self {
        Self { manager, used: Mutex::new(HashMap::new()) }
    }

    fn touch(&self, session: &str) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        // Only sessions that exist get in here, see `bounded`.
        used.insert(session.to_owned(), Instant::now());
    }

    /// Ends the sessions that were silent for longest, until there is place for one more. Of many that come at once
    /// some may find the same place; the next one then ends as many more.
    async fn make_place(&self) {
        let live: Vec<_> = self.manager.sessions.read().await.keys().cloned().collect();
        for session in self.too_many(live) {
            if let Err(error) = self.manager.close_session(&session).await {
                tracing::warn!(%error, "a silent session could not be closed");
            }
        }
    }

    fn too_many(&self, mut live: Vec<SessionId>) -> Vec<SessionId> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|session, _| live.iter().any(|id| **id == **session));
        live.sort_by_key(|id| used.get(&**id).copied());
        live.truncate((live.len() + 1).saturating_sub(SESSIONS_MAX));
        live
    }
}

/// Notes which sessions are used, and makes place before a new one may begin.
pub(super) async fn bounded(State(sessions): State<Arc<Sessions>>, request: Request, next: Next) -> Response {
    let named = request.headers().get(HEADER).and_then(|id| id.to_str().ok()).map(str::to_owned);
    match named {
        Some(id) => {
            let known = sessions.manager.sessions.read().await.contains_key(id.as_str());
            if known {
                sessions.touch(&id);
            }
            next.run(request).await
        }
        None if request.method() == Method::POST => {
            sessions.make_place().await;
            let response = next.run(request).await;
            if let Some(id) = response.headers().get(HEADER).and_then(|id| id.to_str().ok()) {
                sessions.touch(id);
            }
            response
        }
        None => next.run(request).await,
    }
}
