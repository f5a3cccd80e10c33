//! The session: takes what happened and passes it to the halves that send and receive.

mod mode;
mod own;
mod receive;

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::event::{Event, Verified};
use antiphon_core::ids::{NodeId, TeamId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::time::UnixMillis;

use super::custody::Custody;
use super::forks::{Forks, Step};
use super::inbox::Inbox;
use super::message::digest;
use super::outbox::{Loaded, Outbox};
use super::parts::SEQ_MAX;
use super::talk::Talk;
use super::timer::Timer;
use super::wants::Held;
use super::{
    Authors, Branching, Clock, Closed, Input, LOGS_MAX, Message, Mode, Opened, Output, PAGE_BYTES_MAX, PAGE_EVENTS_MAX,
    Page,
};
use crate::reason::Reason;

/// Forged pages between two comparisons of clocks that a peer may send: each costs up to a page of signature checks.
const STRIKES_MAX: u32 = 16;
/// Clocks that a peer is answered with between two comparisons.
const ANSWERS_MAX: u32 = 32;

/// One session with one verified peer over one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    team: TeamId,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    New,
    Open(Box<Open>),
    Closed,
}

/// What an open session knows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Open {
    /// This node.
    own: NodeId,
    /// How far every log is held here, durably.
    local: NodeClock,
    mode: Mode,
    outbox: Outbox,
    inbox: Inbox,
    /// Logs of which the peer says it holds more than we, but for those with a problem.
    missing: BTreeSet<LogId>,
    /// Logs whose two sides contradict each other; not synced with this peer.
    forked: BTreeSet<LogId>,
    /// What is known and done about logs with branches.
    forks: Forks,
    /// Forged pages since clocks were last compared.
    strikes: u32,
    /// Clocks that the peer was answered with since then.
    answers: u32,
    /// Logs whose pages were not taken here, until they are.
    refused: BTreeMap<LogId, Reason>,
    /// Whether [`Output::CaughtUp`] was said and still holds.
    caught_up: bool,
    /// Missing payloads and receipts.
    custody: Custody,
    timer: Timer,
    /// How much the peer says beside events.
    talk: Talk,
    /// What must be done.
    out: Vec<Output>,
}

impl Session {
    /// A session in `team` whose stream does not stand yet.
    pub fn new(team: TeamId) -> Self {
        Self { team, state: State::New }
    }

    /// Whether something of what the peer holds is not taken, so that being caught up is no success. Logs that their
    /// authors forked are no fault of the peer.
    pub fn refuses(&self) -> bool {
        matches!(&self.state, State::Open(open) if !open.refused.is_empty())
    }

    /// Takes what happened; says what must be done. A closed session does nothing.
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Output> {
        match (&mut self.state, input) {
            (State::New, Input::Opened(opened)) => {
                let mut open = Box::new(Open::new(self.team, opened, now));
                let out = open.finish(now);
                self.state = State::Open(open);
                out
            }
            (State::New, Input::Close) => {
                self.state = State::Closed;
                vec![Output::Close(Closed::Bye)]
            }
            (State::Open(open), input) => match open.take(input, now) {
                Ok(()) => open.finish(now),
                Err(closed) => {
                    let mut out = std::mem::take(&mut open.out);
                    out.push(Output::Close(closed));
                    self.state = State::Closed;
                    out
                }
            },
            (State::New | State::Closed, _) => Vec::new(),
        }
    }
}

impl Open {
    fn new(team: TeamId, opened: Opened, now: UnixMillis) -> Self {
        let Opened { own, mut clock, keys, partings, authors, mode, seed } = opened;
        clock.retain(|log, head| log.stream != Stream::Local && head.seq > 0);
        let mut open = Self {
            own,
            local: clock,
            mode,
            outbox: Outbox::default(),
            inbox: Inbox::new(team, keys, authors),
            missing: BTreeSet::new(),
            forked: BTreeSet::new(),
            forks: Forks::default(),
            strikes: 0,
            answers: 0,
            refused: BTreeMap::new(),
            caught_up: false,
            custody: Custody::new(now),
            timer: Timer::new(seed, now),
            talk: Talk::new(now),
            out: Vec::new(),
        };
        open.add_partings(partings);
        open.send_clock(false);
        open
    }

