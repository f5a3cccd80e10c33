//! Times and states as parts of pages: markup of their own, with everything in it escaped. Templates write them with
//! `|safe`, and nothing else.

use antiphon_core::time::UnixMillis;
use askama::Template;

pub(super) use super::show::{bytes, called, counted as many, number, short};
use crate::time;

/// A time: how long ago it was or how soon it will be, with the time itself for machines and for whoever points at it.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(ext = "html", source = r#"<time datetime="{{ at }}" title="{{ minute }}">{{ words }}</time>"#)]
pub(super) struct When {
    at: String,
    minute: String,
    words: String,
}

impl When {
    /// A time as the API writes it.
    pub(super) fn of(at: &str, now: UnixMillis) -> Self {
        Self { at: at.to_owned(), minute: super::show::minute(at), words: Self::words_of(at, now) }
    }

    /// The same in words alone.
    pub(super) fn words_of(at: &str, now: UnixMillis) -> String {
        match time::parse(at) {
            None => at.to_owned(),
            Some(then) if then.0.abs_diff(now.0) < 1_000 => "now".to_owned(),
            Some(then) if then > now => format!("in {}", time::age(then.0 - now.0)),
            Some(then) => format!("{} ago", time::age(now.0 - then.0)),
        }
    }

    /// The same for a time that may be missing.
    pub(super) fn maybe(at: Option<&String>, now: UnixMillis) -> Option<Self> {
        at.map(|at| Self::of(at, now))
    }
}

/// How good a state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    /// As it should be.
    Ok,
    /// Neither.
    Plain,
    /// Under way.
    Info,
    /// It needs somebody before long.
    Warn,
    /// It needs somebody now.
    Bad,
}

impl Tone {
    /// Its class.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Plain => "",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A state: a colour and a word.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(ext = "html", source = r#"<span class="tag {{ class }}">{{ word }}</span>"#)]
pub(super) struct Tag {
    class: &'static str,
    word: String,
}

impl Tag {
    pub(super) fn new(tone: Tone, word: impl Into<String>) -> Self {
        Self { class: tone.class(), word: word.into() }
    }
}

/// A word of the API as people write it.
pub(super) fn plain(word: &str) -> String {
    word.replace('_', " ")
}

/// The address of a page with a query.
pub(super) fn link(path: &str, query: &[(&str, &str)]) -> String {
    let query: Vec<_> = query.iter().filter(|(_, value)| !value.is_empty()).collect();
    // Pairs of texts can always be written.
    match serde_urlencoded::to_string(query) {
        Ok(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_say_how_long_ago_and_how_soon() {
        let now = UnixMillis(1_700_000_000_000);
        let check = |at: u64, want: &str| {
            let shown = When::of(&time::rfc3339(UnixMillis(at)), now).to_string();
            assert!(shown.contains(&format!(">{want}<")) && shown.starts_with("<time datetime=\"20"), "{shown}");
        };
        check(now.0, "now");
        check(now.0 - 3 * 3_600_000, "3 h ago");
        check(now.0 + 9 * 60_000, "in 9 min");
        assert!(When::of("<b>", now).to_string().contains("&lt;b&gt;"));
    }

    #[test]
    fn what_stands_in_an_address_is_written_so() {
        assert_eq!(link("/content", &[("path", ""), ("after", "a b&c")]), "/content?after=a+b%26c");
        assert_eq!(link("/content", &[("path", "")]), "/content");
        assert_eq!(Tag::new(Tone::Bad, "<x>").to_string(), "<span class=\"tag bad\">&lt;x&gt;</span>");
    }
}
