//! What nodes give their databases to do, and what comes of it.
//!
//! A node's writer takes jobs in the order in which they were given. A job is one step of the world and its answer is
//! another one, so a crash can come before the commit, between commit and answer, or after both.

use antiphon_core::charter::Grant;
use antiphon_core::event::Event;
use antiphon_core::ids::{Hash, NodeId, StoreId};
use antiphon_core::log::{LogId, Stream};
use antiphon_core::trust::Trust;
use antiphon_protocol::join::{Joined, StewardInput};
use antiphon_protocol::reason::Reason;
use antiphon_protocol::sync::{self, Authors, PAGE_BYTES_MAX, PAGE_EVENTS_MAX};
use antiphon_store::{Again, AuthorError, Authored, Branching, Bring, Db, Draft, Identity, InviteUse, LogRun, Reader};

use crate::agenda::{Event as Happening, Inside};
use crate::exercised::Class;
use crate::failure::{Broken, Law, Step, need};
use crate::options::Sabotage;
use crate::world::World;

/// Work for a database.
#[derive(Debug, Clone)]
pub(crate) enum Job {
    /// Write events of our own.
    Author(Vec<Draft>),
    /// Verify what came in a session, which needs time and no database.
    Verify { peer: usize, epoch: u64, check: sync::Check },
    /// Store a page of a session.
    Apply { peer: usize, epoch: u64, log: LogId, key: NodeId, events: Vec<Event> },
    /// Keep the other branch of a log as evidence.
    Branch { peer: usize, epoch: u64, log: LogId, key: NodeId, events: Vec<Event> },
    /// Read the hashes of some events for a session.
    LoadHeads { peer: usize, epoch: u64, log: LogId, seqs: Vec<u64> },
    /// Read or keep what custody is about for a session.
    Custody { peer: usize, epoch: u64, ask: sync::Ask },
    /// Read the branches of a log for a session.
    LoadProof { peer: usize, epoch: u64, log: LogId },
    /// Read a page for a session.
    Load { peer: usize, epoch: u64, log: LogId, after: u64, follows: Option<Hash>, most: (usize, usize) },
    /// Write again what was set aside.
    WriteAgain { caught_up: bool },
    /// Keep what is known of a peer.
    KeepPeer { peer: NodeId, store: Option<StoreId>, trust: Trust },
    /// Let somebody join.
    Grant { request: u64, invite: Hash, grant: Grant },
    /// Enter a team.
    Adopt(Box<Joined>),
}

impl Job {
    /// Whether it is one transaction that a crash may tear apart.
    pub(crate) fn can_tear(&self) -> bool {
        matches!(self, Self::Author(_) | Self::Apply { .. } | Self::Branch { .. })
    }

    fn writes(&self) -> bool {
        match self {
            Self::Custody { ask, .. } => crate::custody::writes(ask),
            Self::Verify { .. } | Self::Load { .. } | Self::LoadHeads { .. } | Self::LoadProof { .. } => false,
            _ => true,
        }
    }
}

/// What came of a job that was not a session's.
#[derive(Debug, Clone)]
pub(crate) enum Done {
    /// What each draft led to.
    Authored(Vec<(Draft, Result<Authored, AuthorError>)>),
    /// The database failed, as a full disk makes it.
    AuthorFailed,
    Granted {
        request: u64,
        input: Box<StewardInput>,
    },
    Adopted,
    AdoptFailed,
    WroteAgain(Option<Again>),
}

impl World {
    /// Gives a node's database something to do.
    pub(crate) fn give(&mut self, node: usize, job: Job) {
        let life = self.nodes[node].life;
        let takes = self.random.below(20);
        let Some(up) = self.nodes[node].up.as_mut() else { return };
        let mut at = self.at + takes;
        if job.writes() {
            at = at.max(up.writer_free_at);
            up.writer_free_at = at;
        }
        self.agenda.put(at, Happening::Inside { node, life, what: Inside::Job(job) });
    }

    pub(crate) fn tell(&mut self, node: usize, what: Inside) {
        let (life, wait) = (self.nodes[node].life, self.random.below(10));
        self.agenda.put(self.at + wait, Happening::Inside { node, life, what });
    }