    fn take(&mut self, input: Input, now: UnixMillis) -> Result<(), Closed> {
        self.timer.tick(now);
        match input {
            Input::Opened(_) => {}
            Input::Message(message) => {
                self.timer.heard(now);
                self.message(message, now)?;
            }
            Input::LocalClock { heads, keys } => {
                self.inbox.add_keys(keys);
                heads.into_iter().for_each(|(log, head)| self.grown(log, head));
            }
            Input::Page { log, after, events } => self.loaded(log, after, events, now),
            Input::Checked(checked) => self.checked(checked)?,
            Input::Stored { log, head } => self.stored(log, head),
            Input::StoreFailed { log, reason } => {
                if let Some(storing) = self.inbox.stored(log) {
                    self.refuse(log, reason, Some(storing.first));
                }
            }
            Input::Branched { log, branching } => self.branched(log, branching, now),
            Input::Partings(partings) => self.add_partings(partings),
            Input::Heads { log, seqs, heads } => {
                if self.forks.contradicts(log, &seqs, &heads) {
                    self.stop_contested(log);
                }
                let step = self.forks.answered(log, seqs, heads, self.head(&log).seq, now);
                self.step(log, step);
            }
            Input::Proof { log, branches } => branches.into_iter().for_each(|events| self.send_branch(log, events)),
            Input::Custody(answer) => {
                let out = self.custody.answer(answer, now);
                self.out.extend(out);
            }
            Input::Authors(authors) => self.set_authors(authors),
            Input::Mode(mode) => self.set_mode(mode),
            Input::Compare => {
                self.send_clock(true);
                self.timer.compared(now);
            }
            Input::Wake => self.wake(now)?,
            Input::Close => {
                self.out.push(Output::Send(Message::Bye));
                return Err(Closed::Bye);
            }
        }
        self.receive()?;
        self.load(now);
        Ok(())
    }

    /// Says what must be done, whether all is done, and when to be woken.
    fn finish(&mut self, now: UnixMillis) -> Vec<Output> {
        let caught_up = self.missing.is_empty() && self.inbox.is_done() && self.outbox.is_done(self.mode.sends);
        if caught_up && !self.caught_up {
            self.out.push(Output::CaughtUp);
        }
        self.caught_up = caught_up;
        let mut due = None;
        if let Some(theirs) = self.outbox.held().filter(|_| caught_up) {
            let held = Held { theirs, forked: &self.forked, forks: &self.forks };
            self.out.extend(self.custody.next(held, self.mode, now));
            due = self.custody.wake_at(self.mode);
        }
        if let Some(at) = self.timer.next(self.outbox.is_waiting(), due) {
            self.out.push(Output::WakeAt(at));
        }
        std::mem::take(&mut self.out)
    }

    fn send(&mut self, message: Message) {
        self.out.push(Output::Send(message));
    }

    fn head(&self, log: &LogId) -> Head {
        self.local.get(log).copied().unwrap_or(Head::EMPTY)
    }

    /// Counts something that only a liar sends, and that costs us more than it.
    fn strike(&mut self, rule: &'static str) -> Result<(), Closed> {
        self.strikes += 1;
        if self.strikes > STRIKES_MAX { Err(Closed::Violation(rule)) } else { Ok(()) }
    }

    /// Tells how far the peer holds a log. Its clock may have named more than the page that it showed last.
    fn tell_held(&mut self, log: LogId) {
        let held = self.outbox.held_of(&log);
        self.out.push(Output::PeerHoldsLog { log, head: held });
    }

    fn send_clock(&mut self, asks: bool) {
        let heads = self.local.iter().take(LOGS_MAX).map(|(log, head)| (*log, *head)).collect();
        let partings = self.forks.proved().clone();
        self.send(Message::Clock(Clock { heads, takes: self.mode.takes, asks, partings }));
    }

    fn message(&mut self, message: Message, now: UnixMillis) -> Result<(), Closed> {
        let greeted = self.outbox.held().is_some();
        if matches!(message, Message::Clock(_) | Message::Digest(_) | Message::Unknown(_)) {
            self.talk.said(now)?;
        }
        match message {
            Message::Clock(clock) => self.clock(clock, now),
            Message::Bye => return Err(Closed::Bye),
            Message::Unknown(_) => {}
            _ if !greeted => return Err(Closed::Violation("the first message is not a clock")),
            Message::Digest(hash) => {
                if hash != digest(&self.local, self.forks.proved()) {
                    self.answer_clock(true);
                }
            }
            Message::Want { .. } | Message::Payloads { .. } | Message::Receipts { .. } => {
                let out = self.custody.message(message, self.mode)?;
                self.out.extend(out);
            }
            Message::Page(page) => self.page(page)?,
            Message::Branch(page) => self.branch(page, now),
            Message::Trace { log, points } => {
                let held = self.local.contains_key(&log);
                let step = if held { self.forks.trace(log, &points, now) } else { None };
                self.step(log, step);
            }
            // About logs that we do not hold there is nothing to answer, and so nothing to remember.
            Message::Ack { log, .. } | Message::Nack { log, .. } if !self.local.contains_key(&log) => {}
            Message::Ack { log, head } | Message::Nack { log, head, .. } if head.seq > SEQ_MAX => {
                self.strike("too many answers about events whose numbers cannot be")?;
                self.out.push(Output::Problem { log, reason: Reason::ClockOverflow, about: None });
            }
            Message::Ack { log, head } => {
                let local = self.head(&log);
                if self.outbox.acked(log, head, local) {
                    self.timer.moved(now);
                }
                self.tell_held(log);
            }
            Message::Nack { log, head, reason } => self.nacked(log, head, reason, now),
        }
        Ok(())
    }

