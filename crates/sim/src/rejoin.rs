//! The own log of a member that came back with an older disk: what a node does about it, step for step.
//!
//! The database decides what becomes of the log. Around it a node notes what it sends of its own log before it does,
//! begins its sessions anew when its own heads went back, waits until the others have shown what they hold, and has
//! written again what was put aside.

use std::collections::BTreeSet;

use antiphon_core::event::Event;
use antiphon_core::ids::Hash;
use antiphon_core::log::{LogId, Stream};
use antiphon_store::{Again, OwnLog};

use crate::exercised::Class;
use crate::failure::Step;
use crate::jobs::Job;
use crate::options::Sabotage;
use crate::world::World;

/// Longest wait for another event of the own log that members claim to hold, in milliseconds.
const PROGRESS_MS_MAX: u64 = 5_000;
/// Pause before what could not be written again is tried once more, in milliseconds.
const AGAIN_EVERY_MS: u64 = 10_000;

/// How far a node is with it.
#[derive(Debug, Default)]
pub(crate) struct Rejoin {
    /// How the own log stood after the last commit.
    last: OwnLog,
    /// Whether the database was asked and has not answered.
    busy: bool,
    /// Members whose sessions stood when the own branch was put aside, until they have shown what they hold.
    waits_for: BTreeSet<usize>,
    /// Events of the own log that were held when there was last something new, and when that was.
    progress: Option<(u64, u64)>,
    /// When what is left waiting is tried again.
    again_at: u64,
}

impl Rejoin {
    /// A node starts.
    pub(crate) fn new(last: OwnLog) -> Self {
        Self { last, ..Self::default() }
    }

    /// Whether own events wait to be written again.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.last.is_unsettled()
    }
}

impl World {
    /// A commit was read: follows the own log where it went.
    pub(crate) fn follow_own_log(&mut self, node: usize) -> Step {
        if self.is_equivocator(node) && self.equivocates() {
            return Ok(());
        }
        let at = self.at;
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let own = up.db.reader().own_log()?;
        let last = std::mem::replace(&mut up.rejoin.last, own);
        let open: BTreeSet<usize> = up.sessions.keys().copied().collect();
        if own.turns != last.turns && last.store.is_some() {
            up.rejoin.waits_for = open.clone();
            up.rejoin.progress = None;
            self.note(node, "set aside", &[], || format!("{} events", own.waiting));
            self.tally.exercised.add(Class::SetAside, 1);
            self.restart_sessions(node, &open);
        }
        if own != last
            && let Some(up) = self.nodes[node].up.as_mut()
        {
            up.rejoin.again_at = at;
        }
        self.tend_own_log(node);
        Ok(())
    }

    /// Has the database write again what waits, once that may be done.
    pub(crate) fn tend_own_log(&mut self, node: usize) {
        let at = self.at;
        if self.is_sabotaged(Sabotage::LeaveAside) || (self.is_equivocator(node) && self.equivocates()) {
            return;
        }
        let Some(up) = self.nodes[node].up.as_ref() else { return };
        let (own, busy, again_at) = (up.rejoin.last, up.rejoin.busy, up.rejoin.again_at);
        if !own.is_unsettled() || busy || up.team.is_none() {
            return;
        }
        let caught_up = !own.adopting || self.is_own_log_whole(node);
        if again_at > at || !(caught_up || own.forked) {
            return;
        }
        if let Some(up) = self.nodes[node].up.as_mut() {
            up.rejoin.busy = true;
        }
        self.give(node, Job::WriteAgain { caught_up });
    }

