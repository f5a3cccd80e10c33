//! `antiphon man`: the manual, a page for each command.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use serde::Serialize;

use crate::args::Cli;
use crate::outcome::{Code, Outcome, Problem, file_problem};
use crate::output::Output;
use crate::render::count;

/// Options of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The directory for the pages, as in ~/.local/share/man/man1
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// What was written; the shape of its JSON.
#[derive(Debug, Serialize)]
struct Pages {
    out: PathBuf,
    pages: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: &ManArgs, output: Output) -> Outcome {
    std::fs::create_dir_all(&args.out).map_err(|error| file_problem("write", &args.out, &error))?;
    let mut pages = Vec::new();
    for (name, page) in pages_of(&command())? {
        let path = args.out.join(&name);
        std::fs::write(&path, page).map_err(|error| file_problem("write", &path, &error))?;
        pages.push(name);
    }
    let pages = Pages { out: args.out.clone(), pages };
    output.result(&pages, |pages| {
        let (written, first) = (count(pages.pages.len(), "page"), pages.out.join("antiphon.1"));
        format!("{written} written. Read the first: man {}", shown(&first))
    })
}

/// A path that `man` takes for one.
fn shown(path: &Path) -> String {
    let path = path.display().to_string();
    if path.contains('/') { path } else { format!("./{path}") }
}

/// Every command, complete.
fn command() -> Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

/// The pages of a command and of those below it, by the names of their files.
fn pages_of(command: &Command) -> Result<Vec<(String, Vec<u8>)>, Problem> {
    let man = clap_mangen::Man::new(command.clone()).manual("Antiphon");
    let mut page = Vec::new();
    man.render(&mut page).map_err(|error| {
        Problem::new(Code::Failed, format!("the page of {} cannot be written", command.get_name()))
            .why(error.to_string())
    })?;
    let mut pages = vec![(man.get_filename(), page)];
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages.extend(pages_of(below)?);
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visible(command: &Command) -> usize {
        1 + command.get_subcommands().filter(|below| !below.is_hide_set()).map(visible).sum::<usize>()
    }

    #[test]
    fn every_command_has_a_page_that_describes_it() {
        let command = command();
        let pages = pages_of(&command).unwrap();
        assert_eq!(pages.len(), visible(&command));
        let mut names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), pages.len(), "two pages share a name");
        assert!(names.contains(&"antiphon.1") && names.contains(&"antiphon-import-jsonl.1"), "{names:?}");
        for (name, page) in &pages {
            let page = String::from_utf8(page.clone()).unwrap();
            let (_, below) =
                page.split_once(".SH DESCRIPTION\n").unwrap_or_else(|| panic!("{name} has no description"));
            let words = below.lines().find(|line| !line.starts_with('.')).unwrap_or_default();
            assert!(words.len() >= 5, "the description of {name} is {words:?}");
            assert!(page.contains(".SH SYNOPSIS") && page.contains(" \\- "), "{name}:\n{page}");
        }
    }

    #[test]
    fn every_option_is_described() {
        fn check(command: &Command) {
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let said = arg.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!said.is_empty(), "{} {} is not described", command.get_name(), arg.get_id());
            }
            command.get_subcommands().filter(|below| !below.is_hide_set()).for_each(check);
        }
        check(&command());
    }
}
