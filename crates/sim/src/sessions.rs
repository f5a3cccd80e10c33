//! Sync sessions: frames in and out, and what their machines decide, carried out in one thread.
//!
//! It is what a node does, step for step: what needs the database is a job whose answer comes back as an input, a
//! commit is read and told to every session, and a changed charter is enforced.

use std::collections::BTreeMap;

use antiphon_core::charter::Refusal;
use antiphon_core::ids::NodeId;
use antiphon_core::log::{LogId, NodeClock, Stream};
use antiphon_core::state::Verdict;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::frame;
use antiphon_protocol::reason::Reason;
use antiphon_protocol::sync::{Input, Message, Opened, Output, Session};

use crate::agenda::{Event, Inside};
use crate::failure::{Law, Step, need};
use crate::jobs::Job;
use crate::network::{Body, Packet};
use crate::node::{Held, Live, TeamState};
use crate::options::Sabotage;
use crate::world::World;

/// Time in which a session may still hear what came before its stream broke, in milliseconds.
const LATE_MS: u64 = 1_000;

impl World {
    /// A stream stands. A newer one replaces the session before it.
    pub(crate) fn start_session(&mut self, node: usize, peer: usize, stream: u64) -> Step {
        let (now, id, seed) = (self.nodes[node].clock(self.at), self.nodes[peer].id, self.random.next());
        let mode = self.mode_with(node, id);
        let keeps = self.is_sabotaged(Sabotage::KeepRemoved);
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let Some(team) = &up.team else { return Ok(()) };
        if let Err(refusal) = team.membership.check(&id, now)
            && refusal != Refusal::NotAMember
            && !keeps
        {
            self.network.drop_stream(stream);
            return self.reject(node, id);
        }
        let team = team.own.team;
        need(self.is_member(peer), Law::TrustIsProved, || format!("n{node} syncs with n{peer}"))?;
        self.end_session(node, peer);
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        up.epochs += 1;
        let epoch = up.epochs;
        up.sessions.insert(peer, Live::new(epoch, stream, Session::new(team)));
        let own = self.nodes[node].id;
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let Held { clock, keys, partings, authors } = up.held.clone();
        self.tally.sessions += 1;
        self.note(node, "session", &seed.to_le_bytes(), || format!("with n{peer}, stream {stream}"));
        self.drive(node, peer, epoch, Input::Opened(Opened { own, clock, keys, partings, authors, mode, seed }))
    }

    /// Gives a session what happened and carries out what it decides.
    pub(crate) fn drive(&mut self, node: usize, peer: usize, epoch: u64, input: Input) -> Step {
        let now = self.nodes[node].clock(self.at);
        let Some(live) = self.live(node, peer, epoch) else { return Ok(()) };
        match &input {
            Input::Page { .. } => live.loading = false,
            Input::Stored { .. } | Input::StoreFailed { .. } => live.storing = false,
            _ => {}
        }
        for output in live.machine.handle(input, now) {
            self.carry_out(node, peer, epoch, output)?;
        }
        Ok(())
    }

    fn live(&mut self, node: usize, peer: usize, epoch: u64) -> Option<&mut Live> {
        let sessions = &mut self.nodes[node].up.as_mut()?.sessions;
        sessions.get_mut(&peer).filter(|live| live.epoch == epoch)
    }

