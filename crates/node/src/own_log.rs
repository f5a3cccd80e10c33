//! The node's own log, when it is not what members hold of it: a home that was restored from an older copy.
//!
//! The store decides what becomes of the log and keeps every step ([`antiphon_store::Db::write_again`]). The loop does
//! what only it can know: it begins every session anew when heads went back, waits until the members that were connected
//! have shown what they hold, and follows the store into a new one. Whoever writes meanwhile waits with it, for a short
//! while.
//!
//! A member may claim to hold more than it can show. So nobody is waited for longer than [`PROGRESS_MS_MAX`] without an
//! event that is new, and only this key makes events of this log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::event::Event;
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::log::{LogId, Stream};
use antiphon_core::time::UnixMillis;
use antiphon_store::{Again, AuthorError, Authored, Db, Draft, Error, OwnLog, Store};
use antiphon_vault::random;

use crate::audit::Refused;
use crate::clock::{has_come, now};
use crate::event_loop::Engine;
use crate::inputs::Input;
use crate::team::TeamState;

/// Longest wait for another event of the own log that members claim to hold, in milliseconds.
const PROGRESS_MS_MAX: u64 = 5_000;
/// Longest that a write waits until the own log can be written again, in milliseconds.
const WRITE_WAIT_MS_MAX: u64 = 20_000;
/// Pause before such a write is tried again, in milliseconds.
const WRITE_RETRY_MS: u64 = 50;
/// Pause before what could not be written again is tried once more, in milliseconds.
const AGAIN_EVERY_MS: u64 = 60_000;

/// What the audit calls it.
const OWN_LOG: &str = "own_log";

/// How far the loop is with it.
#[derive(Debug, Default)]
pub(crate) struct Rejoin {
    /// The store was asked and has not answered.
    busy: bool,
    /// Members whose sessions stood when the own branch was put aside, until they have nothing more to show.
    waits_for: BTreeSet<NodeId>,
    /// Events of the own log that were held when there was last something new.
    held: u64,
    /// When that was.
    progress_at: Option<UnixMillis>,
    /// When what is left waiting is tried again.
    again_at: UnixMillis,
    /// Events that waited after the last try.
    left: u64,
}

impl Engine {
    /// A commit was read: follows the own log where it went. `last` is how it stood before.
    pub(crate) fn follow_own_log(&mut self, last: OwnLog) {
        let own = self.held.own;
        if own.turns != last.turns && last.store.is_some() {
            tracing::warn!(
                "members hold another branch of this node's log; it is taken up, and what was written is written again"
            );
            self.tell_audit("set_aside", format!("{} events", own.waiting));
            self.rejoin.waits_for = self.sessions.keys().copied().collect();
            self.rejoin.progress_at = None;
            self.restart_sessions();
        }
        if own != last && own.waiting != self.rejoin.left || own.forked != last.forked {
            self.rejoin.again_at = UnixMillis(0);
        }
        self.tend_own_log(now());
    }

    /// Has the store write again what waits, once that may be done.
    pub(crate) fn tend_own_log(&mut self, at: UnixMillis) {
        let own = self.held.own;
        if !own.is_unsettled() || self.rejoin.busy {
            return;
        }
        let caught_up = !own.adopting || self.is_own_log_whole(at);
        let due = has_come(self.rejoin.again_at, at, AGAIN_EVERY_MS);
        if !due || !(caught_up || own.forked) {
            return;
        }
        self.rejoin.busy = true;
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            let done = write_again(&store, caught_up).await;
            // Only a stopping node does not want to know.
            let _ = inputs.send(Input::WroteAgain(done)).await;
        });
    }

    /// What waited was written again, or could not be.
    pub(crate) fn wrote_again(&mut self, done: Result<Again, Error>) {
        self.rejoin.busy = false;
        self.rejoin.again_at = now().after(AGAIN_EVERY_MS);
        match done {
            Ok(again) => {
                self.rejoin.left = again.waiting;
                if let Some(own) = again.opened {
                    tracing::warn!(store = %own.store, "a new store was opened, since the log of the old one has two branches");
                    self.tell_audit("new_store", own.store.to_string());
                }
                if again.written > 0 {
                    tracing::info!(facts = again.written, waiting = again.waiting, "written again");
                    self.tell_audit("written_again", format!("{} facts", again.written));
                }
            }
            Err(error) => tracing::error!(%error, "what was set aside could not be written again"),
        }
        self.read_commit();
    }

    /// Whether whoever was connected has shown all it holds of the own log, or nothing came for too long.
    fn is_own_log_whole(&mut self, at: UnixMillis) -> bool {
        let Some(store) = self.held.own.store else { return true };
        let log = LogId::new(store, Stream::Shared);
        let held = self.held.clock.get(&log).map_or(0, |head| head.seq);
        if self.rejoin.progress_at.is_none() || self.rejoin.held < held {
            (self.rejoin.held, self.rejoin.progress_at) = (held, Some(at));
        }
        let since = self.rejoin.progress_at.unwrap_or(at);
        if has_come(since.after(PROGRESS_MS_MAX), at, PROGRESS_MS_MAX) {
            return true;
        }
        let heard = |peer: &NodeId| self.sessions.get(peer).is_some_and(|live| live.clocks > 0);
        let claims = |peer: &NodeId| {
            let holds = self.peers.get(peer).and_then(|entry| entry.holds.as_ref());
            holds.and_then(|holds| holds.get(&log)).map_or(0, |head| head.seq)
        };
        let ahead = self.sessions.keys().any(|peer| heard(peer) && claims(peer) > held);
        let away = self.rejoin.waits_for.iter().any(|peer| !heard(peer));
        let nobody = !self.sessions.keys().any(heard);
        !ahead && !away && !nobody
    }

    /// The store under which this node goes on, in the team that it is in.
    pub(crate) fn follow_store(&mut self, team: TeamState) {
        self.team = team;
        // The others learn of it by the handshake, and their pins move.
        self.restart_sessions();
    }

    /// Ends every session; the next handshakes begin new ones.
    fn restart_sessions(&mut self) {
        for peer in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.end_session(&peer);
            if let Some(entry) = self.peers.get_mut(&peer) {
                entry.dial_soon(now());
            }
        }
    }

    /// Whether a log is signed by this node's key and may be set aside.
    pub(crate) fn is_own_shared(&self, log: &LogId) -> bool {
        log.stream == Stream::Shared && self.held.keys.get(&log.store) == Some(&self.team.own.node)
    }

    fn tell_audit(&mut self, reason: &'static str, detail: String) {
        let node = Some(self.team.own.node);
        self.refused(Refused { kind: OWN_LOG, node, reason, detail });
    }
}

