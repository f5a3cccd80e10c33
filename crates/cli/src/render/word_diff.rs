//! What changed in a text, word by word, as a terminal shows it.

use antiphon_server::words::{Kind, diff};

use super::safe;
use crate::output::{BAD, GOOD, styled};

/// Characters of an unchanged passage that are shown on each side of a change; what lies between is left out.
const AROUND_CHARS: usize = 120;

/// The text `after` with what was taken out of `before` as `[-…-]` and what was put in as `{+…+}`.
pub(super) fn word_diff(before: &str, after: &str) -> String {
    let parts = diff(before, after);
    let last = parts.len().saturating_sub(1);
    let shown = parts.iter().enumerate().map(|(at, part)| {
        let text = safe(&part.text);
        match part.kind {
            Kind::Same => shortened(&text, at == 0, at == last),
            Kind::Old => styled(BAD, &format!("[-{text}-]")),
            Kind::New => styled(GOOD, &format!("{{+{text}+}}")),
        }
    });
    shown.collect()
}

/// An unchanged passage without the part that is far from any change.
fn shortened(text: &str, first: bool, last: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let keep = (if first { 0 } else { AROUND_CHARS }, if last { 0 } else { AROUND_CHARS });
    if chars.len() <= keep.0 + keep.1 + AROUND_CHARS {
        return text.to_owned();
    }
    let begin: String = chars.iter().take(keep.0).collect();
    let end: String = chars.iter().skip(chars.len() - keep.1).collect();
    format!("{begin} … {end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str, want: &str) {
        let shown = word_diff(before, after);
        assert_eq!(anstream::adapter::strip_str(&shown).to_string(), want);
    }

    #[test]
    fn what_was_changed_is_marked() {
        check("The port is 5432", "The port is 5433", "The port is [-5432-]{+5433+}");
        check("same", "same", "same");
        check("", "", "");
    }

    #[test]
    fn what_is_far_from_a_change_is_left_out() {
        let long = "word ".repeat(200);
        let shown = word_diff(&format!("{long}a {long}"), &format!("{long}b {long}"));
        let shown = anstream::adapter::strip_str(&shown).to_string();
        assert!(shown.starts_with(" … ") && shown.ends_with(" … "), "{shown}");
        assert!(shown.contains("word [-a-]{+b+} word") && shown.chars().count() < 400, "{shown}");
    }

    #[test]
    fn eve_cannot_play_with_the_terminal() {
        check("a", "a\u{1b}[2J", "[-a-]{+a\\u{001B}[2J+}");
    }
}