    fn carry_out(&mut self, node: usize, peer: usize, epoch: u64, output: Output) -> Step {
        if self.live(node, peer, epoch).is_none() {
            return Ok(());
        }
        match output {
            Output::Send(message) => self.send_message(node, peer, epoch, &message)?,
            Output::LoadPage { log, after, follows, max_events, max_bytes } => {
                let twice = self.live(node, peer, epoch).is_some_and(|live| std::mem::replace(&mut live.loading, true));
                // A stalled load is given up by the session, so only a second one in its time would be wrong.
                self.note(node, "load", &after.to_le_bytes(), || format!("{log} after {after}, again: {twice}"));
                self.give(node, Job::Load { peer, epoch, log, after, follows, most: (max_events, max_bytes) });
            }
            Output::Verify(check) => self.give(node, Job::Verify { peer, epoch, check }),
            Output::Store { log, key, events } => {
                let twice = self.live(node, peer, epoch).is_some_and(|live| std::mem::replace(&mut live.storing, true));
                need(!twice, Law::BoundsHold, || format!("n{node} stores two pages of n{peer} at once"))?;
                self.check_step(node, peer, log)?;
                if self.is_sabotaged(Sabotage::ConfirmEarly)
                    && let Some(head) = events.last().map(antiphon_core::event::Event::head)
                {
                    return self.drive(node, peer, epoch, Input::Stored { log, head });
                }
                self.give(node, Job::Apply { peer, epoch, log, key, events });
            }
            Output::Branch { log, events } => {
                let key = self.nodes[node].up.as_ref().and_then(|up| up.held.keys.get(&log.store).copied());
                if let Some(key) = key {
                    self.give(node, Job::Branch { peer, epoch, log, key, events });
                }
            }
            Output::LoadHeads { log, seqs } => self.give(node, Job::LoadHeads { peer, epoch, log, seqs }),
            Output::LoadProof { log } => self.give(node, Job::LoadProof { peer, epoch, log }),
            Output::Custody(ask) => self.give(node, Job::Custody { peer, epoch, ask }),
            Output::Problem { log, reason, .. } => self.problem(node, peer, log, reason)?,
            Output::CaughtUp => {
                self.caught_up(node, peer);
                self.charter_came(node, peer);
            }
            Output::PeerHolds(clock) => {
                self.check_clock(node, peer, &clock)?;
                if let Some(live) = self.live(node, peer, epoch) {
                    live.claims = Some(clock);
                }
            }
            Output::PeerHoldsLog { log, head } => {
                self.check_clock(node, peer, &NodeClock::from([(log, head)]))?;
                if let Some(claims) = self.live(node, peer, epoch).and_then(|live| live.claims.as_mut()) {
                    claims.insert(log, head);
                }
            }
            Output::WakeAt(at) => self.wake_at(node, peer, epoch, at),
            Output::Close(closed) => {
                self.note(node, "close", &[], || format!("n{peer}: {closed}"));
                self.session_ended(node, peer, epoch, closed.reason().is_some());
            }
        }
        Ok(())
    }

    /// Nobody but the equivocator says that it holds what it does not.
    fn check_clock(&self, node: usize, peer: usize, clock: &NodeClock) -> Step {
        // What was heard before the peer lost its disk was true then.
        let lost = self.nodes[peer].lost_at.is_some_and(|lost| self.at <= lost + LATE_MS);
        if self.is_equivocator(peer) || lost { Ok(()) } else { self.model.check_holds(node, peer, clock) }
    }

    /// Nobody but the equivocator forges and lies, so nobody else may be accused of it.
    fn problem(&mut self, node: usize, peer: usize, log: LogId, reason: Reason) -> Step {
        self.note(node, "problem", &[], || format!("n{peer} {log}: {reason}"));
        let accused = matches!(
            reason,
            Reason::Equivocation
                | Reason::BadSignature
                | Reason::IdentityMismatch
                | Reason::ClockOverflow
                | Reason::Quota
        );
        let accused = accused && !self.may_fork(&log) && !self.is_equivocator(peer) && !self.is_equivocator(node);
        need(!accused, Law::NoFalseAlarm, || format!("n{node} says of {log}, from n{peer}: {reason}"))?;
        let (at, id) = (self.at, self.nodes[peer].id);
        if let Some(up) = self.nodes[node].up.as_mut() {
            up.peer(id).failed(at);
        }
        Ok(())
    }

    /// Whether the author of a log may have signed two branches, having come back with an older disk or
    /// because it likes to.
    pub(crate) fn may_fork(&self, log: &LogId) -> bool {
        let restored = self.plan.restored.filter(|_| self.restored).map(|node| self.nodes[node].id);
        if restored.is_none() && !self.equivocates() {
            return false;
        }
        let held = |node: &crate::node::Node| node.up.as_ref()?.held.keys.get(&log.store).copied();
        let author = self.nodes.iter().find_map(held);
        author.is_some_and(|author| restored == Some(author) || self.is_liar(&author))
    }

    fn caught_up(&mut self, node: usize, peer: usize) {
        let (at, id) = (self.at, self.nodes[peer].id);
        if let Some(up) = self.nodes[node].up.as_mut() {
            up.peer(id).reached(at);
        }
        self.note(node, "caught up", &[], || format!("with n{peer}"));
    }

