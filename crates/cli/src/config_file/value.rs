//! Values of settings, as files, the environment and flags write them.

use std::collections::BTreeMap;

use antiphon_server::time::parse_duration_ms;

use super::setting::Wrong;
use crate::outcome::Problem;
use crate::size;
use crate::toml_reader::Entry;

/// Longest text, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;
/// Longest list.
const LIST_MAX: usize = 64;

/// What values a setting takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// Yes or no.
    Flag,
    /// A whole number.
    Number {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// A number of bytes.
    Bytes {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// A span of time, in milliseconds.
    Span {
        /// The shortest.
        least: u64,
        /// The longest.
        most: u64,
    },
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// Several texts; in the environment commas stand between them.
    List,
    /// Texts by name; in the environment as `name=text`, with commas between them.
    Map,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Nothing is set.
    Unset,
    /// A text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(u64),
    /// A number of bytes.
    Bytes(u64),
    /// A span of time, in milliseconds.
    Span(u64),
    /// Several texts.
    List(Vec<String>),
    /// Texts by name.
    Map(BTreeMap<String, String>),
}

impl Kind {
    /// Reads what stands in a file.
    ///
    /// # Errors
    /// Where it is wrong.
    pub(crate) fn read(self, entry: &Entry<'_>) -> Result<Value, Problem> {
        let or = |wrong: Wrong| entry.wrong(&wrong.what, &wrong.hint);
        Ok(match self {
            Self::Text => Value::Text(text_of(entry.text()?).map_err(or)?),
            Self::Flag => Value::Flag(entry.flag()?),
            Self::Number { least, most } => Value::Number(entry.number(least, most)?),
            Self::Bytes { least, most } if !entry.is_text() => Value::Bytes(entry.number(least, most)?),
            Self::Bytes { .. } | Self::Span { .. } | Self::Choice(_) => self.parse(entry.text()?).map_err(or)?,
            Self::List => {
                let texts = entry.list()?;
                let texts = texts.iter().map(|one| one.text().map(str::to_owned)).collect::<Result<Vec<_>, _>>()?;
                Value::List(list_of(texts).map_err(or)?)
            }
            Self::Map => {
                let entries = entry.entries()?;
                let pair = |(value, name): &(Entry<'_>, &str)| Ok(((*name).to_owned(), value.text()?.to_owned()));
                Value::Map(entries.iter().map(pair).collect::<Result<_, Problem>>()?)
            }
        })
    }

    /// Reads what a person wrote on a command line or in the environment.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(self, text: &str) -> Result<Value, Wrong> {
        let text = text.trim();
        Ok(match self {
            Self::Text => Value::Text(text_of(text)?),
            Self::Flag => Value::Flag(flag_of(text)?),
            Self::Number { least, most } => {
                let number = text.parse().ok().filter(|number| (least..=most).contains(number));
                let wrong = || Wrong::new("this must be a whole number", format!("it goes from {least} to {most}"));
                Value::Number(number.ok_or_else(wrong)?)
            }
            Self::Bytes { least, most } => {
                let bytes = size::parse(text).filter(|bytes| (least..=most).contains(bytes));
                let range = format!("write it as 64MiB or 1GiB, from {} to {}", exact_size(least), exact_size(most));
                Value::Bytes(bytes.ok_or_else(|| Wrong::new("this is not a number of bytes", range))?)
            }
            Self::Span { least, most } => {
                let ms = parse_duration_ms(text).filter(|ms| (least..=most).contains(ms));
                let range = format!("write it as 15s, 5m or 12h, from {} to {}", span(least), span(most));
                Value::Span(ms.ok_or_else(|| Wrong::new("this is not a span of time", range))?)
            }
            Self::Choice(words) => {
                let known = words.contains(&text);
                let wrong = || Wrong::new(format!("there is no {text:?}"), format!("use {}", or_list(words)));
                if known { Value::Text(text.to_owned()) } else { return Err(wrong()) }
            }
            Self::List => Value::List(list_of(parts(text).map(str::to_owned).collect())?),
            Self::Map => Value::Map(parts(text).map(pair_of).collect::<Result<_, _>>()?),
        })
    }
}

impl Value {
    /// The value as it is written on a command line.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Unset => String::new(),
            Self::Text(text) => text.clone(),
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Bytes(bytes) => exact_size(*bytes),
            Self::Span(ms) => span(*ms),
            Self::List(texts) => texts.join(","),
            Self::Map(pairs) => pairs.iter().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join(","),
        }
    }

    /// A table without what is as in `usual`.
    pub(crate) fn text_beside(&self, usual: &Self) -> String {
        let (Self::Map(own), Self::Map(usual)) = (self, usual) else { return self.text() };
        let differs = |(name, text): &(&String, &String)| usual.get(*name) != Some(*text);
        let differing: BTreeMap<_, _> = own.iter().filter(differs).map(|(a, b)| (a.clone(), b.clone())).collect();
        if differing.is_empty() { "as usual".to_owned() } else { Self::Map(differing).text() }
    }
}

