//! How texts get into pages.
//!
//! What others wrote is shown to people, so it must not become markup, and it must not look like something else than it
//! is: control characters, bidirectional overrides and characters without a shape are written as `\u{202E}`. Templates
//! use this escaper because `askama.toml` names it, so none of them can forget it.

use std::fmt::{self, Write};

use askama::filters::Escaper;

/// Escapes markup and whatever deceives.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Visible;

impl Escaper for Visible {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        let mut rest = string;
        while let Some(at) = rest.find(needs_escape) {
            let (plain, special) = rest.split_at(at);
            dest.write_str(plain)?;
            let mut chars = special.chars();
            if let Some(c) = chars.next() {
                write_special(&mut dest, c)?;
            }
            rest = chars.as_str();
        }
        dest.write_str(rest)
    }
}

fn write_special(dest: &mut impl Write, c: char) -> fmt::Result {
    match c {
        '<' => dest.write_str("&lt;"),
        '>' => dest.write_str("&gt;"),
        '&' => dest.write_str("&amp;"),
        '"' => dest.write_str("&quot;"),
        '\'' => dest.write_str("&#39;"),
        c => write!(dest, "\\u{{{:04X}}}", u32::from(c)),
    }
}

fn needs_escape(c: char) -> bool {
    matches!(c, '<' | '>' | '&' | '"' | '\'') || deceives(c)
}

/// Characters that show nothing, or turn around what stands beside them. Marks of direction and joiners belong to
/// ordinary writing and stay.
fn deceives(c: char) -> bool {
    let layout = matches!(c, '\n' | '\r' | '\t');
    (c.is_control() && !layout)
        || matches!(c,
            '\u{200B}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206F}' | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E01EF}')
}

/// The text without markup, as a page would show it.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if deceives(c) {
            // Writing into a String cannot fail.
            let _ = write_special(&mut out, c);
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        let mut out = String::new();
        Visible.write_escaped_str(&mut out, text).unwrap();
        assert_eq!(out, want, "{text:?}");
    }

    #[test]
    fn eve_writes_neither_markup_nor_what_nobody_sees() {
        check("plain, with a tab\tand a line\nbreak", "plain, with a tab\tand a line\nbreak");
        check("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;");
        check("\" onmouseover='x' &amp;", "&quot; onmouseover=&#39;x&#39; &amp;amp;");
        check("access \u{202E}level", "access \\u{202E}level");
        check("a\u{0}b\u{1b}[31m\u{85}", "a\\u{0000}b\\u{001B}[31m\\u{0085}");
        check("tag\u{E0041}\u{200B}\u{FEFF}", "tag\\u{E0041}\\u{200B}\\u{FEFF}");
        check("עברית\u{200F} und 👩\u{200D}💻 é", "עברית\u{200F} und 👩\u{200D}💻 é");
    }

    #[test]
    fn the_visible_form_has_no_markup_added() {
        assert_eq!(visible("a<b> & \u{202E}c"), "a<b> & \\u{202E}c");
    }
}
