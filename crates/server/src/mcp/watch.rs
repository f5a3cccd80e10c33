//! Telling agents when something they watch has changed.
//!
//! The node says what kinds of things may have changed, see [`Changes`]. Then each watched resource of that kind is
//! looked at, and its agent hears of it only if it really looks different: what is told too often is not listened to.
//!
//! The older revision subscribes by a request and ends it by another; it is told in its session. The newer one keeps one
//! request open for all it watches, and is told in the answer. Both are looked after by the same loop. What an agent
//! may watch is bounded, and it ends with its session.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antiphon_node::{Changes, Topic};
use rmcp::model::{ErrorData, ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, RoleServer, SubscriptionContext, SubscriptionSink};
use serde_json::json;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::news::News;
use super::resources::{failed, not_found};
use super::subject::{Mark, Subject};
use crate::door::Tasks;
use crate::service::Service;

/// Most resources that one agent watches in its session, or by one open request.
const WATCHED_MAX: usize = 32;
/// Most requests of one session that are kept open to watch.
const LISTENS_MAX: usize = 8;
/// How soon something is looked at again that could not be, in milliseconds.
const AGAIN_MS: u64 = 1_000;

/// What one agent watches.
pub(super) struct Watch {
    shared: Arc<Shared>,
    tasks: Tasks,
    /// Requests to watch that were accepted and have not begun, with what was committed then.
    accepted: Mutex<VecDeque<(SubscriptionFilter, u64)>>,
    listening: AtomicUsize,
    /// Ends the loop with the agent.
    _end: DropGuard,
}

struct Shared {
    service: Arc<Service>,
    wanted: Mutex<Wanted>,
    end: CancellationToken,
}

/// What the older revision asked for.
#[derive(Default)]
struct Wanted {
    watched: BTreeMap<String, Watched>,
    news: Option<News>,
    /// Somebody looks after it.
    looked_after: bool,
}

#[derive(Clone)]
struct Watched {
    subject: Subject,
    /// What it looked like; missing when it could not be looked at.
    mark: Option<Mark>,
}

/// Whom to tell.
enum To {
    Session(Peer<RoleServer>),
    Answer(SubscriptionSink),
}

impl Watch {
    pub(super) fn new(service: Arc<Service>, tasks: Tasks) -> Self {
        let end = tasks.stop().child_token();
        let shared = Shared { service, wanted: Mutex::default(), end: end.clone() };
        Self {
            shared: Arc::new(shared),
            tasks,
            accepted: Mutex::default(),
            listening: AtomicUsize::new(0),
            _end: end.drop_guard(),
        }
    }

    /// Watches one more resource for the session.
    pub(super) async fn subscribe(&self, uri: String, peer: Peer<RoleServer>) -> Result<(), ErrorData> {
        let subject = Subject::of_uri(&uri).ok_or_else(|| not_found(&uri))?;
        self.look_after(peer);
        let mark = subject.mark(&self.shared.service).await.map_err(|problem| failed(&uri, &problem))?;
        let mut wanted = self.shared.wanted();
        if wanted.watched.len() >= WATCHED_MAX && !wanted.watched.contains_key(&uri) {
            let what = format!("a session watches at most {WATCHED_MAX} resources; unsubscribe from one first");
            return Err(ErrorData::invalid_params(what, Some(json!({ "uri": uri }))));
        }
        wanted.watched.insert(uri, Watched { subject, mark: Some(mark) });
        Ok(())
    }

    /// Watches a resource no more.
    pub(super) fn unsubscribe(&self, uri: &str) -> Result<(), ErrorData> {
        self.shared.wanted().watched.remove(uri);
        if Subject::of_uri(uri).is_some() { Ok(()) } else { Err(not_found(uri)) }
    }

    /// Tells the session from now on what is new on the node.
    pub(super) async fn tell_news(&self, news: News, peer: Peer<RoleServer>) -> Result<(), ErrorData> {
        self.look_after(peer);
        let news = news.starting_now(&self.shared.service).await.map_err(|problem| failed("logging", &problem))?;
        self.shared.wanted().news = Some(news);
        Ok(())
    }

    /// Starts the loop of the session, if it does not run yet.
    fn look_after(&self, peer: Peer<RoleServer>) {
        let mut wanted = self.shared.wanted();
        if !std::mem::replace(&mut wanted.looked_after, true) {
            // It hears of changes from before the first look at what is watched, so none is lost between the two.
            let changes = self.shared.service.handle().changes();
            self.tasks.spawn(look_after(self.shared.clone(), changes, peer));
        }
    }

    /// What of a request to watch is granted: known addresses, up to the bound.
    pub(super) fn accept(&self, requested: &SubscriptionFilter) -> SubscriptionFilter {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that never began are forgotten, the oldest first.
        if accepted.len() >= LISTENS_MAX {
            accepted.pop_front();
        }
        accepted.push_back((requested.clone(), self.shared.committed()));
        let uris: BTreeSet<&String> = requested.resource_subscriptions.iter().flatten().collect();
        let known = uris.into_iter().filter(|uri| Subject::of_uri(uri).is_some());
        SubscriptionFilter::builder().resource_subscriptions(known.take(WATCHED_MAX)).build()
    }