    /// The database gets to what waits.
    pub(crate) fn write_again(&mut self, node: usize, caught_up: bool) -> Step<Option<Again>> {
        let (now, random) = (self.nodes[node].clock(self.at), self.random.bytes());
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(None) };
        match up.db.write_again(caught_up, now, random) {
            Ok(again) => Ok(Some(again)),
            Err(error) if error.is_full() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What waited was written again, or could not be.
    pub(crate) fn wrote_again(&mut self, node: usize, again: Option<Again>) -> Step {
        let again_at = self.at + AGAIN_EVERY_MS;
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        (up.rejoin.busy, up.rejoin.again_at) = (false, again_at);
        let Some(again) = again else { return Ok(()) };
        self.note(node, "again", &[], || format!("{again:?}"));
        self.tally.exercised.add(Class::WrittenAgain, again.written);
        if again.opened.is_some() {
            let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
            up.read_all()?;
            let open = up.sessions.keys().copied().collect();
            self.restart_sessions(node, &open);
        }
        self.read_commit(node)
    }

    /// Whether whoever was connected has shown all it holds of the own log, or nothing came for too long.
    fn is_own_log_whole(&mut self, node: usize) -> bool {
        let at = self.at;
        let Some(up) = self.nodes[node].up.as_mut() else { return false };
        let Some(store) = up.rejoin.last.store else { return true };
        let log = LogId::new(store, Stream::Shared);
        let held = up.held.clock.get(&log).map_or(0, |head| head.seq);
        let since = match up.rejoin.progress {
            Some((before, since)) if before >= held => since,
            _ => at,
        };
        up.rejoin.progress = Some((held, since));
        if at >= since + PROGRESS_MS_MAX {
            return true;
        }
        let heard = |peer: &usize| up.sessions.get(peer).and_then(|live| live.claims.as_ref());
        let ahead = |peer: &usize| heard(peer).and_then(|claims| claims.get(&log)).is_some_and(|head| head.seq > held);
        let nobody = !up.sessions.keys().any(|peer| heard(peer).is_some());
        let away = up.rejoin.waits_for.iter().any(|peer| heard(peer).is_none());
        !nobody && !away && !up.sessions.keys().any(ahead)
    }

    fn restart_sessions(&mut self, node: usize, open: &BTreeSet<usize>) {
        let at = self.at;
        for peer in open {
            let id = self.nodes[*peer].id;
            self.end_session(node, *peer);
            if let Some(up) = self.nodes[node].up.as_mut() {
                up.peer(id).dial_soon(at);
            }
        }
    }

    /// Reads a page of a log for a peer. That a page of an own log leaves is noted before it does.
    pub(crate) fn load_page(
        &mut self,
        node: usize,
        peer: usize,
        (log, after, follows): (LogId, u64, Option<Hash>),
        (max_events, max_bytes): (usize, usize),
    ) -> Step<Vec<Event>> {
        let (for_peer, own) = (self.nodes[peer].id, self.nodes[node].id);
        let for_peer = (!self.is_sabotaged(Sabotage::ShareAll)).then_some(for_peer);
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(Vec::new()) };
        let page = up.db.reader().page(log, after, max_events, max_bytes, for_peer.as_ref())?;
        let ours = log.stream == Stream::Shared && up.held.keys.get(&log.store) == Some(&own);
        let Some(head) = page.last().map(Event::head).filter(|_| ours) else { return Ok(page) };
        let reader = up.db.reader();
        let parts = follows.is_some() && after > 0 && reader.header_hash_at(log, after)? != follows;
        let noted = reader.sent(log)?.is_none_or(|sent| sent >= head.seq);
        if parts {
            // The session must see that it does not fit; without its signature it could not be sent by any mistake.
            let first = page.into_iter().next();
            let bare = first.map(|event| {
                let payload = event.payload().map(<[u8]>::to_vec);
                Event::from_log(event.header_bytes().to_vec(), payload, None)
            });
            return Ok(bare.transpose().map_err(antiphon_store::Error::from)?.into_iter().collect());
        }
        match if noted { Ok(true) } else { up.db.note_sent(log, head) } {
            Ok(true) => Ok(page),
            Ok(false) => Ok(Vec::new()),
            Err(error) if error.is_full() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}
