//! An element of the graph as a fact, and back.
//!
//! People and other agents read the text: `alice (person): likes tea`. A program cannot, for a name may hold brackets
//! and colons; it reads the source, where the names stand in an address that gives them back exactly.

use std::fmt::Write as _;

use antiphon_core::fact::escape;

use super::DOMAIN;
use crate::dto::NewFactDto;
use crate::import::tag_of;

/// Longest source of a fact, in bytes; what is longer has no place in the graph.
const SOURCE_BYTES_MAX: usize = 1_024;
/// What the source of an element begins with: the address of the graph in the official memory server.
const ADDRESS: &str = "memory://knowledge-graph/";

/// An element of the graph. A request of the memory server can make the same one several times; the slot, from 1, tells
/// them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element<'a> {
    /// Something that has a name.
    Entity { name: &'a str, kind: &'a str, slot: u32 },
    /// What is known of it; `of` is the slot of the entity.
    Observation { name: &'a str, kind: &'a str, of: u32, text: &'a str, slot: u32 },
    /// How two names are related.
    Relation { from: &'a str, kind: &'a str, to: &'a str, slot: u32 },
}

/// What a source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Entity { name: String, kind: String, slot: u32 },
    Observation { name: String, kind: String, of: u32, slot: u32 },
    Relation { from: String, kind: String, to: String, slot: u32 },
}

impl Element<'_> {
    /// What people read.
    pub(crate) fn text(&self) -> String {
        match *self {
            Self::Entity { name, kind, .. } => head(name, kind),
            Self::Observation { name, kind, text, .. } => format!("{}: {text}", head(name, kind)),
            Self::Relation { from, kind, to, .. } => {
                // A fact is never blank.
                let shown = |part| if str::trim(part).is_empty() { "\"\"" } else { part };
                format!("{} {} {}", shown(from), shown(kind), shown(to))
            }
        }
    }

    /// What tells it from every other element.
    pub(crate) fn key(&self) -> String {
        let observed = if let Self::Observation { text, .. } = self { text } else { "" };
        format!("{}\0{observed}", self.address())
    }

    /// The fact, with whatever does not depend on who writes it. One without a source is too long for the graph.
    pub(crate) fn fact(&self) -> NewFactDto {
        let names = match *self {
            Self::Entity { name, kind, .. } | Self::Observation { name, kind, .. } => [name, kind],
            Self::Relation { from, to, .. } => [from, to],
        };
        let mut tags: Vec<String> = names.into_iter().filter_map(tag_of).collect();
        tags.dedup();
        NewFactDto {
            content: self.text(),
            domain: Some(DOMAIN.to_owned()),
            source: Some(self.address()).filter(|address| address.len() <= SOURCE_BYTES_MAX),
            tags,
            ..NewFactDto::default()
        }
    }

    fn address(&self) -> String {
        let (section, parts, of, slot) = match *self {
            Self::Entity { name, kind, slot } => ("entity", vec![name, kind], 1, slot),
            Self::Observation { name, kind, of, slot, .. } => ("observation", vec![name, kind], of, slot),
            Self::Relation { from, kind, to, slot } => ("relation", vec![from, kind, to], 1, slot),
        };
        let mut address = format!("{ADDRESS}{section}");
        for part in parts {
            address.push('/');
            encode(&mut address, part);
        }
        for (mark, number) in [('?', of), ('#', slot)].into_iter().filter(|(_, number)| *number > 1) {
            // Writing into a String cannot fail.
            let _ = write!(address, "{mark}{number}");
        }
        address
    }
}

