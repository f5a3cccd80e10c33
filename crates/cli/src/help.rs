//! The list of commands, by what one wants to do.
//!
//! clap lists commands in one column, in which a beginner finds nothing among more than forty. Here they stand in groups,
//! the first things first. Everything else of the page is clap's own.

use clap::builder::StyledStr;
use clap::{Command, CommandFactory, FromArgMatches};

use crate::args::Cli;

/// A heading, and the commands below it.
type Group = (&'static str, &'static [&'static str]);

/// All commands.
const GROUPS: [Group; 7] = [
    ("Begin", &["init", "up", "open", "invite", "join", "mcp", "import", "demo"]),
    ("Remember and recall", &["remember", "recall", "context", "facts", "divergences", "export"]),
    ("Documents", &["content", "replication"]),
    ("Work with others", &["send", "inbox", "incidents", "resources"]),
    ("Team and machines", &["team", "gene", "peers", "why", "federation", "bundle", "audit"]),
    ("Keep it safe", &["receipts", "wipe-check", "backup", "recover", "verify"]),
    ("This node", &["status", "doctor", "metrics", "config", "outbox", "dht", "service", "down", "man", "completions"]),
];
/// Where clap's own list begins, and what comes after it.
const LIST: &str = "Commands:";
const AFTER_LIST: &str = "Options:";
/// Columns of a command's name.
const NAME_COLUMNS: usize = 13;

/// Reads the command line.
///
/// # Errors
/// What clap has to say, help among it.
pub(crate) fn parse(args: &[std::ffi::OsString]) -> Result<Cli, clap::Error> {
    let mut command = grouped(Cli::command());
    let matches = command.try_get_matches_from_mut(args)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// The same command with its list in groups.
fn grouped(command: Command) -> Command {
    let page = command.clone().render_help().ansi().to_string();
    let Some((before, rest)) = around(&page, LIST) else { return command };
    let Some((_, after)) = around(rest, AFTER_LIST) else { return command };
    let page = format!("{before}{}{after}", list(&command));
    command.override_help(StyledStr::from(page))
}

/// The text before the line of a heading, and from it on. A heading is styled, so its line begins before its letters.
fn around<'a>(page: &'a str, heading: &str) -> Option<(&'a str, &'a str)> {
    let begin = page.get(..page.find(heading)?)?.rfind('\n')? + 1;
    page.split_at_checked(begin)
}

fn list(command: &Command) -> String {
    let (header, name) = (command.get_styles().get_header(), command.get_styles().get_literal());
    let mut out = String::new();
    for (heading, names) in GROUPS {
        out.push_str(&format!("{header}{heading}:{header:#}\n"));
        for one in names {
            let about = command.find_subcommand(one).and_then(Command::get_about).cloned().unwrap_or_default();
            out.push_str(&format!("  {name}{one:<NAME_COLUMNS$}{name:#}{about}\n"));
        }
        out.push('\n');
    }
    out.push_str("`antiphon COMMAND --help` says more of each.\n\n");
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Most columns of a line: what clap uses for the rest of the page.
    const COLUMNS_MAX: usize = 100;

    #[test]
    fn every_command_stands_in_one_group() {
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let command = Cli::command();
        let there: BTreeSet<&str> = command.get_subcommands().map(Command::get_name).collect();
        listed.sort_unstable();
        assert_eq!(listed, there.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn the_page_has_every_command_and_what_else_clap_has() {
        let page = grouped(Cli::command()).render_help().to_string();
        for (heading, names) in GROUPS {
            assert!(page.contains(&format!("\n{heading}:\n  {}", names[0])), "{page}");
        }
        assert!(!page.contains("Commands:"), "{page}");
        for words in ["Usage: antiphon", "\nOptions:\n", "Global options:", "Exit codes: 0 ok"] {
            assert!(page.contains(words), "{words}: {page}");
        }
        let long: Vec<&str> = page.lines().filter(|line| line.chars().count() > COLUMNS_MAX).collect();
        assert!(long.is_empty(), "{long:#?}");
    }

    #[test]
    fn a_slip_of_the_pen_is_told_as_before() {
        let error = parse(&["antiphon".into(), "recal".into()]).unwrap_err();
        assert!(error.to_string().contains("similar") && error.to_string().contains("recall"), "{error}");
        let below = parse(&["antiphon".into(), "facts".into(), "--help".into()]).unwrap_err().to_string();
        assert!(below.contains("Commands:") && below.contains("history"), "{below}");
    }
}