    fn wake_at(&mut self, node: usize, peer: usize, epoch: u64, at: UnixMillis) {
        let now = self.nodes[node].clock(self.at);
        let life = self.nodes[node].life;
        if let Some(live) = self.live(node, peer, epoch) {
            live.wake = Some(at);
            let due = self.at + at.since(now).max(1);
            self.agenda.put(due, Event::Inside { node, life, what: Inside::Wake { peer, epoch, at } });
        }
    }

    /// A session's time has come, unless it has asked for another one or the clock was set back.
    pub(crate) fn wake(&mut self, node: usize, peer: usize, epoch: u64, at: UnixMillis) -> Step {
        let now = self.nodes[node].clock(self.at);
        let Some(live) = self.live(node, peer, epoch).filter(|live| live.wake == Some(at)) else { return Ok(()) };
        if now < at {
            self.wake_at(node, peer, epoch, at);
            return Ok(());
        }
        live.wake = None;
        self.drive(node, peer, epoch, Input::Wake)
    }

    fn send_message(&mut self, node: usize, peer: usize, epoch: u64, message: &Message) -> Step {
        // Who lies about what came has as many pages under way as it likes, and of a log with branches nobody waits.
        let forked = matches!(message, Message::Page(page) if self.may_fork(&page.log));
        let liar = forked || self.is_equivocator(peer) || self.is_equivocator(node);
        self.forget_pages_of_branches(node, peer, epoch);
        let Some(live) = self.live(node, peer, epoch) else { return Ok(()) };
        let sent = if liar { Ok(()) } else { crate::watch::sent(live, message) };
        sent.map_err(|detail| crate::failure::Broken(Law::BoundsHold, format!("n{node} to n{peer}: {detail}")))?;
        let stream = live.stream;
        if let Message::Page(page) = message {
            self.check_step(node, peer, page.log)?;
        }
        let leak = self.is_sabotaged(Sabotage::LeakLocal) && matches!(message, Message::Page(_));
        let leak = if leak { self.leak(node)? } else { None };
        let lie = self.twist(node, message);
        if self.is_sabotaged(Sabotage::HideBranches) && matches!(message, Message::Branch(_)) {
            return Ok(());
        }
        for message in std::iter::once(lie.as_ref().unwrap_or(message)).chain(&leak) {
            let bytes = frame::encode(message);
            self.check_frame(node, peer, message, &bytes)?;
            self.send_along(stream, Packet { from: node, to: peer, body: Body::Frame { stream, bytes } });
        }
        Ok(())
    }

    /// That a log has branches may turn out after pages of it were sent, and nobody waits for them any more.
    fn forget_pages_of_branches(&mut self, node: usize, peer: usize, epoch: u64) {
        let unacked = self.live(node, peer, epoch).map(|live| std::mem::take(&mut live.unacked)).unwrap_or_default();
        let unacked = unacked.into_iter().filter(|(log, _)| !self.may_fork(log)).collect();
        if let Some(live) = self.live(node, peer, epoch) {
            live.unacked = unacked;
        }
    }

    /// A frame came.
    pub(crate) fn frame(&mut self, node: usize, from: usize, stream: u64, bytes: &[u8]) -> Step {
        let sessions = self.nodes[node].up.as_mut().map(|up| &mut up.sessions);
        let live = sessions.and_then(|sessions| sessions.get_mut(&from)).filter(|live| live.stream == stream);
        let Some(live) = live else { return Ok(()) };
        let epoch = live.epoch;
        match frame::decode(bytes) {
            Ok(message) => {
                crate::watch::received(live, &message);
                self.drive(node, from, epoch, Input::Message(message))
            }
            Err(error) => need(false, Law::BoundsHold, || format!("n{node} cannot read a frame of n{from}: {error}")),
        }
    }

    /// The stream of a session ended.
    pub(crate) fn session_ended(&mut self, node: usize, peer: usize, epoch: u64, failed: bool) {
        if self.live(node, peer, epoch).is_none() {
            return;
        }
        self.end_session(node, peer);
        let (at, id) = (self.at, self.nodes[peer].id);
        let Some(up) = self.nodes[node].up.as_mut() else { return };
        if failed {
            up.peer(id).failed(at);
        }
        up.peer(id).dial_soon(at);
    }

