//! Verifying a run: consecutive events of one log, believed up to the last valid signature.

use super::{Action, Event, Open, Payload, Unverified, Verified, signed_message};
use crate::ids::{NodeId, StoreId, TeamId};
use crate::log::{Head, LogId};
use crate::sign;

/// Why an event of a run was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It belongs to another log or another team.
    #[error("it belongs to another log or another team")]
    OtherLog,
    /// It does not follow the event before it.
    #[error("it does not follow the event before it")]
    NotLinked,
    /// Its signature is not valid for the log's key.
    #[error("its signature is not valid")]
    BadSignature,
    /// It opens a log in another's name, or without its opening payload.
    #[error("it does not open a log of this key")]
    BadOpening,
}

/// The event of a run that was refused; nothing after it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Its position in the run, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Run {
    /// Events that a valid signature covers, in order.
    pub verified: Vec<Event<Verified>>,
    /// Events that link but are not covered yet, in order; they wait for a signature.
    pub waiting: Vec<Event<Unverified>>,
    /// The first event that was refused, if any. Events before it may still be verified.
    pub refused: Option<Refused>,
}

/// Verifies consecutive events of the log `log`, whose key is `key` and whose head is `head`.
///
/// Costs one hash per event and one check per signature. A signature that proves nothing is left out of a verified
/// event: another one covers the event, but whoever passed the bad one on would be taken for its forger.
pub fn verify_run(team: &TeamId, log: LogId, key: &NodeId, head: Head, events: Vec<Event<Unverified>>) -> Run {
    let (linked, mut refused) = count_linked(team, log, key, head, &events);
    let (covered, bad) = count_covered(team, key, &events[..linked]);
    if let Some(index) = bad {
        refused = Some(Refused { index, reason: Reason::BadSignature });
    }
    let end = bad.unwrap_or(linked);
    let mut events = events.into_iter();
    let checked = |event| drop_bad_signature(team, key, event).into_state();
    let mut verified: Vec<Event<Verified>> = events.by_ref().take(covered.saturating_sub(1)).map(checked).collect();
    verified.extend(events.by_ref().take(covered.min(1)).map(Event::into_state));
    let waiting = events.take(end.saturating_sub(covered)).collect();
    Run { verified, waiting, refused }
}

/// How many events link to `head` and to each other, and what is wrong with the next.
fn count_linked(
    team: &TeamId,
    log: LogId,
    key: &NodeId,
    mut head: Head,
    events: &[Event<Unverified>],
) -> (usize, Option<Refused>) {
    for (index, event) in events.iter().enumerate() {
        let header = event.header();
        let reason = if event.log() != log || header.team != *team {
            Reason::OtherLog
        } else if head.seq.checked_add(1) != Some(header.seq) || header.prev != head.hash {
            Reason::NotLinked
        } else if header.action == Action::Open && !opens_own_log(team, log.store, key, event) {
            Reason::BadOpening
        } else {
            head = event.head();
            continue;
        };
        return (index, Some(Refused { index, reason }));
    }
    (events.len(), None)
}

/// How many of the linked events the last valid signature covers, and the first bad signature after it.
fn count_covered(team: &TeamId, key: &NodeId, events: &[Event<Unverified>]) -> (usize, Option<usize>) {
    let mut bad = None;
    for (index, event) in events.iter().enumerate().rev() {
        let Some(signature) = event.signature() else { continue };
        if sign::verify(key, &signed_message(team, event.header_bytes()), signature) {
            return (index + 1, bad);
        }
        bad = Some(index);
    }
    (0, bad)
}

/// Takes a signature that is not valid away from an event that a later one covers.
fn drop_bad_signature(team: &TeamId, key: &NodeId, mut event: Event<Unverified>) -> Event<Unverified> {
    let message = signed_message(team, &event.bytes);
    event.signature = event.signature.filter(|signature| sign::verify(key, &message, signature));
    event
}

/// Whether an opening event binds `store` to `key`; see [`StoreId::derive`].
fn opens_own_log(team: &TeamId, store: StoreId, key: &NodeId, event: &Event<Unverified>) -> bool {
    let Some(open) = opening(event) else { return false };
    open.node == *key && StoreId::derive(team, key, &open.nonce) == store
}

/// The opening payload of an event, if it has one.
pub(super) fn opening<State>(event: &Event<State>) -> Option<Open> {
    let payload = Payload::decode(event.payload()?, event.header().fields).ok()?;
    Open::from_fields(&payload.fields).ok()
}

impl<State> Event<State> {
    /// Who opens the log, if this event does. An opening payload is never erased.
    pub fn opening(&self) -> Option<Open> {
        if self.header().action == Action::Open { opening(self) } else { None }
    }
}
