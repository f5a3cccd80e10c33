//! Markdown cut into sections by its headings, and sections into blocks. Only `#` headings cut; a text without them
//! is one section.

/// A heading with what stands under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section<'a> {
    /// The headings above, the outermost first.
    pub(super) trail: Vec<String>,
    /// The text up to the next heading.
    pub(super) body: &'a str,
}

/// A fence that is open: its character and its length.
type Fence = (char, usize);

/// Follows code fences from line to line; in code a `#` is no heading.
#[derive(Default)]
pub(super) struct Fences(Option<Fence>);

impl Fences {
    /// Takes the next line; whether it belongs to code.
    pub(super) fn is_code(&mut self, line: &str) -> bool {
        let (before, mark) = (self.0, fence_of(line));
        match (before, mark) {
            (None, Some((fence, _))) => self.0 = Some(fence),
            (Some((c, len)), Some(((other, other_len), bare))) if c == other && other_len >= len && bare => {
                self.0 = None
            }
            _ => {}
        }
        before.is_some() || self.0.is_some()
    }
}

/// The fence that a line may open or, if nothing follows it, close.
fn fence_of(line: &str) -> Option<(Fence, bool)> {
    let text = line.trim_start_matches(' ');
    if line.len() - text.len() > 3 {
        return None;
    }
    let c = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = text.trim_start_matches(c);
    let len = text.len() - rest.len();
    let info = c == '`' && rest.contains('`');
    (len >= 3 && !info).then(|| ((c, len), rest.trim().is_empty()))
}

/// Level and text of a heading.
fn heading(line: &str) -> Option<(usize, String)> {
    let text = line.trim_start_matches(' ');
    let rest = text.trim_start_matches('#');
    let level = text.len() - rest.len();
    let fits = line.len() - text.len() <= 3 && (1..=6).contains(&level) && rest.starts_with([' ', '\t']);
    fits.then(|| (level, rest.trim().trim_end_matches('#').trim().to_owned()))
}

/// Cuts a text at its headings.
pub(super) fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections = Vec::new();
    let mut trail: Vec<(usize, String)> = Vec::new();
    let (mut start, mut at) = (0, 0);
    let mut fences = Fences::default();
    for line in text.split_inclusive('\n') {
        let code = fences.is_code(line);
        if let Some((level, title)) = heading(line).filter(|_| !code) {
            sections.push(Section { trail: titles(&trail), body: &text[start..at] });
            trail.retain(|(above, _)| *above < level);
            trail.push((level, title));
            start = at + line.len();
        }
        at += line.len();
    }
    sections.push(Section { trail: titles(&trail), body: &text[start..] });
    sections.retain(|section| !section.body.trim().is_empty());
    sections
}

fn titles(trail: &[(usize, String)]) -> Vec<String> {
    trail.iter().map(|(_, title)| title.clone()).filter(|title| !title.is_empty()).collect()
}

/// Cuts a section's text into parts of at most `bytes_max` bytes, between paragraphs; one that is longer stays whole.
/// Code within fences is one paragraph.
pub(super) fn blocks(body: &str, bytes_max: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut end, mut at) = (0, 0, 0);
    let mut fences = Fences::default();
    for line in body.split_inclusive('\n') {
        at += line.len();
        if !fences.is_code(line) && line.trim().is_empty() || fences.0.is_none() && fence_of(line).is_some() {
            if at - start > bytes_max && end > start {
                parts.push(&body[start..end]);
                start = end;
            }
            end = at;
        }
    }
    if body.len() - start > bytes_max && end > start {
        parts.push(&body[start..end]);
        start = end;
    }
    parts.push(&body[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_make_a_trail() {
        let text = "intro\n# One\na\n## Two ##\nb\n# Three\n## Empty\n### Deep\nc\n";
        let got: Vec<_> = sections(text).into_iter().map(|s| (s.trail.join("/"), s.body.trim())).collect();
        let want = [("", "intro"), ("One", "a"), ("One/Two", "b"), ("Three/Empty/Deep", "c")];
        assert_eq!(got, want.map(|(trail, body)| (trail.to_owned(), body)));
    }

    #[test]
    fn a_comment_in_code_is_no_heading() {
        let text =
            "# A\n```sh\n# not a heading\n~~~\n```\n    ```\n# B\nb\n~~~~\n# no\n~~~\n# no\n~~~~\n#no\n####### no\n";
        let trails: Vec<_> = sections(text).into_iter().map(|section| section.trail.join("/")).collect();
        assert_eq!(trails, ["A", "B"]);
    }

    #[test]
    fn code_is_not_cut_inside() {
        let code = format!("```\n{}```\n", "line\n\n".repeat(20));
        let text = format!("first\n\n{code}\nlast\n");
        let parts = blocks(&text, 30);
        assert_eq!(parts.concat(), text);
        assert!(parts.iter().any(|part| part.trim() == code.trim()), "{parts:?}");
        assert_eq!(blocks("a\n\nb\n\nc\n", 100), ["a\n\nb\n\nc\n"]);
        assert_eq!(blocks("aaaa\n\nbbbb\n\ncccc\n", 8), ["aaaa\n\n", "bbbb\n\n", "cccc\n"]);
    }
}
