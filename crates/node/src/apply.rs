//! How intent becomes effect: what a sync machine decides, carried out.
//!
//! A machine's outputs are carried out in order. Whatever needs the database is a task whose answer comes back as an
//! input of the same session; the machine asks for one page and one store at a time, so answers cannot overtake each
//! other. What was stored is acknowledged only by the machine, and only once it has heard that it is durable.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::charter::Refusal;
use antiphon_core::event::Event;
use antiphon_core::ids::{EventId, NodeId, StoreId};
use antiphon_core::log::{Head, LogId, NodeClock};
use antiphon_net::{MemberStream, StreamKind};
use antiphon_protocol::reason::Reason;
use antiphon_protocol::sync::{Authors, Branching, Check, Closed, Input as Heard, Opened, Output, Session};
use antiphon_store::{Applied, Store};
use antiphon_vault::random;
use tokio::sync::oneshot;

use crate::audit;
use crate::clock::now;
use crate::connect::reason_of;
use crate::custody::{self, News};
use crate::event_loop::Engine;
use crate::forks;
use crate::framed::Stuck;
use crate::held::Held;
use crate::inputs::Input;
use crate::own_log;
use crate::reasons;
use crate::session::{Epoch, Live};
use crate::tasks::Tasks;
use crate::team::TeamState;

/// Most events that are verified without a thread for it: each costs up to one check of a signature.
const VERIFIED_AT_ONCE_MAX: usize = 8;

/// Shortest time after which a session is woken, in milliseconds.
const WAKE_MIN_MS: u64 = 20;

