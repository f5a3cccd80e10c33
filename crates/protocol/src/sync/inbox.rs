//! What comes from the peer: pages wait, are handed out one by one to be verified, and then to be stored.

use std::collections::{BTreeMap, VecDeque};

use antiphon_core::event::{Event, Unverified, Verified};
use antiphon_core::ids::{NodeId, StoreId, TeamId};
use antiphon_core::log::{Head, LogId, STORES_PER_KEY_MAX};

use super::check::{Aim, Check, Checked};
use super::{Authors, PAGE_BYTES_MAX, PAGES_QUEUED_MAX, Page};
use crate::reason::{About, Reason};

/// The receiving half of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inbox {
    team: TeamId,
    /// Keys of the stores whose logs are known.
    keys: BTreeMap<StoreId, NodeId>,
    /// Keys whose logs are taken.
    authors: Authors,
    /// Pages that wait, oldest first.
    queue: VecDeque<Page>,
    /// The log of the page that is being verified.
    checking: Option<LogId>,
    /// What is being stored.
    storing: Option<Storing>,
}

/// A page that is being stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Storing {
    pub(super) log: LogId,
    /// Its first event.
    pub(super) first: About,
    /// Where it ends.
    pub(super) head: Head,
    /// What was wrong with the rest of the page, which is not stored.
    pub(super) refused: Option<(Reason, Option<About>)>,
}

/// What a page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judged {
    /// It must be verified first.
    Check(Check),
    /// New events, verified.
    Store { log: LogId, key: NodeId, events: Vec<Event<Verified>> },
    /// Nothing new; it ends here.
    Known(LogId, Head),
    /// It begins after the end of what is held.
    Gap(LogId),
    /// It cannot be believed.
    Refused(LogId, Reason, Option<About>),
    /// It is validly signed and contradicts what is held.
    Forked { log: LogId, events: Vec<Event<Verified>> },
}

impl Inbox {
    pub(super) fn new(team: TeamId, keys: BTreeMap<StoreId, NodeId>, authors: Authors) -> Self {
        Self { team, keys, authors, queue: VecDeque::new(), checking: None, storing: None }
    }

    pub(super) fn is_done(&self) -> bool {
        self.queue.is_empty() && self.checking.is_none() && self.storing.is_none()
    }

    pub(super) fn set_authors(&mut self, authors: Authors) {
        self.authors = authors;
    }

    pub(super) fn add_keys(&mut self, keys: BTreeMap<StoreId, NodeId>) {
        self.keys.extend(keys);
    }

    /// Whether `key` signs the log.
    pub(super) fn is_of(&self, log: &LogId, key: &NodeId) -> bool {
        self.keys.get(&log.store) == Some(key)
    }

    /// Puts a page behind the others; says whether there was room.
    pub(super) fn push(&mut self, page: Page) -> bool {
        let room = self.queue.len() < PAGES_QUEUED_MAX;
        if room {
            self.queue.push_back(page);
        }
        room
    }

    /// Takes what was being stored of a log.
    pub(super) fn stored(&mut self, log: LogId) -> Option<Storing> {
        self.storing.take_if(|storing| storing.log == log)
    }

    /// Gives up what was being verified or stored of a log, and what waits of it.
    pub(super) fn give_up(&mut self, log: LogId) {
        self.checking.take_if(|checking| *checking == log);
        let _given_up = self.stored(log);
        self.forget(log);
    }

    /// Drops the waiting pages of a log: they follow one that was not taken.
    pub(super) fn forget(&mut self, log: LogId) {
        self.queue.retain(|page| page.log != log);
    }

    /// Judges the next page, unless one is being verified or stored. `local` gives the head of a log here.
    pub(super) fn next(&mut self, local: impl Fn(&LogId) -> Head) -> Option<Judged> {
        if self.checking.is_some() || self.storing.is_some() {
            return None;
        }
        let page = self.queue.pop_front()?;
        let head = local(&page.log);
        Some(self.judge(page, head))
    }