    /// The other end of a stream is closed.
    pub(crate) fn stream_ended(&mut self, node: usize, from: usize, stream: u64) {
        self.network.drop_stream(stream);
        let sessions = self.nodes[node].up.as_ref().map(|up| &up.sessions);
        let live = sessions.and_then(|sessions| sessions.get(&from)).filter(|live| live.stream == stream);
        if let Some(epoch) = live.map(|live| live.epoch) {
            self.session_ended(node, from, epoch, false);
        }
    }

    /// Drops a session and closes its stream.
    pub(crate) fn end_session(&mut self, node: usize, peer: usize) {
        let Some(up) = self.nodes[node].up.as_mut() else { return };
        if let Some(live) = up.sessions.remove(&peer) {
            let end = Packet { from: node, to: peer, body: Body::End { stream: live.stream } };
            self.send_along(live.stream, end);
        }
    }

    /// A commit is read: sessions learn what is new, and a changed charter is enforced.
    pub(crate) fn read_commit(&mut self, node: usize) -> Step {
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        up.reading = false;
        self.look_soon(node);
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let held = Held::read(&up.db.reader(), &up.held)?;
        if held.charter() != up.held.charter() || up.team.is_none() {
            let team = TeamState::read(&up.db.reader())?;
            let team = self.believed(node, team);
            if let Some(up) = self.nodes[node].up.as_mut() {
                up.team = team;
            }
            self.enforce_charter(node)?;
        }
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let fresh = held.clock.iter().filter(|(log, head)| up.held.clock.get(log) != Some(head));
        let heads: NodeClock = fresh.map(|(log, head)| (*log, *head)).collect();
        let fresh = held.keys.iter().filter(|(store, _)| !up.held.keys.contains_key(store));
        let keys: BTreeMap<_, _> = fresh.map(|(store, key)| (*store, *key)).collect();
        let authors = (held.authors != up.held.authors).then(|| held.authors.clone());
        let partings = (held.partings != up.held.partings).then(|| held.partings.clone());
        up.held = held;
        let rechecks = std::mem::take(&mut up.rechecks);
        let sessions: Vec<(usize, u64)> = up.sessions.iter().map(|(peer, live)| (*peer, live.epoch)).collect();
        for (peer, epoch) in sessions {
            if let Some(authors) = &authors {
                self.drive(node, peer, epoch, Input::Authors(authors.clone()))?;
            }
            if let Some(partings) = &partings {
                self.drive(node, peer, epoch, Input::Partings(partings.clone()))?;
            }
            if !heads.is_empty() {
                self.drive(node, peer, epoch, Input::LocalClock { heads: heads.clone(), keys: keys.clone() })?;
            }
        }
        self.follow_own_log(node)?;
        rechecks.into_iter().try_for_each(|peer| self.recheck(node, peer))
    }

    /// Closes the connections of whoever may not be spoken to any more.
    fn enforce_charter(&mut self, node: usize) -> Step {
        let now = self.nodes[node].clock(self.at);
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let Some(team) = &up.team else { return Ok(()) };
        for log in up.db.reader().logs()? {
            let out = log.log.stream == Stream::Shared && team.membership.is_revoked(&log.node);
            let kept = !out || matches!(log.verdict, Verdict::Cut(_));
            need(kept, Law::RevokedIsOut, || format!("n{node} counts all of {} after the removal", log.log))?;
        }
        let out = |peer: &&NodeId| {
            let refusal = team.membership.check(peer, now).err();
            matches!(refusal, Some(Refusal::Revoked | Refusal::Expired))
        };
        let out: Vec<NodeId> = up.peers.keys().filter(out).copied().collect();
        let honest = self.honest().into_iter().find(|peer| self.is_removed(node, *peer));
        let early = honest.is_some() && !self.holds_whole_past(node);
        self.tally.early_removals += u64::from(early);
        need(honest.is_none() || early, Law::NoFalseAlarm, || format!("n{node} counts {honest:?} as removed"))?;
        if !self.is_sabotaged(Sabotage::KeepRemoved) {
            out.into_iter().try_for_each(|peer| self.reject(node, peer))?;
        }
        let open = self.nodes[node].up.as_ref().map(|up| up.sessions.keys().copied().collect::<Vec<_>>());
        let open = open.unwrap_or_default().into_iter().find(|peer| self.is_removed(node, *peer));
        need(open.is_none(), Law::RevokedIsOut, || format!("n{node} keeps its session with {open:?}"))
    }
}