    /// Answers for one session, in this order.
    pub(crate) fn tell_session(&mut self, node: usize, peer: usize, epoch: u64, inputs: Vec<sync::Input>) {
        let (life, at) = (self.nodes[node].life, self.at + self.random.below(10));
        for input in inputs {
            self.agenda.put(at, Happening::Inside { node, life, what: Inside::Session { peer, epoch, input } });
        }
    }

    /// The database of a node gets to a job.
    pub(crate) fn work(&mut self, node: usize, job: Job) -> Step {
        if self.shrugs(node, &job)? {
            return Ok(());
        }
        match job {
            Job::Author(drafts) => self.author(node, drafts),
            Job::Verify { peer, epoch, check } => {
                self.tell_session(node, peer, epoch, vec![sync::Input::Checked(check.run())]);
                Ok(())
            }
            Job::Apply { peer, epoch, log, key, events } => self.apply(node, (peer, epoch), log, key, events),
            Job::Branch { peer, epoch, log, key, events } => self.keep_branch(node, (peer, epoch), log, key, events),
            Job::LoadHeads { peer, epoch, log, seqs } => {
                let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
                let heads = up.db.reader().heads_at(log, &seqs)?;
                self.tell_session(node, peer, epoch, vec![sync::Input::Heads { log, seqs, heads }]);
                Ok(())
            }
            Job::Custody { peer, epoch, ask } => self.custody(node, peer, epoch, ask),
            Job::LoadProof { peer, epoch, log } => {
                let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
                let branches = up.db.reader().proof(log, &self.nodes[peer].id)?;
                self.tell_session(node, peer, epoch, vec![sync::Input::Proof { log, branches }]);
                Ok(())
            }
            Job::Load { peer, epoch, log, after, follows, most } => {
                let events = self.load_page(node, peer, (log, after, follows), most)?;
                self.count_withheld(node, peer, &events);
                self.tell_session(node, peer, epoch, vec![sync::Input::Page { log, after, events }]);
                Ok(())
            }
            Job::WriteAgain { caught_up } => {
                let again = self.write_again(node, caught_up)?;
                self.committed(node)?;
                self.tell(node, Inside::Done(Done::WroteAgain(again)));
                Ok(())
            }
            Job::KeepPeer { peer, store, trust } => self.keep_peer(node, peer, store, trust),
            Job::Grant { request, invite, grant } => self.grant(node, request, invite, grant),
            Job::Adopt(joined) => self.adopt(node, *joined),
        }
    }

