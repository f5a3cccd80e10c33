//! One entry in a JSON file that belongs to somebody else.
//!
//! People write comments into these files, clients write them anew while they run, and some hold far more than servers. So
//! nothing is written but the bytes of the entry: the file is parsed for places, and the text is cut and joined there.
//! Comments and trailing commas are read wherever they stand, whether or not the client would.

use std::ops::Range;

use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::tokens::{Token, TokenAndRange};
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, ParseResult, parse_to_ast};

use super::Entry;

/// Indentation of one level in a file that shows none.
const INDENT: &str = "  ";
const BOM: char = '\u{FEFF}';

/// What cannot be edited, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(super) struct Damaged {
    /// The line, from 1.
    pub(super) line: usize,
    /// What is wrong there.
    pub(super) what: String,
}

/// What stands under the name of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    Missing,
    /// Something else.
    Different,
    /// Just this.
    Same,
}

/// A replacement of some bytes.
type Splice = (Range<usize>, String);

/// Something to be inserted.
#[derive(Clone, Copy)]
enum New<'e> {
    Section,
    Entry(&'e Entry),
    Field(&'e serde_json::Value),
}

/// A parsed text.
struct File<'a> {
    text: &'a str,
    parsed: ParseResult<'a>,
}

/// How the file looks where something is to be inserted.
struct Style<'a> {
    newline: &'static str,
    unit: &'a str,
}

/// What stands there.
///
/// # Errors
/// [`Damaged`] where it is no JSON, or not what a client reads.
pub(super) fn standing(text: &str, section: &str, name: &str, entry: &Entry) -> Result<Standing, Damaged> {
    let file = File::parse(text.trim_start_matches(BOM))?;
    let Some(found) = file.entry(section, name)? else { return Ok(Standing::Missing) };
    Ok(if missing_fields(found, entry).is_empty() { Standing::Same } else { Standing::Different })
}

/// The text with the entry in it. What else the entry held stays, unless it was of a server elsewhere.
///
/// # Errors
/// As [`standing`].
pub(super) fn with(text: &str, section: &str, name: &str, entry: &Entry) -> Result<String, Damaged> {
    let (bom, text) = text.strip_prefix(BOM).map_or(("", text), |rest| ("\u{FEFF}", rest));
    let mut text = text.to_owned();
    // Every round makes one change and reads the file anew; there are as many as the entry has fields.
    for _ in 0..entry.fields.len() + 3 {
        let splices = File::parse(&text)?.next_change(section, name, entry)?;
        if splices.is_empty() {
            break;
        }
        text = apply(&text, splices);
    }
    Ok(format!("{bom}{text}"))
}

/// The text without the entry.
///
/// # Errors
/// As [`standing`].
pub(super) fn without(text: &str, section: &str, name: &str) -> Result<String, Damaged> {
    let (bom, text) = text.strip_prefix(BOM).map_or(("", text), |rest| ("\u{FEFF}", rest));
    let file = File::parse(text)?;
    let splices = match file.section(section)? {
        Some(object) if file.property(object, name)?.is_some() => file.remove(object, name),
        _ => Vec::new(),
    };
    Ok(format!("{bom}{}", apply(text, splices)))
}

/// A file that holds nothing but the entry.
pub(super) fn alone(section: &str, name: &str, entry: &Entry) -> String {
    with("", section, name, entry).unwrap_or_default()
}

