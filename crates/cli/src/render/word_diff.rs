//! What changed in a text, word by word: lines would show a paragraph twice for one word.

use similar::{ChangeTag, TextDiff};

use super::safe;
use crate::output::{BAD, GOOD, styled};

/// Characters of an unchanged passage that are shown on each side of a change; what lies between is left out.
const AROUND_CHARS: usize = 120;

/// The text `after` with what was taken out of `before` as `[-…-]` and what was put in as `{+…+}`.
pub(super) fn word_diff(before: &str, after: &str) -> String {
    let diff = TextDiff::from_words(before, after);
    let changes: Vec<_> = diff.iter_all_changes().map(|change| (change.tag(), change.value())).collect();
    let (mut out, mut old, mut new, mut same) = (String::new(), String::new(), String::new(), String::new());
    for (at, (tag, word)) in changes.iter().enumerate() {
        let within = || changes.get(at + 1).is_some_and(|(next, _)| *next != ChangeTag::Equal);
        match tag {
            ChangeTag::Equal if !(old.is_empty() && new.is_empty()) && word.trim().is_empty() && within() => {
                // A space between two changed words belongs to the change, which else would fall into pieces.
                old.push_str(word);
                new.push_str(word);
            }
            ChangeTag::Equal => {
                flush(&mut out, &mut old, &mut new);
                same.push_str(word);
            }
            ChangeTag::Delete | ChangeTag::Insert => {
                out.push_str(&shortened(&safe(&same), out.is_empty(), false));
                same.clear();
                if *tag == ChangeTag::Delete { old.push_str(word) } else { new.push_str(word) }
            }
        }
    }
    flush(&mut out, &mut old, &mut new);
    let first = out.is_empty();
    out.push_str(&shortened(&safe(&same), first, true));
    out
}

fn flush(out: &mut String, old: &mut String, new: &mut String) {
    if !old.is_empty() {
        out.push_str(&styled(BAD, &format!("[-{}-]", safe(old))));
    }
    if !new.is_empty() {
        out.push_str(&styled(GOOD, &format!("{{+{}+}}", safe(new))));
    }
    old.clear();
    new.clear();
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
    fn changed_words_stand_beside_each_other() {
        check("The port is 5432", "The port is 5433", "The port is [-5432-]{+5433+}");
        check("a b c d", "a x y d", "a [-b c-]{+x y+} d");
        check("a b", "a b c", "a b{+ c+}");
        check("a b c", "a", "a[- b c-]");
        check("same", "same", "same");
        check("", "new text", "{+new text+}");
        check("one\ntwo", "one\n2", "one\n[-two-]{+2+}");
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
