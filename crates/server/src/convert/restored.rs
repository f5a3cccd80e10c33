//! A machine that was restored from an older copy, and logs with two branches.

use antiphon_core::log::Stream;
use antiphon_core::state::Verdict;
use antiphon_node::Rejoined;

use crate::dto::RestoredDto;
use crate::time::rfc3339;

/// What came of it.
pub(super) fn restored(rejoined: Rejoined) -> RestoredDto {
    RestoredDto {
        at: rfc3339(rejoined.at),
        written_again: rejoined.written,
        waiting: rejoined.waiting,
        new_store: rejoined.new_store,
    }
}

/// A log with two branches, in words.
pub(super) fn forked(view: &antiphon_node::LogView) -> String {
    let stream = match view.log.stream {
        Stream::Charter => "charter",
        Stream::Shared => "shared",
        Stream::Local => "local",
    };
    let from = match view.verdict {
        Verdict::Forked(seq) => format!(" from event {seq} on"),
        Verdict::Good | Verdict::Cut(_) => String::new(),
    };
    let name = if view.name.is_empty() { view.node.short() } else { view.name.clone() };
    format!("the {stream} log {} of {name} has two branches{from}: its key signed both", view.log.store)
}