fn apply(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|(range, _)| range.start);
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for (range, new) in splices {
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push_str(&new);
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Fields of the entry that the object lacks or has otherwise.
fn missing_fields<'e>(found: &Value<'_>, entry: &'e Entry) -> Vec<&'e (&'static str, serde_json::Value)> {
    let Value::Object(object) = found else { return entry.fields.iter().collect() };
    let same = |name: &str, want: &serde_json::Value| {
        object.properties.iter().any(|prop| prop.name.as_str() == name && plain(&prop.value) == Some(want.clone()))
    };
    entry.fields.iter().filter(|(name, want)| !same(name, want)).collect()
}

/// Texts and lists of texts; entries are made of nothing else.
fn plain(value: &Value<'_>) -> Option<serde_json::Value> {
    match value {
        Value::StringLit(text) => Some(serde_json::Value::from(text.value.as_ref())),
        Value::Array(array) => array.elements.iter().map(plain).collect(),
        _ => None,
    }
}

impl<'a> File<'a> {
    fn parse(text: &'a str) -> Result<Self, Damaged> {
        let collect = CollectOptions { comments: CommentCollectionStrategy::AsTokens, tokens: true };
        let options = ParseOptions {
            allow_loose_object_property_names: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_non_finite_numbers: false,
            allow_extended_string_escapes: false,
            ..ParseOptions::default()
        };
        let damaged = |error: jsonc_parser::errors::ParseError| Damaged {
            line: error.line_display(),
            what: error.kind().to_string(),
        };
        Ok(Self { text, parsed: parse_to_ast(text, &collect, &options).map_err(damaged)? })
    }

    fn root(&self) -> Result<Option<&Object<'a>>, Damaged> {
        self.parsed.value.as_ref().map(|value| self.object(value, "the file")).transpose()
    }

    fn section(&self, section: &str) -> Result<Option<&Object<'a>>, Damaged> {
        let Some(root) = self.root()? else { return Ok(None) };
        let found = self.property(root, section)?;
        found.map(|prop| self.object(&prop.value, &format!("{section:?}"))).transpose()
    }

    fn entry(&self, section: &str, name: &str) -> Result<Option<&Value<'a>>, Damaged> {
        let Some(section) = self.section(section)? else { return Ok(None) };
        Ok(self.property(section, name)?.map(|prop| &prop.value))
    }

    fn object<'v>(&self, value: &'v Value<'a>, what: &str) -> Result<&'v Object<'a>, Damaged> {
        match value {
            Value::Object(object) => Ok(object),
            other => Err(Damaged { line: self.line(range_of(other).start), what: format!("{what} is no object") }),
        }
    }

    /// The property of a name. Which of two a client would take is not for us to guess.
    fn property<'v>(&self, object: &'v Object<'a>, name: &str) -> Result<Option<&'v ObjectProp<'a>>, Damaged> {
        let mut found = object.properties.iter().filter(|prop| prop.name.as_str() == name);
        match (found.next(), found.next()) {
            (first, None) => Ok(first),
            (_, Some(second)) => Err(Damaged {
                line: self.line(second.range.start),
                what: format!("{name:?} stands here a second time"),
            }),
        }
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    /// What brings the file nearer to holding the entry; nothing when it does.
    fn next_change(&self, section: &str, name: &str, entry: &Entry) -> Result<Vec<Splice>, Damaged> {
        let Some(root) = self.root()? else {
            let end = self.text.len();
            return Ok(vec![(end..end, "{}\n".to_owned())]);
        };
        let Some(servers) = self.section(section)? else {
            return Ok(self.insert(root, section, New::Section));
        };
        let Some(prop) = self.property(servers, name)? else {
            return Ok(self.insert(servers, name, New::Entry(entry)));
        };
        let missing = missing_fields(&prop.value, entry);
        match &prop.value {
            Value::Object(object) if self.property(object, entry.mark)?.is_some() => {
                let Some((field, want)) = missing.first() else { return Ok(Vec::new()) };
                Ok(match self.property(object, field)? {
                    Some(old) => vec![(span(range_of(&old.value)), New::Field(want).on_one_line())],
                    None => self.insert(object, field, New::Field(want)),
                })
            }
            // A server elsewhere, or nothing that a client understands.
            other => {
                let style = self.style();
                let new = New::Entry(entry).rendered(&style, self.indent_at(prop.range.start));
                Ok(vec![(span(range_of(other)), new)])
            }
        }
    }

    /// A new last property.
    fn insert(&self, object: &Object<'a>, name: &str, new: New<'_>) -> Vec<Splice> {
        let style = self.style();
        let name = serde_json::Value::from(name);
        let Some(last) = object.properties.last() else { return self.fill(object, &name, new, &style) };
        let first = object.properties.first().unwrap_or(last);
        let comma = self.comma_between(last.range.end, object.range.end);
        let end = comma.as_ref().map_or(last.range.end, |comma| comma.end);
        if !self.between(object.range.start, first.range.start).contains('\n') {
            let new = format!("{} {name}: {}", if comma.is_some() { "" } else { "," }, new.on_one_line());
            return vec![(end..end, new)];
        }
        let indent = self.indent_at(first.range.start);
        let after = self.after_comments(end, object.range.end);
        let line = format!("{}{indent}{name}: {}", style.newline, new.rendered(&style, indent));
        match comma {
            Some(_) => vec![(after..after, format!("{line},"))],
            None if after == end => vec![(end..end, format!(",{line}"))],
            None => vec![(end..end, ",".to_owned()), (after..after, line)],
        }
    }

    /// The first property of an object that has none.
    fn fill(&self, object: &Object<'a>, name: &serde_json::Value, new: New<'_>, style: &Style<'a>) -> Vec<Splice> {
        let outer = self.indent_at(object.range.start);
        let indent = format!("{outer}{}", style.unit);
        let new = format!("{}{indent}{name}: {}", style.newline, new.rendered(style, &indent));
        let inside = object.range.start + 1..object.range.end.saturating_sub(1);
        let kept = self.between(inside.start, inside.end).trim_end();
        let from = inside.start + kept.len();
        vec![(from..inside.end, format!("{new}{}{outer}", style.newline))]
    }

    /// Takes a property out, with the comma that it no longer needs.
    fn remove(&self, object: &Object<'a>, name: &str) -> Vec<Splice> {
        let Some(at) = object.properties.iter().position(|prop| prop.name.as_str() == name) else { return Vec::new() };
        let inside = object.range.start + 1..object.range.end.saturating_sub(1);
        let before = at.checked_sub(1).and_then(|before| object.properties.get(before));
        let next = object.properties.get(at + 1).map_or(inside.end, |next| next.range.start);
        let Some(prop) = object.properties.get(at) else { return Vec::new() };
        let mut start = prop.range.start;
        let lead = self.between(inside.start, start);
        let blank = lead.len() - lead.trim_end_matches([' ', '\t']).len();
        start -= blank;
        for newline in ["\n", "\r"] {
            start -= usize::from(self.between(inside.start, start).ends_with(newline));
        }
        let mut splices = vec![(start..prop.range.end, String::new())];
        let comma = self
            .comma_between(prop.range.end, next)
            .or_else(|| before.and_then(|before| self.comma_between(before.range.end, prop.range.start)));
        splices.extend(comma.map(|comma| (comma, String::new())));
        let rest = apply(self.text, splices.clone());
        let cut = self.text.len() - rest.len();
        if rest.get(inside.start..inside.end - cut).is_some_and(|inside| inside.trim().is_empty()) {
            return vec![(inside, String::new())];
        }
        splices
    }

    fn tokens(&self) -> impl Iterator<Item = &TokenAndRange<'a>> {
        self.parsed.tokens.iter().flatten()
    }

    fn comma_between(&self, from: usize, to: usize) -> Option<Range<usize>> {
        let within = |token: &&TokenAndRange<'a>| token.range.start >= from && token.range.end <= to;
        self.tokens().filter(within).find(|token| token.token == Token::Comma).map(|token| span(token.range))
    }

    /// The end of the comments that begin on the line of `from`, and so belong to what stands before them.
    fn after_comments(&self, from: usize, to: usize) -> usize {
        let mut at = from;
        for token in self.tokens().filter(|token| token.range.start >= from && token.range.end <= to) {
            let is_comment = matches!(token.token, Token::CommentLine(_) | Token::CommentBlock(_));
            if !is_comment || self.between(at, token.range.start).contains('\n') {
                break;
            }
            at = token.range.end;
        }
        at
    }

    fn between(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// The white space that the line of a place begins with.
    fn indent_at(&self, at: usize) -> &'a str {
        let start = self.between(0, at).rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.between(start, at);
        self.between(start, start + line.len() - line.trim_start_matches([' ', '\t']).len())
    }

    fn style(&self) -> Style<'a> {
        let newline = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
        let first = self.root().ok().flatten().and_then(|root| root.properties.first());
        let unit = first.map(|first| self.indent_at(first.range.start)).filter(|indent| !indent.is_empty());
        Style { newline, unit: unit.unwrap_or(INDENT) }
    }
}

