//! Logs with two branches, for a person.

use std::collections::BTreeMap;

use antiphon_core::ids::{EventId, NodeId};
use antiphon_core::log::{LogId, Stream};
use antiphon_core::state::Verdict;
use antiphon_store::{LogView, Reader};

use crate::api::{Problem, Reason};
use crate::audit::Refused;

/// What the audit calls it.
const FORK: &str = "fork";

/// Another branch of a log of `key` was shown, and is kept as evidence.
pub(crate) fn refused(key: NodeId, log: LogId, parted: u64) -> Refused {
    let detail = format!("{log} has two branches after event {parted}");
    Refused { kind: FORK, node: Some(key), reason: Reason::Equivocation.name(), detail }
}

/// Logs whose branches somebody should look at: those of whoever has not gone on in another store since. `own` is this
/// node's key.
pub(crate) fn problems(reader: &Reader<'_>, own: &NodeId) -> Result<Vec<Problem>, antiphon_store::Error> {
    let logs = reader.logs()?;
    if !logs.iter().any(is_forked) {
        return Ok(Vec::new());
    }
    // A log is opened once, and the ids of events grow with time.
    let mut latest: BTreeMap<NodeId, (Option<EventId>, LogId)> = BTreeMap::new();
    for view in logs.iter().filter(|view| view.log.stream == Stream::Shared) {
        let opened = reader.event_at(view.log, 1)?.map(|event| event.header().id);
        let entry = latest.entry(view.node).or_insert((opened, view.log));
        *entry = (*entry).max((opened, view.log));
    }
    let current = |view: &&LogView| latest.get(&view.node).is_some_and(|(_, log)| log.store == view.log.store);
    Ok(logs.iter().filter(|view| is_forked(view)).filter(current).map(|view| problem(view, own)).collect())
}

const fn is_forked(view: &LogView) -> bool {
    matches!(view.verdict, Verdict::Forked(_))
}

fn problem(view: &LogView, own: &NodeId) -> Problem {
    let Verdict::Forked(seq) = view.verdict else {
        return Problem { what: String::new(), fix: String::new() };
    };
    let what = match view.log.stream {
        Stream::Charter => "records of the charter",
        Stream::Shared | Stream::Local => "facts",
    };
    if view.node == *own {
        let what =
            format!("this node's log of {what} has two branches from event {seq} on, and no new store can be opened");
        return Problem {
            what,
            fix: "antiphon init --home NEW, and a new ticket (a key has at most 16 stores)".to_owned(),
        };
    }
    let name = if view.name.is_empty() { view.node.short() } else { view.name.clone() };
    Problem {
        what: format!("the log of {name} has two branches of {what} from event {seq} on: its key signed both"),
        fix: format!(
            "start antiphon on {name} (restored from a copy, it mends this by itself); antiphon team revoke {name} if its key may be stolen"
        ),
    }
}
