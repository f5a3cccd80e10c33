//! What the commands show to people. Nothing here talks to the node; texts of others are shown with every character
//! that could deceive a terminal written visibly.

pub(crate) mod bundle;
pub(crate) mod config;
pub(crate) mod content;
pub(crate) mod custody;
pub(crate) mod demo;
pub(crate) mod dht;
pub(crate) mod divergences;
pub(crate) mod doctor;
pub(crate) mod erasure;
pub(crate) mod export;
pub(crate) mod facts;
pub(crate) mod federation;
pub(crate) mod genes;
pub(crate) mod import;
pub(crate) mod incidents;
pub(crate) mod messages;
pub(crate) mod metrics;
pub(crate) mod node;
pub(crate) mod outbox;
pub(crate) mod qr;
pub(crate) mod recall;
pub(crate) mod recovery;
pub(crate) mod replication;
pub(crate) mod resources;
pub(crate) mod restored;
pub(crate) mod service;
pub(crate) mod team;
pub(crate) mod time;
pub(crate) mod trail;
pub(crate) mod trust;
mod word_diff;

use antiphon_core::fact::escape;
use comfy_table::{ContentArrangement, Table, presets};

/// Most characters of a text that a list shows.
pub(crate) const SNIPPET_CHARS_MAX: usize = 160;

/// A text of somebody else, safe to show.
pub(crate) fn safe(text: &str) -> String {
    escape(text).replace('\r', "")
}

/// The text on one line, cut where it is long.
pub(crate) fn snippet(text: &str) -> String {
    let line = safe(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SNIPPET_CHARS_MAX {
        return line;
    }
    let cut: String = line.chars().take(SNIPPET_CHARS_MAX - 1).collect();
    format!("{}…", cut.trim_end())
}

/// `1 fact`, `2 facts`.
pub(crate) fn count(n: impl ToString, singular: &str) -> String {
    let n = n.to_string();
    format!("{n} {singular}{}", if n == "1" { "" } else { "s" })
}

/// A table without frames that fits the terminal.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_one_safe_line() {
        assert_eq!(snippet("two\n  lines"), "two lines");
        assert_eq!(snippet("\u{1b}[31mred"), "\\u{001B}[31mred");
        assert_eq!(snippet(&"x".repeat(1_000)).chars().count(), SNIPPET_CHARS_MAX);
    }

    #[test]
    fn numbers_agree_with_their_nouns() {
        assert_eq!((count(0, "fact"), count(1, "fact")), ("0 facts".into(), "1 fact".into()));
    }
}