    fn judge(&mut self, page: Page, head: Head) -> Judged {
        let Page { log, mut events } = page;
        let size = |event: &Event<Unverified>| event.header_bytes().len() + event.payload().map_or(0, <[u8]>::len);
        if events.len() > 1 && events.iter().map(size).sum::<usize>() > PAGE_BYTES_MAX {
            return Judged::Refused(log, Reason::TooLarge, first_of(&events));
        }
        let key = match self.key_of(log, &events) {
            Ok(key) => key,
            Err(reason) => return Judged::Refused(log, reason, first_of(&events)),
        };
        // A page that another peer sent meanwhile overlaps with what is held.
        let held = events.iter().take_while(|event| event.header().seq <= head.seq).count();
        let contradicts =
            events.iter().take(held).any(|event| event.header().seq == head.seq && event.hash() != head.hash);
        if contradicts {
            return self.check(Check::alone(self.team, log, key, events, Aim::Contradict));
        }
        let end = events.last().map_or(Head::EMPTY, Event::head);
        let events = events.split_off(held);
        let Some(first) = events.first().map(Event::header) else { return Judged::Known(log, end) };
        if Some(first.seq) != head.seq.checked_add(1) {
            return Judged::Gap(log);
        }
        if first.prev != head.hash {
            return self.check(Check::alone(self.team, log, key, events, Aim::Contradict));
        }
        self.check(Check { team: self.team, log, key, head, events, aim: Aim::Extend })
    }

    fn check(&mut self, check: Check) -> Judged {
        self.checking = Some(check.log);
        Judged::Check(check)
    }

    /// Judges a page that was verified.
    pub(super) fn checked(&mut self, checked: Checked) -> Judged {
        let Checked { log, key, aim, run, about } = checked;
        self.checking = None;
        let refused = run.refused.map(|refused| (Reason::from(refused.reason), about));
        let uncovered = || run.waiting.first().map(|event| (Reason::BadSignature, Some(About::of(event.header()))));
        let refused = refused.or_else(uncovered);
        let (Some(first), Some(end)) = (run.verified.first().map(Event::header), run.verified.last().map(Event::head))
        else {
            // Only what the key really signed is evidence of a contradiction.
            let (reason, about) = refused.unwrap_or((Reason::Other, None));
            let reason = if aim == Aim::Extend { reason } else { Reason::BadSignature };
            return Judged::Refused(log, reason, about);
        };
        if aim != Aim::Extend {
            return Judged::Forked { log, events: run.verified };
        }
        self.keys.insert(log.store, key);
        self.storing = Some(Storing { log, first: About::of(first), head: end, refused });
        Judged::Store { log, key, events: run.verified }
    }

    /// What must be verified of a branch that the peer shows: its events by themselves.
    pub(super) fn branch(&self, page: Page) -> Option<Check> {
        let key = self.key_of(page.log, &page.events).ok()?;
        Some(Check::alone(self.team, page.log, key, page.events, Aim::Branch))
    }

    /// The key of a log: known, or named by the opening event. The charter must have let it write such a log.
    fn key_of(&self, log: LogId, events: &[Event<Unverified>]) -> Result<NodeId, Reason> {
        let known = self.keys.get(&log.store).copied();
        let opened = || events.first().and_then(Event::opening).map(|open| open.node);
        let key = known.or_else(opened).ok_or(Reason::NotAMember)?;
        if !self.authors.may_write(&key, log) {
            return Err(Reason::NotAMember);
        }
        if known.is_none() && self.keys.values().filter(|other| **other == key).count() >= STORES_PER_KEY_MAX {
            return Err(Reason::Quota);
        }
        Ok(key)
    }
}

/// The first event of a page, by which a person finds what is wrong with it.
fn first_of(events: &[Event<Unverified>]) -> Option<About> {
    events.first().map(|event| About::of(event.header()))
}
