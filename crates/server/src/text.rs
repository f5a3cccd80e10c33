//! Small work on texts.

/// Cuts `text` to at most `bytes_max` bytes, between two characters.
pub(crate) fn cut(text: &mut String, bytes_max: usize) {
    text.truncate(boundary(text, bytes_max));
}

/// The largest place between two characters of `text` that is not beyond `bytes_max`.
pub(crate) fn boundary(text: &str, bytes_max: usize) -> usize {
    let end = bytes_max.min(text.len());
    (0..=end).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Cuts `text` into parts of at most `bytes_max` bytes, after a line or a word where there is one in the last half.
pub(crate) fn split(text: &str, bytes_max: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > bytes_max {
        let (head, _) = rest.split_at(boundary(rest, bytes_max.max(4)));
        let after = |c: char| head.rfind(c).map(|at| at + 1).filter(|at| *at > head.len() / 2);
        let at = after('\n').or_else(|| after(' ')).unwrap_or(head.len());
        let (part, more) = rest.split_at(at);
        parts.push(part);
        rest = more;
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_short_and_lose_nothing() {
        for text in ["", "short", &"é".repeat(100), &"one two three\n".repeat(40), &"x".repeat(99)] {
            for max in [4, 7, 50] {
                let parts = split(text, max);
                assert_eq!(parts.concat(), text);
                assert!(parts.iter().all(|part| part.len() <= max && !part.is_empty()));
            }
        }
        assert_eq!(split("one two three", 9), ["one two ", "three"]);
    }
}