fn text_of(text: &str) -> Result<String, Wrong> {
    if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(Wrong::new("this text cannot be used", format!("one line of at most {TEXT_BYTES_MAX} bytes")));
    }
    Ok(text.to_owned())
}

fn list_of(texts: Vec<String>) -> Result<Vec<String>, Wrong> {
    if texts.len() > LIST_MAX {
        return Err(Wrong::new(format!("{} are too many", texts.len()), format!("at most {LIST_MAX}")));
    }
    texts.iter().map(|text| text_of(text)).collect()
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn pair_of(text: &str) -> Result<(String, String), Wrong> {
    let wrong = || Wrong::new(format!("{text:?} sets nothing"), "write it as message=moderate");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn flag_of(text: &str) -> Result<bool, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "t" | "1" => Ok(true),
        "false" | "no" | "off" | "n" | "f" | "0" => Ok(false),
        _ => Err(Wrong::new("this must be true or false", "write it without quotes")),
    }
}

/// `a, b or c`.
pub(crate) fn or_list(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => words.join(""),
    }
}

/// A number of bytes in the largest unit that loses nothing.
pub(crate) fn exact_size(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fits = |(_, power): &&(&str, u32)| bytes > 0 && bytes.trailing_zeros() >= *power;
    match units.iter().find(fits) {
        Some((unit, power)) => format!("{}{unit}", bytes >> power),
        None => bytes.to_string(),
    }
}

/// A span of time in the largest unit that loses nothing.
pub(crate) fn span(ms: u64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    match units.iter().find(|(_, unit)| ms > 0 && ms.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", ms / unit),
        None => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_it_is_read() {
        let check = |kind: Kind, text: &str| assert_eq!(kind.parse(text).unwrap().text(), text, "{kind:?}");
        check(Kind::Text, "warn,antiphon=debug");
        check(Kind::Flag, "true");
        check(Kind::Number { least: 1, most: 9 }, "7");
        for size in ["1", "1500", "1KiB", "64MiB", "3GiB"] {
            check(Kind::Bytes { least: 1, most: 1 << 40 }, size);
        }
        for time in ["5ms", "1500ms", "15s", "10m", "12h", "30d"] {
            check(Kind::Span { least: 1, most: u64::MAX }, time);
        }
        check(Kind::Choice(&["auto", "local"]), "local");
        check(Kind::List, "/ip4/127.0.0.1/tcp/0,/ip6/::1/tcp/0");
        check(Kind::Map, "message=moderate,planner=none");
    }

    #[test]
    fn what_is_no_value_is_told_with_what_to_write() {
        let check = |kind: Kind, text: &str, word: &str| {
            let wrong = kind.parse(text).unwrap_err();
            assert!(format!("{} {}", wrong.what, wrong.hint).contains(word), "{wrong:?}");
        };
        check(Kind::Flag, "maybe", "true or false");
        check(Kind::Number { least: 1, most: 9 }, "10", "from 1 to 9");
        check(Kind::Bytes { least: 1, most: 1 << 30 }, "64MB", "64MiB");
        check(Kind::Span { least: 1_000, most: 600_000 }, "11m", "from 1s to 10m");
        check(Kind::Choice(&["auto", "local", "kad"]), "both", "auto, local or kad");
        check(Kind::Map, "message", "message=moderate");
        check(Kind::Text, "a\nb", "one line");
    }

    #[test]
    fn of_a_table_only_what_differs_is_shown() {
        let table = |text: &str| Kind::Map.parse(text).unwrap();
        let usual = table("message=critical,planner=moderate");
        assert_eq!(table("message=none,planner=moderate").text_beside(&usual), "message=none");
        assert_eq!(usual.text_beside(&usual), "as usual");
    }
}