fn span(range: jsonc_parser::common::Range) -> Range<usize> {
    range.start..range.end
}

const fn range_of(value: &Value<'_>) -> jsonc_parser::common::Range {
    match value {
        Value::StringLit(node) => node.range,
        Value::NumberLit(node) => node.range,
        Value::BooleanLit(node) => node.range,
        Value::Object(node) => node.range,
        Value::Array(node) => node.range,
        Value::NullKeyword(node) => node.range,
    }
}

impl New<'_> {
    /// An entry has a line for each of its fields.
    fn rendered(self, style: &Style<'_>, indent: &str) -> String {
        let Self::Entry(entry) = self else { return self.on_one_line() };
        let (newline, unit) = (style.newline, style.unit);
        let field = |(name, value): &(&str, serde_json::Value)| {
            format!("{newline}{indent}{unit}\"{name}\": {}", New::Field(value).on_one_line())
        };
        let fields: Vec<String> = entry.fields.iter().map(field).collect();
        format!("{{{}{newline}{indent}}}", fields.join(","))
    }

    fn on_one_line(self) -> String {
        match self {
            Self::Section => "{}".to_owned(),
            Self::Entry(entry) => {
                let field = |(name, value): &(&str, serde_json::Value)| {
                    format!("\"{name}\": {}", New::Field(value).on_one_line())
                };
                format!("{{{}}}", entry.fields.iter().map(field).collect::<Vec<_>>().join(", "))
            }
            Self::Field(serde_json::Value::Array(items)) => {
                let items: Vec<String> = items.iter().map(serde_json::Value::to_string).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Field(other) => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry() -> Entry {
        Entry { fields: vec![("command", json!("/bin/antiphon")), ("args", json!(["mcp"]))], mark: "command" }
    }

    fn installed(text: &str) -> String {
        let new = with(text, "mcpServers", "antiphon", &entry()).unwrap();
        assert_eq!(standing(&new, "mcpServers", "antiphon", &entry()), Ok(Standing::Same), "{new}");
        assert_eq!(with(&new, "mcpServers", "antiphon", &entry()).unwrap(), new, "once is enough");
        new
    }

    fn removed(text: &str) -> String {
        without(text, "mcpServers", "antiphon").unwrap()
    }

    const ENTRY: &str = "\"antiphon\": {\n      \"command\": \"/bin/antiphon\",\n      \"args\": [\"mcp\"]\n    }";

    #[test]
    fn an_entry_is_written_among_others_and_taken_out_again() {
        let check = |text: &str, want: &str| {
            let new = installed(text);
            assert_eq!(new, want);
            assert_eq!(removed(&new), text, "what was there is there again");
        };
        let other = "\"x\": {\"command\": \"x\"}";
        check(
            &format!("{{\n  \"mcpServers\": {{\n    {other}\n  }},\n  \"b\": 1\n}}\n"),
            &format!("{{\n  \"mcpServers\": {{\n    {other},\n    {ENTRY}\n  }},\n  \"b\": 1\n}}\n"),
        );
        // A comment behind the last server, and a trailing comma.
        check(
            &format!("{{\n  // é\n  \"mcpServers\": {{\n    {other} // keep\n    // here\n  }}\n}}"),
            &format!("{{\n  // é\n  \"mcpServers\": {{\n    {other}, // keep\n    {ENTRY}\n    // here\n  }}\n}}"),
        );
        check(
            &format!("{{\n  \"mcpServers\": {{\n    {other}, /* keep\n    this */\n  }},\n}}"),
            &format!("{{\n  \"mcpServers\": {{\n    {other}, /* keep\n    this */\n    {ENTRY},\n  }},\n}}"),
        );
        check(
            "{\"mcpServers\":{\"x\":{}}}",
            "{\"mcpServers\":{\"x\":{}, \"antiphon\": {\"command\": \"/bin/antiphon\", \"args\": [\"mcp\"]}}}",
        );
        check("{\n  \"mcpServers\": {}\n}", &format!("{{\n  \"mcpServers\": {{\n    {ENTRY}\n  }}\n}}"));
        check(
            "{\n  \"mcpServers\": {\n    // none yet\n  }\n}",
            &format!("{{\n  \"mcpServers\": {{\n    // none yet\n    {ENTRY}\n  }}\n}}"),
        );
    }

    #[test]
    fn line_ends_indentation_and_marks_of_the_file_are_kept() {
        let windows = "\u{FEFF}{\r\n\t\"mcpServers\": {\r\n\t\t\"x\": {}\r\n\t}\r\n}\r\n";
        let new = installed(windows);
        assert!(new.starts_with("\u{FEFF}{\r\n") && !new.replace("\r\n", "").contains('\n'), "{new:?}");
        assert!(new.contains("\r\n\t\t\"antiphon\": {\r\n\t\t\t\"command\""), "{new:?}");
        assert_eq!(removed(&new), windows);
    }

    #[test]
    fn what_is_missing_is_made() {
        let whole = format!("{{\n  \"mcpServers\": {{\n    {ENTRY}\n  }}\n}}\n");
        for text in ["", " \n", "{}\n"] {
            assert_eq!(installed(text).trim_start(), whole);
        }
        assert_eq!(alone("mcpServers", "antiphon", &entry()), whole);
        assert_eq!(removed(&whole), "{\n  \"mcpServers\": {}\n}\n");
        let new = installed("{\n  \"numStartups\": 5,\n  \"projects\": {}\n}");
        assert!(new.starts_with("{\n  \"numStartups\": 5,\n  \"projects\": {},\n  \"mcpServers\": {\n"), "{new}");
        assert!(installed("// only a comment").starts_with("// only a comment"));
    }

    #[test]
    fn an_entry_that_is_there_is_brought_up_to_date() {
        let old = "{\"mcpServers\": {\"antiphon\": {\"command\": \"/old\", // mine\n \"args\": [\"mcp\", \"x\"], \"env\": {\"A\": \"b\"}}}}";
        assert_eq!(standing(old, "mcpServers", "antiphon", &entry()), Ok(Standing::Different));
        let new = installed(old);
        assert_eq!(new, old.replace("/old", "/bin/antiphon").replace(", \"x\"]", "]"));
        let lacking = installed("{\"mcpServers\": {\"antiphon\": {\"command\": \"/old\"}}}");
        assert!(lacking.contains("\"args\": [\"mcp\"]"), "{lacking}");
        let remote = installed("{\"mcpServers\": {\"antiphon\": {\"url\": \"http://x\", \"headers\": {}}, \"y\": {}}}");
        assert!(!remote.contains("url") && remote.contains("\"y\": {}"), "{remote}");
        assert!(!installed("{\"mcpServers\": {\"antiphon\": null}}").contains("null"));
    }

    #[test]
    fn only_the_entry_is_taken_out() {
        let check = |text: &str, want: &str| assert_eq!(removed(text), want);
        check(
            "{\n  \"mcpServers\": {\n    \"antiphon\": {},\n    // about y\n    \"y\": {}\n  }\n}",
            "{\n  \"mcpServers\": {\n    // about y\n    \"y\": {}\n  }\n}",
        );
        check("{\"mcpServers\": {\"antiphon\": {}, \"y\": {}}}", "{\"mcpServers\": { \"y\": {}}}");
        check("{\"mcpServers\": {\"x\": {}, \"antiphon\": {}, \"y\": {}}}", "{\"mcpServers\": {\"x\": {}, \"y\": {}}}");
        for same in ["{}", "", "{\"mcpServers\": {\"y\": {}}}", "// nothing"] {
            check(same, same);
        }
    }

    #[test]
    fn a_damaged_file_is_refused_with_its_line() {
        let check = |text: &str, line: usize| {
            let damaged = with(text, "mcpServers", "antiphon", &entry()).unwrap_err();
            assert_eq!(damaged.line, line, "{text}: {damaged}");
            assert_eq!(standing(text, "mcpServers", "antiphon", &entry()), Err(damaged.clone()));
            assert_eq!(without(text, "mcpServers", "antiphon"), Err(damaged));
        };
        check("{\n  \"a\": 1\n  \"b\": 2\n}", 2);
        check("{\n  \"mcpServers\": {\n", 2);
        check("[\n]", 1);
        check("{\n\"mcpServers\":\n []}", 3);
        check("{\"mcpServers\": {},\n\"mcpServers\": {}}", 2);
        check("{\"mcpServers\": {\"antiphon\": {},\n\n\"antiphon\": {}}}", 3);
        check("{'mcpServers': {}}", 1);
        check("{\"é\": tru\n}", 1);
    }
}
