//! Puts the rows that a part printed into the page of benchmarks, between the marks of that part.
//!
//! The page's words are written by hand and say what figures mean and what stands in the way; its figures are not. So
//! each part of the page has a place that a run fills: `<!-- figures: NAME -->` to `<!-- end of figures -->`.

use std::fs;
use std::io::{self, BufRead};
use std::path::Path;
use std::process::Command;

use crate::Outcome;

const END: &str = "<!-- end of figures -->";

/// Passes standard input on, and puts what is a table in it into the place of `part` on `page`.
///
/// # Errors
/// When the page has no such place, or nothing came.
pub fn fill(page: &Path, part: &str) -> Outcome<()> {
    let (mut machine, mut table) = (String::new(), Vec::new());
    for line in io::stdin().lock().lines() {
        let line = line?;
        println!("{line}");
        if let Some(said) = line.strip_prefix("Machine: ") {
            said.clone_into(&mut machine);
        } else if line.starts_with('|') {
            table.push(line);
        }
    }
    // A head alone is no figure.
    if table.len() < 3 {
        return Err(format!("{part} printed no row").into());
    }
    let taken = format!("Taken on {} at `{}`. {machine}", output("date", &["-u", "+%Y-%m-%d"])?, commit()?);
    let filled = put(&fs::read_to_string(page)?, part, &format!("{}\n\n{}", taken.trim(), table.join("\n")))?;
    Ok(fs::write(page, filled)?)
}

fn put(page: &str, part: &str, figures: &str) -> Outcome<String> {
    let mark = format!("<!-- figures: {part} -->");
    let (before, rest) = page.split_once(&mark).ok_or_else(|| format!("the page has no {mark}"))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| format!("{mark} has no end"))?;
    Ok(format!("{before}{mark}\n{figures}\n{END}{after}"))
}

/// The commit that is measured, with a sign where the files differ from it.
fn commit() -> Outcome<String> {
    output("git", &["describe", "--always", "--dirty", "--exclude", "*"])
}

fn output(program: &str, words: &[&str]) -> Outcome<String> {
    let output = Command::new(program).args(words).output()?;
    if output.status.success() { Ok(String::from_utf8(output.stdout)?.trim().to_owned()) } else { Err(program.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_place_of_the_part_changes() -> Outcome<()> {
        let page = "# A\n<!-- figures: one -->\nold\n<!-- end of figures -->\nB\n<!-- figures: two -->\n<!-- end of figures -->\n";
        let filled = put(page, "two", "| new |")?;
        assert!(filled.starts_with("# A\n<!-- figures: one -->\nold\n<!-- end of figures -->\nB\n"));
        assert!(filled.ends_with("<!-- figures: two -->\n| new |\n<!-- end of figures -->\n"));
        assert_eq!(put(&filled, "two", "| new |")?, filled);
        assert!(put(page, "three", "").is_err());
        Ok(())
    }
}