async fn write_again(store: &Store, caught_up: bool) -> Result<Again, Error> {
    let Ok(seed) = random::bytes() else { return Err(Error::Closed) };
    store.write(move |db| db.write_again(caught_up, now(), seed)).await
}

/// Reads a page of an own log for a peer. That it leaves is noted before it does.
pub(crate) async fn load(
    store: &Store,
    peer: NodeId,
    (log, after, follows): (LogId, u64, Option<Hash>),
    (max_events, max_bytes): (usize, usize),
) -> Result<Vec<Event>, Error> {
    let read = store.read(move |reader| {
        let parts = match (after, follows) {
            (1.., Some(follows)) => reader.header_hash_at(log, after)? != Some(follows),
            _ => false,
        };
        Ok((reader.page(log, after, max_events, max_bytes, Some(&peer))?, reader.sent(log)?, parts))
    });
    let (mut page, sent, parts) = read.await?;
    if parts {
        // The session will see that it does not fit; without its signature it could not be sent by any mistake.
        page.truncate(1);
        return page.into_iter().map(without_signature).collect();
    }
    let Some(head) = page.last().map(Event::head) else { return Ok(page) };
    let noted = sent.is_none_or(|sent| sent >= head.seq);
    if noted || store.write(move |db| db.note_sent(log, head)).await? { Ok(page) } else { Ok(Vec::new()) }
}

fn without_signature(event: Event) -> Result<Event, Error> {
    let payload = event.payload().map(<[u8]>::to_vec);
    Event::from_log(event.header_bytes().to_vec(), payload, None).map_err(Error::from)
}

/// Notes that all that is held of own logs may leave this machine by hand.
pub(crate) async fn note_all_sent(store: &Store, own: NodeId) -> Result<(), Error> {
    store
        .write(move |db| {
            let logs = db.reader().logs()?;
            for view in logs.into_iter().filter(|view| view.node == own && view.log.stream == Stream::Shared) {
                let _still_held = db.note_sent(view.log, view.head)?;
            }
            Ok(())
        })
        .await
}

/// What is written with an event, in its transaction, unless it is refused.
pub(crate) type With = Arc<dyn Fn(&mut Db, &Authored) -> Result<(), Error> + Send + Sync>;

/// Writes one draft, and what belongs to it, which stands or falls with it. Waits as [`author`].
pub(crate) async fn author_with(
    store: &Store,
    draft: Draft,
    with: With,
) -> Result<Result<Authored, AuthorError>, Error> {
    let mut waited = 0;
    loop {
        let with = with.clone();
        let written = store.author_with(vec![draft.clone()], now(), move |db, written| match written.first() {
            Some(Ok(authored)) => with(db, authored),
            _ => Ok(()),
        });
        match written.await?.pop().ok_or(Error::Closed)? {
            Err(AuthorError::Rejoining(_)) if waited < WRITE_WAIT_MS_MAX => {}
            done => return Ok(done),
        }
        tokio::time::sleep(Duration::from_millis(WRITE_RETRY_MS)).await;
        waited += WRITE_RETRY_MS;
    }
}

/// Writes drafts. Those that came while the own log was brought in line with what members hold wait for that.
pub(crate) async fn author(store: &Store, drafts: Vec<Draft>) -> Result<Vec<Result<Authored, AuthorError>>, Error> {
    let mut written = store.author(drafts.clone(), now()).await?;
    let waits = |one: &Result<Authored, AuthorError>| matches!(one, Err(AuthorError::Rejoining(_)));
    for _ in 0..WRITE_WAIT_MS_MAX / WRITE_RETRY_MS {
        let due: Vec<usize> = (0..written.len()).filter(|index| written.get(*index).is_some_and(waits)).collect();
        if due.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(WRITE_RETRY_MS)).await;
        let again = due.iter().filter_map(|index| drafts.get(*index).cloned()).collect();
        for (index, done) in due.into_iter().zip(store.author(again, now()).await?) {
            if let Some(place) = written.get_mut(index) {
                *place = done;
            }
        }
    }
    Ok(written)
}
