//! Which texts may be remembered, and how to write the others so that they may.
//!
//! A fact is read by agents and shown in terminals. Control characters can hide or rewrite what a person sees, and
//! bidirectional overrides show one text and mean another (CVE-2021-42574). They are refused as they are and can be
//! kept in a visible form; nothing is dropped silently.

use std::fmt::Write as _;

/// Longest text of a fact, in bytes; the rest of a payload's 64 KiB is left to the other fields.
pub const CONTENT_BYTES_MAX: usize = 60 * 1024;

/// Why a text was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("{what} is empty")]
    Empty {
        /// Which field.
        what: &'static str,
    },
    /// Too long.
    #[error("{what} has {got} bytes, the limit is {limit}")]
    TooLong {
        /// Which field.
        what: &'static str,
        /// Bytes it has.
        got: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// A character that can hide or reorder what is shown.
    #[error("{what} has the invisible character U+{code:04X} at byte {at}")]
    Invisible {
        /// Which field.
        what: &'static str,
        /// Its code point.
        code: u32,
        /// Where it stands, in bytes from 0.
        at: usize,
    },
}

impl TextError {
    /// Whether writing the text in its visible form would mend it.
    pub fn is_invisible(&self) -> bool {
        matches!(self, Self::Invisible { .. })
    }
}

/// Checks the text of a fact.
///
/// # Errors
/// [`TextError`] when it is empty, too long or has characters that deceive.
pub fn check_content(text: &str) -> Result<(), TextError> {
    check_text("the fact", text, CONTENT_BYTES_MAX)
}

/// Checks a text of several lines: a description.
///
/// # Errors
/// As [`check_content`].
pub fn check_text(what: &'static str, text: &str, limit: usize) -> Result<(), TextError> {
    check(what, text, limit, true)
}

/// Checks a short text on one line: a domain, a tag, a name.
///
/// # Errors
/// As [`check_content`], and for line breaks.
pub fn check_label(what: &'static str, text: &str, limit: usize) -> Result<(), TextError> {
    check(what, text, limit, false)
}

fn check(what: &'static str, text: &str, limit: usize, lines: bool) -> Result<(), TextError> {
    if text.len() > limit {
        return Err(TextError::TooLong { what, got: text.len(), limit });
    }
    if text.trim().is_empty() {
        return Err(TextError::Empty { what });
    }
    match text.char_indices().find(|(_, c)| deceives(*c, lines)) {
        Some((at, c)) => Err(TextError::Invisible { what, code: c.into(), at }),
        None => Ok(()),
    }
}

/// Control characters, and the bidirectional embeddings, overrides and isolates. Marks of direction (U+200E, U+200F)
/// belong to ordinary right-to-left text and are allowed.
fn deceives(c: char, lines: bool) -> bool {
    let layout = matches!(c, '\n' | '\r' | '\t');
    (c.is_control() && !(lines && layout)) || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The text with every deceiving character written as `\u{…}`.
pub fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if deceives(c, true) {
            // Writing into a String cannot fail.
            let _ = write!(out, "\\u{{{:04X}}}", u32::from(c));
        } else {
            out.push(c);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_deceives_is_refused_and_can_be_kept_visibly() {
        let check_one = |text: &str, good: bool| {
            assert_eq!(check_content(text).is_ok(), good, "{text:?}");
            assert!(check_content(&escape(text)).is_ok() || text.trim().is_empty(), "{text:?}");
        };
        check_one("plain, with a tab\tand a line\nbreak", true);
        check_one("עברית\u{200F}", true);
        check_one("nul\0", false);
        check_one("\u{1b}[31mred", false);
        check_one("access \u{202E}level", false);
        check_one("  \n", false);
        assert_eq!(escape("a\0b"), "a\\u{0000}b");
        assert!(matches!(check_content(&"x".repeat(10_000_000)), Err(TextError::TooLong { .. })));
        assert!(check_label("the tag", "two\nlines", 64).is_err());
    }
}
