//! Events that were carried by hand: which of them are authentic, before any is stored.

use antiphon_core::charter::{CHARTER_EVENTS_MAX, Charter, Entry, Membership};
use antiphon_core::event::{Event, Reason as EventReason, verify_run};
use antiphon_core::ids::{NodeId, TeamId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_protocol::handshake::Local;
use antiphon_protocol::sync::Authors;
use antiphon_store::Reader;

use super::{CarriedGap, CarriedLog, RefusedLog};
use crate::team::TeamState;

type StoreError = antiphon_store::Error;

/// What was found of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) log: LogId,
    pub(super) node: NodeId,
    /// Consecutive events that a valid signature covers and that follow, or overlap, what is held.
    pub(super) events: Vec<Event>,
    pub(super) refused: Option<RefusedLog>,
    pub(super) gap: Option<CarriedGap>,
}

/// The charter as it would be with the records that came along.
#[derive(Debug, Clone)]
pub(super) struct Foreseen {
    pub(super) logs: Vec<Checked>,
    /// This node, as it would be then.
    pub(super) local: Local,
}

/// Checks the charter logs among `logs`, and says how this node would stand with them.
pub(super) fn foresee(reader: &Reader<'_>, team: &TeamState, logs: &[CarriedLog]) -> Result<Foreseen, StoreError> {
    let charter = logs.iter().filter(|carried| carried.log.stream == Stream::Charter);
    let checked: Vec<Checked> =
        charter.map(|carried| check(reader, &team.own.team, carried)).collect::<Result<_, _>>()?;
    let records = &team.local.records;
    let read = |log: &Checked| {
        let node = log.node;
        log.events.iter().filter_map(move |event| Entry::read(event, node).ok()).collect::<Vec<_>>()
    };
    // Anybody can sign records that count for nothing; judging them must not cost more than a full charter does.
    let fresh: Vec<Entry> = checked.iter().flat_map(read).take(CHARTER_EVENTS_MAX).collect();
    let records = if fresh.is_empty() {
        records.clone()
    } else {
        Charter::new(records.membership().founders(), records.entries().cloned().chain(fresh))
    };
    let mut local = Local { records, ..(*team.local).clone() };
    local.genome = team.founding.with(local.membership().genes()).hash();
    let logs = may_have_written(checked, local.membership());
    for log in &logs {
        if let Some(last) =
            log.events.last().filter(|last| local.charter.get(&log.log).is_none_or(|head| head.seq < last.header().seq))
        {
            local.charter.insert(log.log, last.head());
        }
    }
    Ok(Foreseen { logs, local })
}

/// Checks the shared logs among `logs` against the members there are now.
pub(super) fn check_shared(
    reader: &Reader<'_>,
    team: &TeamId,
    logs: &[CarriedLog],
) -> Result<Vec<Checked>, StoreError> {
    let rest = logs.iter().filter(|carried| carried.log.stream != Stream::Charter);
    let checked = rest.map(|carried| check(reader, team, carried)).collect::<Result<_, _>>()?;
    Ok(may_have_written(checked, reader.membership()?.as_ref()))
}

/// Refuses what nobody wrote who may: charter logs of those who were never stewards, logs of strangers.
fn may_have_written(mut logs: Vec<Checked>, members: &Membership) -> Vec<Checked> {
    let authors = Authors::of(members);
    for log in &mut logs {
        let Some(first) = log.events.first().filter(|_| !authors.may_write(&log.node, log.log)) else { continue };
        let reason = if log.log.stream == Stream::Charter { "not_a_steward" } else { "not_a_member" };
        log.refused = Some(RefusedLog { log: log.log, node: log.node, seq: first.header().seq, reason });
        log.events.clear();
    }
    logs
}

fn check(reader: &Reader<'_>, team: &TeamId, carried: &CarriedLog) -> Result<Checked, StoreError> {
    let CarriedLog { log, node, events } = carried;
    let mut checked = Checked { log: *log, node: *node, events: Vec::new(), refused: None, gap: None };
    let Some(first) = events.first().map(|event| event.header().seq) else { return Ok(checked) };
    let refused = |seq, reason| Some(RefusedLog { log: *log, node: *node, seq, reason });
    if log.stream == Stream::Local {
        checked.refused = refused(first, "local_stream");
        return Ok(checked);
    }
    let key = reader.log_key(&log.store)?;
    if key.is_some_and(|key| key != *node) {
        checked.refused = refused(first, "other_log");
        return Ok(checked);
    }
    let before = match first.checked_sub(1) {
        None => {
            checked.refused = refused(first, "not_linked");
            return Ok(checked);
        }
        Some(0) => Head::EMPTY,
        Some(seq) => match reader.header_hash_at(*log, seq)? {
            Some(hash) => Head { seq, hash },
            None => {
                let held = reader.clock()?.get(log).map_or(0, |head| head.seq);
                checked.gap = Some(CarriedGap { log: *log, held, got: first });
                return Ok(checked);
            }
        },
    };
    let run = verify_run(team, *log, node, before, events.clone());
    let taken = run.verified.len() as u64;
    checked.refused = match run.refused {
        Some(found) => refused(first.saturating_add(found.index as u64), name_of(found.reason)),
        None if !run.waiting.is_empty() => refused(first.saturating_add(taken), "unsigned"),
        None => None,
    };
    checked.events = run.verified;
    Ok(checked)
}

const fn name_of(reason: EventReason) -> &'static str {
    match reason {
        EventReason::OtherLog => "other_log",
        EventReason::NotLinked => "not_linked",
        EventReason::BadSignature => "bad_signature",
        EventReason::BadOpening => "bad_opening",
    }
}
