//! What changed in a text, word by word: lines would show a paragraph twice for one word.

use similar::{ChangeTag, TextDiff};

/// Longest texts that are compared, in bytes together; longer ones are shown as they are.
const COMPARED_BYTES_MAX: usize = 128 * 1024;

/// What became of a part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is in both texts.
    Same,
    /// It was taken out.
    Old,
    /// It was put in.
    New,
}

/// A part of a text that was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What became of it.
    pub kind: Kind,
    /// Its words.
    pub text: String,
}

impl Part {
    /// Whether it was taken out.
    pub fn is_old(&self) -> bool {
        self.kind == Kind::Old
    }

    /// Whether it was put in.
    pub fn is_new(&self) -> bool {
        self.kind == Kind::New
    }
}

/// The text `after`, with what was taken out of `before` and what was put in; no two parts of one kind stand side by side.
pub fn diff(before: &str, after: &str) -> Vec<Part> {
    if before.len() + after.len() > COMPARED_BYTES_MAX {
        return vec![Part { kind: Kind::Same, text: after.to_owned() }];
    }
    let diff = TextDiff::from_words(before, after);
    let changes: Vec<_> = diff.iter_all_changes().map(|change| (change.tag(), change.value())).collect();
    let mut parts: Vec<Part> = Vec::new();
    let (mut old, mut new) = (String::new(), String::new());
    for (at, (tag, word)) in changes.iter().enumerate() {
        let within = || changes.get(at + 1).is_some_and(|(next, _)| *next != ChangeTag::Equal);
        match tag {
            ChangeTag::Delete => old.push_str(word),
            ChangeTag::Insert => new.push_str(word),
            ChangeTag::Equal if !(old.is_empty() && new.is_empty()) && word.trim().is_empty() && within() => {
                // A space between two changed words belongs to the change, which else would fall into pieces.
                old.push_str(word);
                new.push_str(word);
            }
            ChangeTag::Equal => {
                flush(&mut parts, &mut old, &mut new);
                push(&mut parts, Kind::Same, word);
            }
        }
    }
    flush(&mut parts, &mut old, &mut new);
    parts
}

fn flush(parts: &mut Vec<Part>, old: &mut String, new: &mut String) {
    push(parts, Kind::Old, &std::mem::take(old));
    push(parts, Kind::New, &std::mem::take(new));
}

fn push(parts: &mut Vec<Part>, kind: Kind, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(last) if last.kind == kind => last.text.push_str(text),
        _ => parts.push(Part { kind, text: text.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str, want: &str) {
        let shown = |part: Part| match part.kind {
            Kind::Old => format!("[-{}-]", part.text),
            Kind::New => format!("{{+{}+}}", part.text),
            Kind::Same => part.text,
        };
        assert_eq!(diff(before, after).into_iter().map(shown).collect::<String>(), want);
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
        check("", "", "");
    }
}