    /// Keeps a request open until it is cancelled, or the doors close.
    pub(super) async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let Some(_place) = Place::take(&self.listening) else {
            let what = format!("a session keeps at most {LISTENS_MAX} requests open to watch; cancel one first");
            return Err(ErrorData::invalid_request(what, None));
        };
        let mut changes = self.shared.service.handle().changes();
        let since = self.begun(context.requested());
        let to = To::Answer(context.sink().clone());
        let mut watched = self.shared.first_look(context.accepted()).await;
        // Between the word that it watches and the first look something may have changed, and what it was is not known.
        if since != self.shared.committed() {
            for uri in watched.keys() {
                if !to.updated(uri).await {
                    return Ok(());
                }
            }
        }
        let mut pause = Pause::default();
        loop {
            let topics = tokio::select! {
                () = context.cancelled() => return Ok(()),
                () = self.shared.end.cancelled() => return Ok(()),
                topics = pause.next(&mut changes) => topics,
            };
            let Some(topics) = topics else { return Ok(()) };
            let changed = look(&self.shared.service, &topics, &mut watched, &mut pause).await;
            for uri in changed {
                if !to.updated(&uri).await {
                    return Ok(());
                }
            }
        }
    }

    /// What was committed when a request was accepted that begins now.
    fn begun(&self, requested: &SubscriptionFilter) -> u64 {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        let at = accepted.iter().position(|(filter, _)| filter == requested);
        at.and_then(|at| accepted.remove(at)).map_or(0, |(_, pos)| pos)
    }
}

impl Shared {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the log has come.
    fn committed(&self) -> u64 {
        self.service.handle().committed().borrow().pos
    }

    async fn first_look(&self, accepted: &SubscriptionFilter) -> BTreeMap<String, Watched> {
        let mut watched = BTreeMap::new();
        for uri in accepted.resource_subscriptions.iter().flatten() {
            if let Some(subject) = Subject::of_uri(uri) {
                let mark = subject.mark(&self.service).await.ok();
                watched.insert(uri.clone(), Watched { subject, mark });
            }
        }
        watched
    }

    /// Takes over what was seen, and says what of it is still wanted.
    fn seen(&self, watched: BTreeMap<String, Watched>, changed: &mut Vec<String>) {
        let mut wanted = self.wanted();
        for (uri, seen) in watched {
            if let Some(entry) = wanted.watched.get_mut(&uri) {
                *entry = seen;
            }
        }
        changed.retain(|uri| wanted.watched.contains_key(uri));
    }
}

/// Looks after what a session of the older revision watches.
async fn look_after(shared: Arc<Shared>, mut changes: Changes, peer: Peer<RoleServer>) {
    let to = To::Session(peer.clone());
    let mut pause = Pause::default();
    loop {
        let topics = tokio::select! {
            () = shared.end.cancelled() => return,
            topics = pause.next(&mut changes) => topics,
        };
        let Some(topics) = topics else { return };
        let (mut watched, news) = {
            let wanted = shared.wanted();
            (wanted.watched.clone(), wanted.news.clone())
        };
        let mut changed = look(&shared.service, &topics, &mut watched, &mut pause).await;
        shared.seen(watched, &mut changed);
        for uri in changed {
            if !to.updated(&uri).await {
                return;
            }
        }
        let Some(mut news) = news else { continue };
        if !news.tell(&shared.service, &peer).await {
            return;
        }
        if let Some(kept) = &mut shared.wanted().news {
            kept.take_over(news);
        }
    }
}

/// Looks at what hangs on `topics`, and says what looks different.
async fn look(
    service: &Service,
    topics: &BTreeSet<Topic>,
    watched: &mut BTreeMap<String, Watched>,
    pause: &mut Pause,
) -> Vec<String> {
    let mut changed = Vec::new();
    for (uri, one) in watched.iter_mut() {
        if !topics.iter().any(|topic| one.subject.hangs_on(*topic)) {
            continue;
        }
        match one.subject.mark(service).await {
            Ok(mark) if one.mark == Some(mark) => {}
            Ok(mark) => {
                one.mark = Some(mark);
                changed.push(uri.clone());
            }
            Err(problem) => {
                tracing::debug!(%uri, %problem, "what is watched could not be looked at; it is looked at again");
                pause.again.extend(topics);
            }
        }
    }
    changed
}

/// Waits for changes, and for the time to look again at what could not be looked at.
#[derive(Default)]
struct Pause {
    again: BTreeSet<Topic>,
}

impl Pause {
    /// What to look at next. `None` when the node stops.
    async fn next(&mut self, changes: &mut Changes) -> Option<BTreeSet<Topic>> {
        if self.again.is_empty() {
            return changes.next().await;
        }
        let mut topics = match tokio::time::timeout(Duration::from_millis(AGAIN_MS), changes.next()).await {
            Ok(topics) => topics?,
            Err(_) => BTreeSet::new(),
        };
        topics.append(&mut self.again);
        Some(topics)
    }
}

impl To {
    /// Whether it could be told.
    async fn updated(&self, uri: &str) -> bool {
        match self {
            Self::Session(peer) => {
                peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await.is_ok()
            }
            Self::Answer(sink) => sink.notify_resource_updated(uri).await.is_ok(),
        }
    }
}

/// One of the requests that are kept open.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(taken: &'a AtomicUsize) -> Option<Self> {
        let free =
            taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| (taken < LISTENS_MAX).then_some(taken + 1));
        free.is_ok().then_some(Self(taken))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
