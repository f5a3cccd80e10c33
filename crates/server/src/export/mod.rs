//! Exports for people: facts as Markdown that reads well and can be imported again.
//!
//! A fact stands between two comments, which a reader does not see. The first holds everything but its text, as in a
//! line of a JSON export, the second names the fact; between them is the text, exactly as it is. A text that has such a
//! comment as one of its lines gets two slashes more in it, so that no text can begin or end a block.

mod group;
mod line;
mod read;
mod write;

pub use group::{Group, Groups};
pub use line::line;
pub use read::{Found, blocks_of, is_export};
pub use write::{block, heading};

/// The first line of every file of an export.
pub const MARK: &str = "<!-- antiphon-export 1 -->";
/// How the comment before a text begins; behind it stands JSON.
const OPEN: &str = "<!-- antiphon-fact ";
/// How the comment after a text begins; behind it stands the id.
const CLOSE: &str = "<!-- /antiphon-fact ";
/// How every comment ends.
const END: &str = " -->";
/// How the line begins that tells people who wrote a fact.
const BYLINE: &str = "*\u{2014} ";

/// Slashes of a line that looks like the beginning or the end of a block: none for a beginning, one for an end, more
/// where it is text.
fn slashes(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("<!-- ")?;
    let name = rest.trim_start_matches('/');
    name.starts_with("antiphon-fact ").then_some(rest.len() - name.len())
}

#[cfg(test)]
mod tests {
    use crate::dto::{ExportedFactDto, NewFactDto, RecordedDto};

    use super::*;

    fn exported(content: &str) -> ExportedFactDto {
        let fact = NewFactDto {
            id: Some("01ARZ3NDEKTSV4RRFFQ69G5FAV".into()),
            content: content.into(),
            level: Some("1".into()),
            tags: vec!["a-->b".into(), "<c>".into()],
            ..NewFactDto::default()
        };
        let recorded = RecordedDto {
            author: "eve\n# *".into(),
            updated_at: "2026-01-31T10:30:00.000Z".into(),
            ..Default::default()
        };
        ExportedFactDto { fact, recorded }
    }

    fn there_and_back(content: &str) -> Vec<Found> {
        let group = Group { domain: Some("billing\n<!--".into()), module: None };
        blocks_of(&format!("{MARK}\n{}{}", heading("choir", &group), block(&exported(content)).unwrap())).collect()
    }

    #[test]
    fn every_text_comes_back_as_it_was() {
        let own_end = "<!-- /antiphon-fact 01ARZ3NDEKTSV4RRFFQ69G5FAV -->";
        let texts = [
            "plain",
            "two\nlines",
            "ends with a line\n",
            "\n\n  # heading\r\nmore\r\n",
            "lone return\r",
            own_end,
            &format!("a\n{own_end}\nb\n<!-- //antiphon-fact x -->\n"),
            "<!-- antiphon-fact {} -->\n---\n*\u{2014} eve*",
            MARK,
        ];
        for text in texts {
            let found = there_and_back(text);
            let [Found::Fact { fact, .. }] = found.as_slice() else { panic!("{text:?}: {found:?}") };
            let want = exported(text).fact;
            assert_eq!((fact.content.as_str(), &fact.id, &fact.tags), (text, &want.id, &want.tags));
        }
    }

    #[test]
    fn what_people_write_between_is_named_and_what_is_broken_costs_only_itself() {
        let good = block(&exported("good")).unwrap();
        let text =
            format!("{MARK}\n\n# x\n\nmy own note\n{good}{OPEN}{{\"no\n{OPEN}{{}}{END}\nnever closed\n{OPEN}[]{END}\n");
        let found: Vec<Found> = blocks_of(&text).collect();
        let lines: Vec<usize> = found.iter().filter_map(|found| found.bad_line()).collect();
        assert_eq!(found.len() - lines.len(), 1, "{found:#?}");
        assert_eq!(lines[0], 5, "{found:#?}");
        assert!(lines.len() >= 3, "{found:#?}");
    }

    #[test]
    fn only_the_first_line_makes_an_export() {
        assert!(is_export(&format!("{MARK}\r\ntext")) && is_export(&format!("\u{FEFF}{MARK}\n")));
        assert!(!is_export(&format!("\n{MARK}")) && !is_export("text"));
    }
}
