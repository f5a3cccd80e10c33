//! What changed in a text, word by word, and values of fields as people read them.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// A part of a text that was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// `same`, `old` or `new`.
    pub(super) kind: &'static str,
    pub(super) text: String,
}

/// Longest texts that are compared, in bytes together; longer ones are shown as they are.
const COMPARED_BYTES_MAX: usize = 128 * 1024;

/// The text `after`, with what was taken out of `before` and what was put in.
pub(super) fn diff(before: &str, after: &str) -> Vec<Part> {
    if before.len() + after.len() > COMPARED_BYTES_MAX {
        return vec![Part { kind: "same", text: after.to_owned() }];
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
                push(&mut parts, "same", word);
            }
        }
    }
    flush(&mut parts, &mut old, &mut new);
    parts
}

fn flush(parts: &mut Vec<Part>, old: &mut String, new: &mut String) {
    push(parts, "old", &std::mem::take(old));
    push(parts, "new", &std::mem::take(new));
}

fn push(parts: &mut Vec<Part>, kind: &'static str, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(last) if last.kind == kind => last.text.push_str(text),
        _ => parts.push(Part { kind, text: text.to_owned() }),
    }
}

/// A value of a field.
pub(super) fn value(value: &Value, deleted: bool, missing: bool) -> String {
    match value {
        _ if deleted => "(forgotten)".to_owned(),
        _ if missing => "(not held here)".to_owned(),
        Value::Null => "(cleared)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) => items.iter().map(|item| self::value(item, false, false)).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str, want: &str) {
        let shown: String = diff(before, after)
            .into_iter()
            .map(|part| match part.kind {
                "old" => format!("[-{}-]", part.text),
                "new" => format!("{{+{}+}}", part.text),
                _ => part.text,
            })
            .collect();
        assert_eq!(shown, want);
    }

    #[test]
    fn changed_words_stand_beside_each_other() {
        check("The port is 5432", "The port is 5433", "The port is [-5432-]{+5433+}");
        check("a b c d", "a x y d", "a [-b c-]{+x y+} d");
        check("a b", "a b c", "a b{+ c+}");
        check("same", "same", "same");
        check("", "new text", "{+new text+}");
        check("", "", "");
    }

    #[test]
    fn values_read_like_words() {
        assert_eq!(value(&Value::Null, false, false), "(cleared)");
        assert_eq!(value(&serde_json::json!(["a", "b"]), false, false), "a, b");
        assert_eq!(value(&serde_json::json!(0.5), false, false), "0.5");
        assert_eq!(value(&serde_json::json!("x"), true, false), "(forgotten)");
    }
}