    /// The peer says how far it holds everything.
    fn clock(&mut self, clock: Clock, now: UnixMillis) {
        let Clock { mut heads, takes, asks, partings } = clock;
        self.timer.compared(now);
        self.custody.period(now);
        // One of them is named: whoever sends a clock full of them should not fill our log with it.
        if let Some(log) = heads.iter().find_map(|(log, head)| (head.seq > SEQ_MAX).then_some(*log)) {
            self.out.push(Output::Problem { log, reason: Reason::ClockOverflow, about: None });
            heads.retain(|_, head| head.seq <= SEQ_MAX);
        }
        self.outbox.set_clock(heads.clone(), takes, &self.local);
        self.missing.clear();
        self.forks.set_theirs(partings);
        self.forked.retain(|log| heads.get(log) != self.local.get(log));
        for (log, head) in &heads {
            let local = self.head(log);
            if local.seq == head.seq && local.hash != head.hash {
                self.stop_contested(*log);
            }
            self.note_missing(*log);
        }
        for log in self.forked.clone() {
            self.outbox.forget(log);
        }
        let logs: BTreeSet<LogId> = self.forked.iter().chain(self.forks.proved().keys()).copied().collect();
        logs.into_iter().for_each(|log| self.deal(log, now));
        self.out.push(Output::PeerHolds(heads));
        if asks {
            self.answer_clock(false);
        }
    }

    /// Sends our clock because the peer asked, which it may do so often: a clock is longer than the question.
    fn answer_clock(&mut self, asks: bool) {
        if self.answers < ANSWERS_MAX {
            self.answers += 1;
            self.send_clock(asks);
        }
    }

    /// Keeps the list of what the peer has beyond us.
    fn note_missing(&mut self, log: LogId) {
        let more = self.outbox.held_of(&log).seq > self.head(&log).seq;
        let wanted = log.stream == Stream::Charter || self.mode.takes;
        let open = !self.forked.contains(&log) && !self.refused.contains_key(&log);
        // Behind a parting that both sides can prove nothing counts, so nobody waits for it.
        let over = log.stream == Stream::Shared && self.forks.is_settled(&log) && !self.is_own(&log);
        if more && wanted && open && !over {
            self.missing.insert(log);
        } else {
            self.missing.remove(&log);
        }
    }

    fn note_all_missing(&mut self) {
        let logs: Vec<LogId> = self.outbox.held().into_iter().flatten().map(|(log, _)| *log).collect();
        logs.into_iter().for_each(|log| self.note_missing(log));
    }

    /// A log grew here.
    fn grown(&mut self, log: LogId, head: Head) {
        if log.stream == Stream::Local || head.seq <= self.head(&log).seq {
            return;
        }
        self.local.insert(log, head);
        self.custody.grown();
        if !self.forked.contains(&log) {
            self.outbox.note_local(log, head);
        }
        self.note_missing(log);
    }

    fn set_authors(&mut self, authors: Authors) {
        self.inbox.set_authors(authors);
        let before = self.refused.len();
        self.refused.retain(|_, reason| *reason != Reason::NotAMember);
        if self.refused.len() < before {
            self.note_all_missing();
            // The peer keeps refused logs back until our next clock.
            self.send_clock(true);
        }
    }

    /// Asks for the next page, if one may be sent.
    fn load(&mut self, now: UnixMillis) {
        let charter_came = self.missing.first().is_none_or(|log| log.stream != Stream::Charter);
        if let Some(load) = self.outbox.next_load(self.mode.sends, charter_came) {
            self.timer.moved(now);
            self.out.push(Output::LoadPage {
                log: load.log,
                after: load.after,
                follows: load.follows,
                max_events: PAGE_EVENTS_MAX,
                max_bytes: PAGE_BYTES_MAX,
            });
        }
    }

