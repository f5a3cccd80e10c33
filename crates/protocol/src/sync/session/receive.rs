//! The receiving half of a session: pages are verified, stored and acknowledged, or refused by name.

use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::time::UnixMillis;

use super::Open;
use crate::reason::{About, Reason};
use crate::sync::check::{Aim, Check, Checked};
use crate::sync::inbox::Judged;
use crate::sync::{Closed, LOGS_MAX, Message, Output, Page};

impl Open {
    pub(super) fn page(&mut self, page: Page) -> Result<(), Closed> {
        if page.events.is_empty() {
            return Err(Closed::Violation("a page without events"));
        }
        if self.forked.contains(&page.log) {
            let (log, head) = (page.log, self.head(&page.log));
            self.send(Message::Nack { log, head, reason: Some(Reason::Equivocation) });
        } else if !self.inbox.push(page) {
            return Err(Closed::Violation("more pages than may be under way"));
        }
        Ok(())
    }

    /// Judges waiting pages until one must be stored.
    pub(super) fn receive(&mut self) -> Result<(), Closed> {
        loop {
            let local = &self.local;
            let Some(judged) = self.inbox.next(|log| local.get(log).copied().unwrap_or(Head::EMPTY)) else {
                return Ok(());
            };
            self.judged(judged)?;
        }
    }

    /// What the peer sent was verified.
    pub(super) fn checked(&mut self, checked: Checked) -> Result<(), Closed> {
        let log = checked.log;
        match checked.aim {
            Aim::Branch if checked.run.verified.is_empty() => Ok(()),
            Aim::Branch => {
                self.out.push(Output::Branch { log, events: checked.run.verified });
                Ok(())
            }
            Aim::Extend if self.forked.contains(&log) => {
                // It turned out to have branches meanwhile.
                self.decline(log, Some(Reason::Equivocation));
                Ok(())
            }
            Aim::Extend | Aim::Contradict => {
                let judged = self.inbox.checked(checked);
                self.judged(judged)
            }
        }
    }

    /// Whether pages of a log are not taken in the present mode. They were sent before the peer knew it; our next
    /// clock asks for them again when the mode changes back.
    fn is_unwanted(&self, log: LogId) -> bool {
        log.stream == Stream::Shared && !self.mode.takes
    }

    /// Does not take what came of a log. Without a reason nothing is wrong with it.
    fn decline(&mut self, log: LogId, reason: Option<Reason>) {
        self.inbox.give_up(log);
        let head = self.head(&log);
        self.send(Message::Nack { log, head, reason });
    }

    fn judged(&mut self, judged: Judged) -> Result<(), Closed> {
        match judged {
            Judged::Check(Check { log, aim: Aim::Extend, .. }) if self.is_unwanted(log) => {
                self.decline(log, None);
            }
            Judged::Store { log, .. } if self.is_unwanted(log) => self.decline(log, None),
            Judged::Check(check) => self.out.push(Output::Verify(check)),
            Judged::Store { log, key, events } => self.out.push(Output::Store { log, key, events }),
            Judged::Known(log, end) => {
                let head = self.head(&log);
                self.outbox.note_held(log, end, head);
                self.send(Message::Ack { log, head });
                self.tell_held(log);
            }
            Judged::Gap(log) => {
                self.inbox.forget(log);
                let head = self.head(&log);
                self.send(Message::Nack { log, head, reason: None });
            }
            Judged::Refused(log, reason, about) => {
                if matches!(reason, Reason::BadSignature | Reason::IdentityMismatch) {
                    self.strike("too many forged pages")?;
                }
                if self.refused.len() >= LOGS_MAX {
                    return Err(Closed::Violation("too many logs that are not taken"));
                }
                self.refuse(log, reason, about);
            }
            Judged::Forked { log, events } => {
                self.inbox.forget(log);
                let head = self.head(&log);
                self.send(Message::Nack { log, head, reason: Some(Reason::Equivocation) });
                self.out.push(Output::Branch { log, events });
                self.stop_contested(log);
            }
        }
        Ok(())
    }

    pub(super) fn stored(&mut self, log: LogId, head: Head) {
        let Some(storing) = self.inbox.stored(log) else { return };
        self.outbox.note_held(log, storing.head, head);
        self.refused.remove(&log);
        self.grown(log, head);
        self.note_missing(log);
        self.send(Message::Ack { log, head: self.head(&log) });
        self.tell_held(log);
        if let Some((reason, about)) = storing.refused {
            self.refuse(log, reason, about);
        }
    }

    /// Does not take a log from this peer until the next exchange of clocks.
    pub(super) fn refuse(&mut self, log: LogId, reason: Reason, about: Option<About>) {
        self.inbox.forget(log);
        self.refused.insert(log, reason);
        self.note_missing(log);
        let head = self.head(&log);
        self.send(Message::Nack { log, head, reason: Some(reason) });
        self.out.push(Output::Problem { log, reason, about });
    }

    /// The peer shows a branch of a log.
    pub(super) fn branch(&mut self, page: Page, now: UnixMillis) {
        let log = page.log;
        if self.local.contains_key(&log) && self.forks.may_take(log, now) {
            self.out.extend(self.inbox.branch(page).map(Output::Verify));
        }
    }
}
