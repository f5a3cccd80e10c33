//! The table of attacks in the threat model, held against the sources.
//!
//! A row says what an attack meets: who can try it, what the victim does, which constant bounds it, which figure was
//! measured, and which test shows it. Constants are renamed and tests are dropped, and nobody reads a table again
//! because of that, so it is checked: every constant must stand in a file that its row names, and every test must exist.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::tidy::{Finding, rust_files};

/// Where the table stands.
const PAGE: &str = "docs/threat-model.md";
/// What its first row says.
const HEAD: &str = "| attack | who can | what the victim does | bound | figure | test |";
/// Fewest rows: a table that was cut short is no table.
const ROWS_MIN: usize = 30;

/// What is wrong with the table of the project at `root`.
pub(crate) fn check(root: &Path) -> io::Result<Vec<Finding>> {
    let page = root.join(PAGE);
    let text = fs::read_to_string(&page)?;
    let mut functions = BTreeSet::new();
    for file in rust_files(&root.join("crates"))? {
        functions.extend(fs::read_to_string(file)?.lines().filter_map(function).map(str::to_owned));
    }
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let rows: Vec<(usize, &str)> = rows(&text).collect();
    let mut findings: Vec<Finding> =
        rows.iter().flat_map(|(at, row)| check_row(&page, at + 1, row, &functions, read)).collect();
    if rows.len() < ROWS_MIN {
        let what = format!("{} rows about attacks, there are at least {ROWS_MIN}", rows.len());
        findings.push(Finding::new(&page, 1, what));
    }
    Ok(findings)
}

/// The rows of the table, with their lines.
fn rows(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let table = text.lines().enumerate().skip_while(|(_, line)| *line != HEAD).skip(2);
    table.take_while(|(_, line)| line.starts_with('|'))
}

fn check_row(
    page: &Path,
    line: usize,
    row: &str,
    functions: &BTreeSet<String>,
    read: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
    let [_, _, _, bound, figure, test] = cells.as_slice() else {
        return vec![Finding::new(page, line, format!("a row of {} cells", cells.len()))];
    };
    let mut wrong = Vec::new();
    let (files, names): (Vec<&str>, Vec<&str>) = quoted(bound).partition(|word| word.ends_with(".rs"));
    let texts: Vec<Option<String>> = files.iter().map(|file| read(file)).collect();
    wrong
        .extend(files.iter().zip(&texts).filter(|(_, text)| text.is_none()).map(|(file, _)| format!("no file {file}")));
    let stands = |name: &str| texts.iter().flatten().any(|text| text.contains(name));
    wrong.extend(names.iter().filter(|name| !stands(name)).map(|name| format!("no {name} in the files of its row")));
    if names.is_empty() || files.is_empty() {
        wrong.push("no constant with its file".to_owned());
    }
    if !figure.chars().any(|c| c.is_ascii_digit()) {
        wrong.push("no figure".to_owned());
    }
    let tests: Vec<&str> = quoted(test).collect();
    wrong.extend(tests.iter().filter(|name| !functions.contains(**name)).map(|name| format!("no test {name}")));
    if tests.is_empty() {
        wrong.push("no test".to_owned());
    }
    wrong.into_iter().map(|what| Finding::new(page, line, what)).collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let code = line.trim_start();
    let code = code.strip_prefix("pub(crate) ").unwrap_or(code);
    let code = code.strip_prefix("async ").unwrap_or(code);
    code.strip_prefix("fn ")?.split(['(', '<']).next()
}

impl Finding {
    fn new(place: &Path, line: usize, what: String) -> Self {
        Self { place: PathBuf::from(place), line, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(row: &str) -> Vec<String> {
        let functions = BTreeSet::from(["eve_waits".to_owned()]);
        let read = |path: &str| (path == "a/b.rs").then(|| "pub const WAITS_MAX: usize = 7;".to_owned());
        check_row(Path::new("x"), 1, row, &functions, read).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_row_that_went_stale_is_found() {
        let none: [&str; 0] = [];
        assert_eq!(wrong("| she waits | member | cuts off | `WAITS_MAX` 7, `a/b.rs` | 7 of 70 | `eve_waits` |"), none);
        assert_eq!(wrong("| a | b | c | `WAITS_MAX` 7, `a/b.rs` | 7 | `eve_slept` |"), ["no test eve_slept"]);
        assert_eq!(wrong("| a | b | c | `WAITS_MAX` 7, `a/b.rs` | 7 | |"), ["no test"]);
        assert_eq!(
            wrong("| a | b | c | `NAPS_MAX`, `a/b.rs` | 7 | `eve_waits` |"),
            ["no NAPS_MAX in the files of its row"]
        );
        let gone = ["no file c.rs", "no WAITS_MAX in the files of its row"];
        assert_eq!(wrong("| a | b | c | `WAITS_MAX`, `c.rs` | 7 | `eve_waits` |"), gone);
        assert_eq!(wrong("| a | b | c | bounded | 7 | `eve_waits` |"), ["no constant with its file"]);
        assert_eq!(wrong("| a | b | c | `WAITS_MAX`, `a/b.rs` | little | `eve_waits` |"), ["no figure"]);
        assert_eq!(wrong("| a | b |"), ["a row of 2 cells"]);
    }

    #[test]
    fn rows_are_those_behind_the_head() {
        let text = format!("| other | table |\n\n{HEAD}\n|---|\n| one |\n| two |\nand so on\n| three |");
        assert_eq!(rows(&text).collect::<Vec<_>>(), [(4, "| one |"), (5, "| two |")]);
        assert_eq!(function("    pub(crate) async fn eve_waits<T>(for_what: T) {"), Some("eve_waits"));
    }
}