impl Engine {
    /// Opens the stream of a session if this side is the one that does: the one with the smaller id.
    pub(crate) fn open_stream(&mut self, peer: NodeId) {
        let ours = self.team.own.node < peer;
        if !ours || self.sessions.contains_key(&peer) || !self.opening.insert(peer) {
            return;
        }
        let (net, inputs) = (self.net.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            let stream = net.open_stream(peer, StreamKind::Sync).await.map_err(|error| {
                tracing::debug!(%peer, %error, "no sync stream");
                reasons::of_net(&error)
            });
            let _ = inputs.send(Input::Stream { peer, stream }).await;
        });
    }

    /// A stream stands, opened by either side. A newer one replaces the session before it.
    pub(crate) fn on_stream(&mut self, peer: NodeId, stream: Result<MemberStream, Reason>) {
        self.opening.remove(&peer);
        let stream = match stream {
            Ok(stream) => stream,
            Err(reason) => return self.note_failure(&peer, reason),
        };
        if let Err(refusal) = self.team.check(&peer, now()) {
            // A member whose grant we do not hold yet proved it in its handshake; one that was removed did not.
            if refusal != Refusal::NotAMember {
                return self.put_out(peer, reason_of(refusal));
            }
        }
        self.end_session(&peer);
        self.epochs += 1;
        let epoch = Epoch(self.epochs);
        let machine = Session::new(self.team.own.team);
        let live = Live::start(&mut self.tasks, self.inputs.clone(), stream, epoch, machine);
        self.sessions.insert(peer, live);
        // A poor seed only makes two sessions speak at the same moment.
        let seed = random::bytes().map_or(self.epochs, u64::from_be_bytes);
        let opened = Opened {
            own: self.team.own.node,
            clock: self.held.clock.clone(),
            keys: self.held.keys.clone(),
            partings: self.held.partings.clone(),
            authors: self.held.authors.clone(),
            mode: self.mode_with(&peer),
            seed,
        };
        self.drive(peer, epoch, Heard::Opened(opened));
    }

    /// Gives a session's machine what happened and carries out what it decides.
    pub(crate) fn drive(&mut self, peer: NodeId, epoch: Epoch, input: Heard) {
        let Some(live) = self.sessions.get_mut(&peer).filter(|live| live.epoch == epoch) else { return };
        for output in live.machine.handle(input, now()) {
            self.carry_out(peer, epoch, output);
        }
    }

    fn carry_out(&mut self, peer: NodeId, epoch: Epoch, output: Output) {
        let Some(live) = self.sessions.get(&peer).filter(|live| live.epoch == epoch) else { return };
        match output {
            Output::Send(message) => {
                if let Err(Stuck) = live.send(message) {
                    self.session_ended(peer, epoch, Some(Reason::NetworkTimeout));
                }
            }
            Output::LoadPage { log, after, follows, max_events, max_bytes } => {
                let (store, own) = (self.store.clone(), self.is_own_shared(&log));
                self.ask_session(peer, epoch, async move {
                    let most = (max_events, max_bytes);
                    let events = if own {
                        or_none(log, own_log::load(&store, peer, (log, after, follows), most).await)
                    } else {
                        load(&store, peer, log, after, most).await
                    };
                    vec![Heard::Page { log, after, events }]
                });
            }
            Output::Verify(check) => self.ask_session(peer, epoch, verify(check)),
            Output::Store { log, key, events } => self.store_page(peer, epoch, log, key, events),
            Output::Branch { log, events } => self.keep_branch(peer, epoch, log, events),
            Output::LoadHeads { log, seqs } => {
                let store = self.store.clone();
                self.ask_session(peer, epoch, async move {
                    let places = seqs.clone();
                    let heads = store.read(move |reader| reader.heads_at(log, &places)).await;
                    vec![Heard::Heads { log, seqs, heads: or_none(log, heads) }]
                });
            }
            Output::LoadProof { log } => {
                let store = self.store.clone();
                self.ask_session(peer, epoch, async move {
                    let branches = store.read(move |reader| reader.proof(log, &peer)).await;
                    vec![Heard::Proof { log, branches: or_none(log, branches) }]
                });
            }
            Output::Custody(ask) => self.ask_custody(peer, epoch, ask),
            Output::Problem { log, reason, about } => {
                tracing::warn!(%peer, %log, reason = reason.name(), "a log cannot be synced");
                self.note_failure(&peer, reason);
                self.note_about(&peer, about);
            }
            Output::CaughtUp => {
                if live.machine.refuses() {
                    self.peers.record_sync(&peer, 0, now());
                } else {
                    self.note_success(&peer);
                }
                self.charter_came(peer);
            }
            Output::PeerHolds(clock) => self.note_clock(peer, clock),
            Output::PeerHoldsLog { log, head } => self.note_head(peer, log, head),
            Output::WakeAt(at) => {
                self.timers.retain(|(_, node, _)| *node != peer);
                // A machine that asks for a time that has passed must not keep the loop from everything else.
                self.timers.insert((at.max(now().after(WAKE_MIN_MS)), peer, epoch));
            }
            Output::Close(closed) => {
                tracing::debug!(%peer, %closed, "sync session closed");
                if let Closed::Violation(rule) = closed {
                    self.refused(audit::broke_a_rule(audit::SYNC, peer, rule));
                }
                self.session_ended(peer, epoch, closed.reason());
            }
        }
    }

    /// Runs `work` beside the loop and hands its answers to the session.
    pub(crate) fn ask_session(
        &mut self,
        peer: NodeId,
        epoch: Epoch,
        work: impl Future<Output = Vec<Heard>> + Send + 'static,
    ) {
        let inputs = self.inputs.clone();
        self.tasks.spawn(async move {
            for input in work.await {
                let _ = inputs.send(Input::Session { peer, epoch, input }).await;
            }
        });
    }

    fn store_page(&mut self, peer: NodeId, epoch: Epoch, log: LogId, key: NodeId, events: Vec<Event>) {
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        let (last, bare) = (events.last().map(|event| event.header().id), custody::bare(&events));
        self.ask_session(peer, epoch, async move {
            let applied = match store.apply_run(log, key, events, Some(peer), now()).await {
                Ok(applied) => applied,
                Err(error) => {
                    tracing::error!(%peer, %log, %error, "a page could not be stored");
                    return vec![Heard::StoreFailed { log, reason: reasons::of_replay(&error) }];
                }
            };
            let head = applied.head;
            let authors = if applied.changed_charter { read_authors(&store).await } else { None };
            let _ = inputs.send(Input::Applied { peer, log, applied, last }).await;
            if !bare.is_empty() {
                let _ = inputs.send(Input::Custody(News::Lacking { peer, log, seqs: bare })).await;
            }
            authors.map(Heard::Authors).into_iter().chain([Heard::Stored { log, head }]).collect()
        });
    }

    fn keep_branch(&mut self, peer: NodeId, epoch: Epoch, log: LogId, events: Vec<Event>) {
        let Some(key) = self.held.keys.get(&log.store).copied() else { return };
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        self.ask_session(peer, epoch, async move {
            let branching = match store.write(move |db| db.keep_branch(log, key, events, now())).await {
                Ok(antiphon_store::Branching::Parted(head)) => {
                    tracing::error!(%peer, %log, seq = head.seq + 1, "the log has two branches: its author signed both");
                    // Only a stopping node does not want to know.
                    let _ = inputs.send(Input::Refused(forks::refused(key, log, head.seq))).await;
                    Branching::Parted(head)
                }
                // Heads of own logs went back, so every session begins anew as soon as that was read.
                Ok(antiphon_store::Branching::Same | antiphon_store::Branching::Adopted) => Branching::Same,
                Ok(antiphon_store::Branching::Detached) => Branching::Detached,
                Err(error) => {
                    tracing::warn!(%peer, %log, %error, "a branch could not be kept");
                    Branching::Failed
                }
            };
            vec![Heard::Branched { log, branching }]
        });
    }

    /// A page of a peer was stored.
    pub(crate) fn on_applied(&mut self, peer: NodeId, log: LogId, applied: &Applied, last: Option<EventId>) {
        if let Some(fork) = applied.fork {
            tracing::error!(%peer, %log, seq = fork.seq, "the log has two branches: its author signed both");
            self.note_failure(&peer, Reason::Equivocation);
        }
        self.note_trouble(&peer, applied.trouble.as_ref());
        self.custodian.changed();
        self.peers.record_sync(&peer, applied.facts as u64, now());
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.last_event = last.or(entry.last_event);
        }
    }

    /// The stream of a session ended.
    pub(crate) fn session_ended(&mut self, peer: NodeId, epoch: Epoch, reason: Option<Reason>) {
        if self.sessions.get(&peer).is_none_or(|live| live.epoch != epoch) {
            return;
        }
        self.end_session(&peer);
        match reason {
            Some(reason) => self.note_failure(&peer, reason),
            None => self.keep_peer(&peer),
        }
        // The connection may still stand; a new handshake opens a new session, or finds out why not.
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.dial_soon(now());
        }
    }

    /// Drops a session with its tasks' channels.
    pub(crate) fn end_session(&mut self, peer: &NodeId) {
        self.note_equal(peer);
        if let Some(live) = self.sessions.remove(peer) {
            self.timers.retain(|(_, node, _)| node != peer);
            drop(live);
        }
    }

    /// Reads what is held after a commit, unless that is under way; then once more afterwards.
    pub(crate) fn read_commit(&mut self) {
        if std::mem::replace(&mut self.reading, true) {
            self.read_again = true;
            return;
        }
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        let (last, version) = (self.held.clone(), self.agent_version.clone());
        let (moves, rechecks) = (self.moves, std::mem::take(&mut self.rechecks));
        let waiting = std::mem::take(&mut self.waiting);
        self.tasks.spawn(async move {
            let read = store.read(move |reader| {
                let held = Held::read(reader, &last)?;
                let moved = held.own.store != last.own.store;
                let changed = moved || held.charter() != last.charter() || held.partings != last.partings;
                let team = if changed { Some(Box::new(TeamState::read(reader, &version)?)) } else { None };
                Ok((held, team))
            });
            let input = match read.await {
                Ok((held, team)) => Input::Committed { held: Box::new(held), team, moves, rechecks, waiting },
                Err(error) => Input::CommitUnread { error, rechecks, waiting },
            };
            let _ = inputs.send(input).await;
        });
    }

    /// A commit could not be read. It is read when the next look around the house comes, or the next commit.
    pub(crate) fn commit_unread(&mut self, rechecks: BTreeSet<NodeId>, waiting: Vec<oneshot::Sender<()>>) {
        self.reading = false;
        self.read_again = true;
        self.rechecks.extend(rechecks);
        self.waiting.extend(waiting);
    }

    /// A commit was read: sessions learn what is new, and a changed charter is enforced.
    pub(crate) fn on_committed(&mut self, held: Held, team: Option<Box<TeamState>>, moves: u64) {
        self.reading = false;
        if moves != self.moves {
            // This is how things stood in the team that the node has left meanwhile.
            return self.read_commit();
        }
        if let Some(team) = team {
            let shared = self.team.constitution.sharing;
            if team.own.store == self.team.own.store {
                self.team = *team;
                if self.team.constitution.sharing != shared {
                    self.tell_all_federation();
                }
            } else if team.own.team == self.team.own.team {
                self.follow_store(*team)
            } else {
                self.change_team(*team)
            }
            self.refresh_local();
            self.enforce_charter();
            self.open_closed();
            self.note_keyless(now());
        }
        let fresh = |(log, head): (&LogId, _)| (self.held.clock.get(log) != Some(head)).then_some((*log, *head));
        let heads: NodeClock = held.clock.iter().filter_map(fresh).collect();
        let known = |(store, key): (&StoreId, &NodeId)| (!self.held.keys.contains_key(store)).then_some((*store, *key));
        let keys: BTreeMap<StoreId, NodeId> = held.keys.iter().filter_map(known).collect();
        let authors = (held.authors != self.held.authors).then(|| held.authors.clone());
        let partings = (held.partings != self.held.partings).then(|| held.partings.clone());
        let own = self.held.own;
        let followed = self.follows_another();
        self.held = held;
        if !followed && self.follows_another() {
            // What the lost database offered is offered no more.
            self.let_in().into_iter().for_each(|peer| self.tell_catalogue_again(peer));
        }
        // Before anything is told to sessions that do not stand any more afterwards.
        self.follow_own_log(own);
        self.custodian.changed();
        for (peer, epoch) in self.sessions.iter().map(|(peer, live)| (*peer, live.epoch)).collect::<Vec<_>>() {
            if let Some(authors) = &authors {
                self.drive(peer, epoch, Heard::Authors(authors.clone()));
            }
            if let Some(partings) = &partings {
                self.drive(peer, epoch, Heard::Partings(partings.clone()));
            }
            if !heads.is_empty() {
                self.drive(peer, epoch, Heard::LocalClock { heads: heads.clone(), keys: keys.clone() });
            }
        }
        if std::mem::take(&mut self.read_again) {
            self.read_commit();
        }
    }

    /// Closes the connections of whoever may not be spoken to any more, because the charter or the clock says so.
    pub(crate) fn enforce_charter(&mut self) {
        let at = now();
        for peer in self.let_in() {
            if let Err(refusal @ (Refusal::Revoked | Refusal::Expired)) = self.team.check(&peer, at) {
                self.put_out(peer, reason_of(refusal));
            }
        }
    }

    /// The node is in another team now, unless the commit that says so was read before.
    pub(crate) fn moved(&mut self, team: TeamState) {
        if team.own.store != self.team.own.store {
            self.change_team(team);
            self.held = Held::default();
            self.read_commit();
        }
    }

    /// Nothing of the old team goes on: neither its sessions, nor what its members were let in for and what is known
    /// of them, nor what still comes of handshakes that were begun in it.
    fn change_team(&mut self, team: TeamState) {
        for peer in self.let_in() {
            self.end_session(&peer);
            self.close_gate(peer);
        }
        for peer in self.peers.leave_team() {
            self.keep_peer(&peer);
        }
        self.backups.clear();
        self.custodian.leave_team();
        self.moves += 1;
        self.team = team;
        self.refresh_local();
    }

    pub(crate) fn note_failure(&mut self, peer: &NodeId, reason: Reason) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.failed(reason, now());
        }
        self.keep_peer(peer);
    }

    fn note_success(&mut self, peer: &NodeId) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.succeeded(now());
        }
        self.peers.record_sync(peer, 0, now());
        self.keep_peer(peer);
    }

    fn note_clock(&mut self, peer: NodeId, clock: NodeClock) {
        // What it said before counts no more: it may have lost its disk since.
        let first = self.sessions.get_mut(&peer).is_some_and(|live| {
            live.clocks += 1;
            live.clocks == 1
        });
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.holds = Some(clock);
        }
        self.note_told(peer, first);
    }

    fn note_head(&mut self, peer: NodeId, log: LogId, head: Head) {
        if let Some(holds) = self.peers.get_mut(&peer).and_then(|entry| entry.holds.as_mut()) {
            holds.insert(log, head);
        }
        self.note_told(peer, false);
    }

    fn note_told(&mut self, peer: NodeId, first: bool) {
        self.note_equal(&peer);
        self.peers.touch(&peer, now());
        self.returned(peer, first);
    }
}