    fn loaded(&mut self, log: LogId, after: u64, events: Vec<Event<Verified>>, now: UnixMillis) {
        let local = self.head(&log);
        let page = |events: Vec<Event<Verified>>| Page {
            log,
            events: events.into_iter().map(Event::into_unverified).collect(),
        };
        match self.outbox.loaded(log, after, events, local) {
            Loaded::Stale | Loaded::Nothing => {}
            Loaded::Page(events) => {
                self.timer.moved(now);
                self.send(Message::Page(page(events)));
            }
            Loaded::Branch(events) => self.send_branch(log, events),
            Loaded::Forked => self.stop_and_trace(log, now),
            Loaded::Unsigned => self.out.push(Output::Problem { log, reason: Reason::BadSignature, about: None }),
        }
    }

    fn nacked(&mut self, log: LogId, head: Head, reason: Option<Reason>, now: UnixMillis) {
        self.timer.moved(now);
        let about = self.outbox.nacked(log, head, reason.is_some());
        self.tell_held(log);
        match reason {
            Some(Reason::Equivocation) => self.stop_and_trace(log, now),
            Some(reason) => self.out.push(Output::Problem { log, reason, about }),
            None if !self.forked.contains(&log) => self.outbox.note_local(log, self.head(&log)),
            None => {}
        }
        self.note_missing(log);
    }

    /// The two sides of a log contradict each other: stop syncing it.
    fn stop_contested(&mut self, log: LogId) {
        self.outbox.forget(log);
        self.inbox.forget(log);
        if self.forked.insert(log) {
            self.out.push(Output::Problem { log, reason: Reason::Equivocation, about: None });
        }
        self.note_missing(log);
    }

    /// The two sides of a log contradict each other: stop syncing it, and find out where they part.
    fn stop_and_trace(&mut self, log: LogId, now: UnixMillis) {
        self.stop_contested(log);
        self.deal(log, now);
    }

    /// Does what can be done about a log with branches.
    fn deal(&mut self, log: LogId, now: UnixMillis) {
        let heads = (self.head(&log), self.outbox.held_of(&log));
        let step = self.forks.deal(log, heads, self.forked.contains(&log), now);
        let step = step.or_else(|| self.ask_for_branch(log));
        self.step(log, step);
    }

    fn step(&mut self, log: LogId, step: Option<Step>) {
        let step = match step {
            Some(Step::Show(after)) => self.instead_of_showing(log, after),
            step => step,
        };
        match step {
            Some(Step::Prove) => self.out.push(Output::LoadProof { log }),
            Some(Step::Load(seqs)) => self.out.push(Output::LoadHeads { log, seqs }),
            Some(Step::Trace(points)) => self.send(Message::Trace { log, points }),
            Some(Step::Show(after)) => self.outbox.add_branch(log, after),
            None => {}
        }
    }

    /// A branch that the peer showed was looked at.
    fn branched(&mut self, log: LogId, branching: Branching, now: UnixMillis) {
        let step = match branching {
            Branching::Parted(parted) => {
                self.prove(log, parted);
                if self.forks.is_settled(&log) { None } else { self.forks.show(log, parted.seq, now) }
            }
            Branching::Detached => {
                let head = self.head(&log).seq;
                self.forks.begin(log, head, head, now)
            }
            Branching::Same | Branching::Failed => None,
        };
        self.step(log, step);
    }

    fn add_partings(&mut self, partings: NodeClock) {
        for (log, parted) in partings.into_iter().filter(|(log, _)| log.stream != Stream::Local) {
            self.prove(log, parted);
        }
    }

    fn prove(&mut self, log: LogId, parted: Head) {
        // What does not count any more is told in receipts, and what was erased by it is missing.
        if self.forks.prove(log, parted) {
            self.custody.grown();
        }
    }

    fn send_branch(&mut self, log: LogId, events: Vec<Event<Verified>>) {
        let events = events.into_iter().map(Event::into_unverified).collect();
        self.send(Message::Branch(Page { log, events }));
    }

    fn wake(&mut self, now: UnixMillis) -> Result<(), Closed> {
        self.timer.woken();
        if self.timer.is_idle(now) {
            return Err(Closed::Idle);
        }
        if self.outbox.is_waiting() && self.timer.is_stalled(now) {
            self.timer.moved(now);
            self.outbox.reset();
            self.send_clock(true);
        } else if self.timer.must_compare(now) {
            let hash = digest(&self.local, self.forks.proved());
            self.send(Message::Digest(hash));
        }
        if self.timer.must_compare(now) {
            self.timer.compared(now);
            self.custody.period(now);
            (self.strikes, self.answers) = (0, 0);
        }
        Ok(())
    }
}
