//! A machine that was restored from an older copy.

use antiphon_node::counted;
use antiphon_server::dto::RestoredDto;

use super::node::lines;
use super::time::minute;

/// One line of the status.
pub(crate) fn note(restored: &RestoredDto) -> String {
    let facts = match restored.written_again {
        0 => "nothing had to be written again".to_owned(),
        facts => format!("{} written again", counted(facts, "fact was", "facts were")),
    };
    let place = if restored.new_store { " in a new store" } else { "" };
    let waits = match restored.waiting {
        0 => String::new(),
        waiting => format!(", {} for that", counted(waiting, "more change waits", "more changes wait")),
    };
    let found = minute(&restored.at);
    lines(&[("restored", format!("from an older copy, found {found}: {facts}{place}{waits}"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_came_of_it() {
        let mut restored = RestoredDto { at: "2026-03-01T12:00:00.000Z".into(), ..RestoredDto::default() };
        assert!(note(&restored).contains("nothing had to be written again"), "{}", note(&restored));
        (restored.written_again, restored.new_store, restored.waiting) = (3, true, 2);
        let line = note(&restored);
        assert!(line.contains("3 facts were written again in a new store, 2 more changes wait"), "{line}");
    }
}
