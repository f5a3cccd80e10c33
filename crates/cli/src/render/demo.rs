//! What the demo shows.

use super::safe;
use crate::demo::{DemoReport, StepReport};
use crate::output::{BAD, GOOD, STRONG, styled};

/// Columns of a step's name, with the space behind it.
const NAME_COLUMNS: usize = 10;

/// A step that came true, in lines that fit into `columns`.
pub(crate) fn step(step: &StepReport, columns: Option<usize>) -> String {
    let claim = wrapped(&safe(&step.claim), columns.map(|columns| columns.saturating_sub(NAME_COLUMNS)));
    format!("{} {claim}\n", styled(STRONG, &format!("{:<9}", step.step)))
}

/// The text in lines of at most `columns`, all but the first below the first; a word that is longer stands alone.
fn wrapped(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return text.to_owned() };
    let (mut out, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > columns {
            out.push_str(&format!("\n{:NAME_COLUMNS$}", ""));
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out
}

/// How it ended.
pub(crate) fn end(report: &DemoReport) -> String {
    let mut out = match &report.failed {
        None => styled(GOOD, &format!("All of it came true in {:.0} s.", report.seconds)),
        Some(failed) => {
            format!("{} {}", styled(BAD, &format!("The step {} failed:", failed.step)), safe(&failed.what))
        }
    };
    match &report.home {
        Some(home) => out.push_str(&format!(" The homes are in {}.", safe(&home.display().to_string()))),
        None => out.push_str(" Every node has stopped, and nothing is left."),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_stands_beside_the_name_of_its_step() {
        assert_eq!(wrapped("one two three", None), "one two three");
        assert_eq!(wrapped("one two three", Some(7)), "one two\n          three");
        assert_eq!(wrapped("a tremendously b", Some(5)), "a\n          tremendously\n          b");
    }
}