impl Place {
    /// What a source says; `None` for one of another kind.
    pub(super) fn of_source(source: &str) -> Option<Self> {
        let (rest, slot) = number_after(source.strip_prefix(ADDRESS)?, '#')?;
        let (rest, of) = number_after(rest, '?')?;
        let parts: Vec<String> = rest.split('/').skip(1).map(decode).collect::<Option<_>>()?;
        match (rest.split('/').next()?, <[String; 2]>::try_from(parts)) {
            ("entity", Ok([name, kind])) => Some(Self::Entity { name, kind, slot }),
            ("observation", Ok([name, kind])) => Some(Self::Observation { name, kind, of, slot }),
            ("relation", Err(parts)) => {
                let [from, kind, to] = parts.try_into().ok()?;
                Some(Self::Relation { from, kind, to, slot })
            }
            _ => None,
        }
    }
}

/// What was observed, out of the text of a fact. Whoever edited it may have dropped what stands in front.
pub(super) fn observed(name: &str, kind: &str, content: &str) -> String {
    let head = escape(&head(name, kind));
    let text = content.strip_prefix(&head).and_then(|rest| rest.strip_prefix(": "));
    text.unwrap_or(content).to_owned()
}

fn head(name: &str, kind: &str) -> String {
    format!("{name} ({kind})")
}

/// The text before a mark and the number after it, 1 where there is no mark.
fn number_after(text: &str, mark: char) -> Option<(&str, u32)> {
    match text.split_once(mark) {
        None => Some((text, 1)),
        Some((before, number)) => Some((before, number.parse().ok()?)),
    }
}

/// Writes a part of an address; letters of any script stay readable.
fn encode(address: &mut String, part: &str) {
    for c in part.chars() {
        if matches!(c, '%' | '/' | '?' | '#') || c.is_whitespace() || c.is_control() {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                // As above.
                let _ = write!(address, "%{byte:02X}");
            }
        } else {
            address.push(c);
        }
    }
}

fn decode(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let value = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_gives_the_names_back_exactly() {
        for name in ["alice", "", " ", "a/b?c#d%e", "two\nlines\t", "Ада (x): y", "\u{2028}", "%41"] {
            for (kind, slot) in [("person", 1), ("a (b)", 7)] {
                let source = |element: Element<'_>| element.fact().source.unwrap();
                let place = Place::of_source(&source(Element::Entity { name, kind, slot }));
                assert_eq!(place, Some(Place::Entity { name: name.into(), kind: kind.into(), slot }));
                let element = Element::Observation { name, kind, of: 3, text: "x: y", slot };
                let place = Place::of_source(&source(element));
                assert_eq!(place, Some(Place::Observation { name: name.into(), kind: kind.into(), of: 3, slot }));
                assert_eq!(observed(name, kind, &escape(&element.text())), "x: y");
                let place = Place::of_source(&source(Element::Relation { from: name, kind, to: "b", slot }));
                let (from, kind) = (name.to_owned(), kind.to_owned());
                assert_eq!(place, Some(Place::Relation { from, kind, to: "b".into(), slot }));
            }
        }
    }

    #[test]
    fn other_sources_say_nothing() {
        let whole = "memory://knowledge-graph/";
        for rest in
            ["", "entity", "entity/a", "entity/a/b/c", "relation/a/b", "thing/a/b", "entity/a/b#x", "entity/%/b"]
        {
            assert_eq!(Place::of_source(&format!("{whole}{rest}")), None, "{rest}");
        }
        assert_eq!(Place::of_source("https://example.org/entity/a/b"), None);
    }

    #[test]
    fn people_can_read_the_text_and_long_names_have_no_place() {
        let relation = |from, to| Element::Relation { from, kind: "knows", to, slot: 1 }.fact();
        assert_eq!(relation("alice", "bob").content, "alice knows bob");
        assert_eq!(relation("alice", "bob").tags, ["alice", "bob"]);
        assert_eq!(Element::Relation { from: "", kind: " ", to: "", slot: 1 }.text(), "\"\" \"\" \"\"");
        assert_eq!(relation(&"x".repeat(1_000), "y").source, None);
        assert_eq!(observed("alice", "person", "edited by hand"), "edited by hand");
    }
}