    fn author(&mut self, node: usize, drafts: Vec<Draft>) -> Step {
        let (now, random) = (self.nodes[node].clock(self.at), self.random.bytes());
        if self.is_sabotaged(Sabotage::LoseWrites) && self.random.chance(250) {
            return self.lose_writes(node, drafts, now, random);
        }
        let charters = |draft: &Draft| matches!(draft, Draft::Grant(_) | Draft::Revoke(_) | Draft::Record(_));
        let grinds = self.plan.trust.is_thief(node) && drafts.iter().any(charters);
        let random = if grinds { self.grind(node, &drafts, now)? } else { random };
        if self.nodes[node].up.is_none() {
            return Ok(());
        }
        match self.author_and_keep(node, &drafts, now, random) {
            Ok(done) => {
                self.note_removals(node, &drafts)?;
                self.committed(node)?;
                self.tell(node, Inside::Done(Done::Authored(drafts.into_iter().zip(done).collect())));
            }
            Err(error) if error.is_full() => self.tell(node, Inside::Done(Done::AuthorFailed)),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn apply(
        &mut self,
        node: usize,
        (peer, epoch): (usize, u64),
        log: LogId,
        key: NodeId,
        mut events: Vec<Event>,
    ) -> Step {
        let (now, from) = (self.nodes[node].clock(self.at), self.nodes[peer].id);
        let may_fork = self.may_fork(&log);
        if self.is_sabotaged(Sabotage::SpoilPages) && log.stream == Stream::Shared {
            let spoil = |event: Event| if event.header().seq > 1 { event.without_payload() } else { event };
            events = events.into_iter().map(spoil).collect();
        }
        let texts = if self.is_sabotaged(Sabotage::KeepErased) { events.clone() } else { Vec::new() };
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let applied = match up.db.apply_run(log, key, events, Some(from), now) {
            Ok(applied) => applied,
            Err(error) if error.is_full() => {
                let failed = sync::Input::StoreFailed { log, reason: Reason::Other };
                self.tell_session(node, peer, epoch, vec![failed]);
                return Ok(());
            }
            Err(error) => {
                return Err(Broken(Law::StoreWorks, format!("n{node} cannot store a page of {log}: {error}")));
            }
        };
        let fits = applied.fork.is_none() || may_fork;
        need(fits, Law::NoFalseAlarm, || format!("n{node} sees a fork of {log}"))?;
        let members = if applied.changed_charter { Some(up.db.reader().membership()?) } else { None };
        let authors = members.map(|members| Authors::of(&members));
        self.keep_texts(node, &texts)?;
        self.tally.applied += applied.stored as u64;
        if key != from && applied.stored > 0 {
            self.tally.exercised.add(Class::Relayed, 1);
        }
        if applied.fork.is_some() && !self.is_equivocator(node) && self.equivocates() {
            self.tally.exercised.add(Class::Proved, 1);
        }
        self.committed(node)?;
        let stored = sync::Input::Stored { log, head: applied.head };
        let inputs = authors.map(sync::Input::Authors).into_iter().chain([stored]).collect();
        self.tell_session(node, peer, epoch, inputs);
        Ok(())
    }

    fn keep_branch(
        &mut self,
        node: usize,
        (peer, epoch): (usize, u64),
        log: LogId,
        key: NodeId,
        events: Vec<Event>,
    ) -> Step {
        let (may_fork, now) = (self.may_fork(&log), self.nodes[node].clock(self.at));
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let branching = match up.db.keep_branch(log, key, events, now) {
            Ok(Branching::Parted(head)) => sync::Branching::Parted(head),
            Ok(Branching::Same | Branching::Adopted) => sync::Branching::Same,
            Ok(Branching::Detached) => sync::Branching::Detached,
            Err(error) if error.is_full() => sync::Branching::Failed,
            Err(error) => {
                return Err(Broken(Law::StoreWorks, format!("n{node} cannot keep a branch of {log}: {error}")));
            }
        };
        let parted = matches!(branching, sync::Branching::Parted(_));
        if parted && !self.is_equivocator(node) && self.equivocates() {
            self.tally.exercised.add(Class::Proved, 1);
        }
        let fits = !parted || may_fork;
        need(fits, Law::NoFalseAlarm, || format!("n{node} sees a fork of {log}"))?;
        self.note(node, "branch", &[], || format!("of n{peer}, {log}: {branching:?}"));
        self.committed(node)?;
        self.tell_session(node, peer, epoch, vec![sync::Input::Branched { log, branching }]);
        Ok(())
    }

    fn keep_peer(&mut self, node: usize, peer: NodeId, store: Option<StoreId>, trust: Trust) -> Step {
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        match up.db.update_peer(&peer, |row| (row.store, row.trust) = (store, trust)) {
            Ok(_) => Ok(()),
            Err(error) if error.is_full() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn grant(&mut self, node: usize, request: u64, invite: Hash, grant: Grant) -> Step {
        let (now, random) = (self.nodes[node].clock(self.at), self.random.bytes());
        let joiner = grant.node;
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let input = match grant_by(&mut up.db, invite, grant, now, random) {
            Ok(input) => input,
            Err(error) if error.is_full() => StewardInput::GrantFailed,
            Err(error) => return Err(error.into()),
        };
        if matches!(input, StewardInput::Granted { .. }) {
            self.model.granted.insert(joiner);
        }
        self.committed(node)?;
        self.tell(node, Inside::Done(Done::Granted { request, input: Box::new(input) }));
        Ok(())
    }

    fn adopt(&mut self, node: usize, joined: Joined) -> Step {
        let (now, random, nonce) = (self.nodes[node].clock(self.at), self.random.bytes(), self.random.bytes());
        let back = self.comes_back(node);
        let former: Vec<StoreId> = joined.stores.iter().map(|former| former.store).collect();
        let previous = joined
            .stores
            .first()
            .map(|former| (former.store, former.heads.iter().map(|(log, head)| (*log, *head)).collect()));
        let identity = Identity { node: self.nodes[node].id, name: self.nodes[node].name.clone(), nonce, previous };
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let run = |log: antiphon_protocol::join::CharterLog| LogRun {
            log: LogId::new(log.store, Stream::Charter),
            node: log.key,
            events: log.events,
        };
        let charter: Vec<LogRun> = joined.charter.into_iter().map(run).collect();
        let moves = up.db.own().is_some();
        let done = if moves {
            let bring = if back { Bring::None } else { Bring::Shared };
            up.db.move_to_team(&identity, &joined.genome, charter, bring, now, random)
        } else {
            up.db.adopt_team(&identity, &joined.genome, charter, now, random)
        };
        match done {
            Ok(_) => {
                if back {
                    self.came_back(node, former.into_iter());
                } else {
                    self.model.moved(node);
                }
                if moves {
                    // What was set for peers was set in the other team.
                    self.nodes[node].shares.clear();
                }
                self.committed(node)?;
                self.tell(node, Inside::Done(Done::Adopted));
            }
            Err(error) if error.is_full() => self.tell(node, Inside::Done(Done::AdoptFailed)),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Something was committed: the clock must have grown, and sessions will want to know.
    pub(crate) fn committed(&mut self, node: usize) -> Step {
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let logs = up.db.reader().logs()?;
        let read = !std::mem::replace(&mut up.reading, true);
        self.model.committed(node, &logs)?;
        self.note_erased(node)?;
        self.mark_disk(node);
        if read {
            self.tell(node, Inside::ReadCommit);
        }
        Ok(())
    }

    /// A crash tears the next write apart: runs it, without telling anybody.
    pub(crate) fn run_untold(&mut self, node: usize, job: Job) -> Step {
        let (now, random) = (self.nodes[node].clock(self.at), self.random.bytes());
        if let Job::Author(drafts) = &job {
            let done = self.author_and_keep(node, drafts, now, random).map(drop);
            self.note_removals(node, drafts)?;
            return match done {
                Err(error) if !error.is_full() => Err(error.into()),
                _ => Ok(()),
            };
        }
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let done = match job {
            Job::Apply { log, key, events, .. } => up.db.apply_run(log, key, events, None, now).map(drop),
            Job::Branch { log, key, events, .. } => up.db.keep_branch(log, key, events, now).map(drop),
            _ => Ok(()),
        };
        match done {
            Err(error) if !error.is_full() => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Uses the invitation, writes the grant, and gathers what the joiner gets.
fn grant_by(
    db: &mut Db,
    invite: Hash,
    grant: Grant,
    now: antiphon_core::time::UnixMillis,
    random: [u8; 32],
) -> Result<StewardInput, antiphon_store::Error> {
    let node = grant.node;
    let fresh = match db.use_invite(&invite, &node, now)? {
        InviteUse::Accepted(_) => true,
        // The node does both in one transaction; here the disk may have been full in between.
        InviteUse::Again(_) => db.reader().grant_path(&node)?.is_none(),
        InviteUse::Taken | InviteUse::Expired | InviteUse::Unknown => return Ok(StewardInput::GrantFailed),
    };
    if fresh && db.author(&[Draft::Grant(grant)], now, random)?.iter().any(Result::is_err) {
        return Ok(StewardInput::GrantFailed);
    }
    let reader = db.reader();
    Ok(match reader.grant_path(&node)? {
        Some(path) => StewardInput::Granted { path: Box::new(path), charter: charter(&reader)?, stores: Vec::new() },
        None => StewardInput::GrantFailed,
    })
}

/// Every charter event that is held, log by log.
pub(crate) fn charter(reader: &Reader<'_>) -> Result<Vec<Event>, antiphon_store::Error> {
    let mut events = Vec::new();
    for log in reader.logs()?.into_iter().filter(|log| log.log.stream == Stream::Charter) {
        let mut after = 0;
        loop {
            let page = reader.page(log.log, after, PAGE_EVENTS_MAX, PAGE_BYTES_MAX, None)?;
            let Some(last) = page.last() else { break };
            after = last.header().seq;
            events.extend(page);
        }
    }
    Ok(events)
}