/// Reads a page. A failure reads as an empty one: the session goes on with other logs, and the log says why.
async fn load(store: &Store, peer: NodeId, log: LogId, after: u64, most: (usize, usize)) -> Vec<Event> {
    let page = store.read(move |reader| reader.page(log, after, most.0, most.1, Some(&peer))).await;
    page.unwrap_or_else(|error| {
        tracing::error!(%log, after, %error, "a page could not be read");
        Vec::new()
    })
}

/// What was read of a log. A failure reads as nothing: the session asks again later, and the log says why.
fn or_none<T: Default>(log: LogId, read: Result<T, antiphon_store::Error>) -> T {
    read.unwrap_or_else(|error| {
        tracing::error!(%log, %error, "a log could not be read");
        T::default()
    })
}

/// Verifies what a peer sent, on a thread that may take its time; a fact that was just written is verified at once,
/// since waking a thread takes longer. If that breaks, the session ends: its machine waits for an answer that will not
/// come.
async fn verify(check: Check) -> Vec<Heard> {
    if check.events() <= VERIFIED_AT_ONCE_MAX {
        return vec![Heard::Checked(check.run())];
    }
    let log = check.log();
    match Tasks::compute(|| check.run()).await {
        Ok(checked) => vec![Heard::Checked(checked)],
        Err(error) => {
            tracing::error!(%log, %error, "a page could not be verified");
            vec![Heard::Close]
        }
    }
}

async fn read_authors(store: &Store) -> Option<Authors> {
    match store.read(|reader| Ok(Authors::of(reader.membership()?.as_ref()))).await {
        Ok(members) => Some(members),
        Err(error) => {
            tracing::error!(%error, "the members could not be read");
            None
        }
    }
}
