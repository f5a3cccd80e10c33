//! One entry in a TOML file that belongs to somebody else.

use toml_edit::{Array, Document, DocumentMut, Item, Table, TableLike, Value};

use super::Entry;
use super::json_file::{Damaged, Standing};
use crate::line_ends::as_before;

/// What stands there.
///
/// # Errors
/// [`Damaged`] where it is no TOML, or not what a client reads.
pub(super) fn standing(text: &str, section: &str, name: &str, entry: &Entry) -> Result<Standing, Damaged> {
    let mut document = parse(text)?;
    let Some(servers) = servers(&mut document, section, text)? else { return Ok(Standing::Missing) };
    let Some(found) = servers.get(name) else { return Ok(Standing::Missing) };
    let same = found.as_table_like().is_some_and(|found| different(found, entry).is_empty());
    Ok(if same { Standing::Same } else { Standing::Different })
}

/// The text with the entry in it. What else the entry held stays, unless it was of a server elsewhere.
///
/// # Errors
/// As [`standing`].
pub(super) fn with(text: &str, section: &str, name: &str, entry: &Entry) -> Result<String, Damaged> {
    let mut document = parse(text)?;
    if document.get(section).is_none() {
        let mut table = Table::new();
        table.set_implicit(true);
        document.insert(section, Item::Table(table));
    }
    if let Some(servers) = servers(&mut document, section, text)? {
        match servers.get_mut(name).and_then(Item::as_table_like_mut) {
            Some(found) if found.contains_key(entry.mark) => {
                for (field, value) in different(found, entry) {
                    set(found, field, value);
                }
            }
            _ => {
                let mut table = Table::new();
                for (field, value) in &entry.fields {
                    set(&mut table, field, value);
                }
                servers.insert(name, Item::Table(table));
            }
        }
    }
    Ok(as_before(text, &document.to_string()))
}

/// The text without the entry.
///
/// # Errors
/// As [`standing`].
pub(super) fn without(text: &str, section: &str, name: &str) -> Result<String, Damaged> {
    let mut document = parse(text)?;
    let before = document.to_string();
    let removed = match servers(&mut document, section, text)? {
        Some(servers) => servers.remove(name),
        None => None,
    };
    let Some(removed) = removed else { return Ok(text.to_owned()) };
    // The library gives the comments above a table to the table; they may be about what follows.
    let above = removed.as_table().and_then(|table| table.decor().prefix()?.as_str()).unwrap_or_default();
    let above = &above.replace("\r\n", "\n");
    let mut after = document.to_string();
    if above.contains('#') {
        let same = before.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count();
        let headed = format!("{above}[");
        let place = before.match_indices(&headed).map(|(at, _)| at).filter(|at| *at <= same).last();
        after.insert_str(place.unwrap_or(after.len()), above);
    }
    Ok(as_before(text, &after))
}

/// A file that holds nothing but the entry.
pub(super) fn alone(section: &str, name: &str, entry: &Entry) -> String {
    with("", section, name, entry).unwrap_or_default()
}

fn parse(text: &str) -> Result<DocumentMut, Damaged> {
    text.parse().map_err(|error: toml_edit::TomlError| Damaged {
        line: line(text, error.span().unwrap_or_default().start),
        what: error.message().lines().collect::<Vec<_>>().join(", "),
    })
}

fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

fn servers<'d>(
    document: &'d mut DocumentMut,
    section: &str,
    text: &str,
) -> Result<Option<&'d mut dyn TableLike>, Damaged> {
    let Some(item) = document.get_mut(section) else { return Ok(None) };
    let Some(table) = item.as_table_like_mut() else {
        // Only a document that cannot be edited knows the places of what it holds.
        let placed = Document::parse(text).ok();
        let at = placed.as_ref().and_then(|document| document.get(section)?.span()).unwrap_or_default();
        return Err(Damaged { line: line(text, at.start), what: format!("{section} is no table") });
    };
    Ok(Some(table))
}

/// Fields of the entry that the table lacks or has otherwise.
fn different<'e>(found: &dyn TableLike, entry: &'e Entry) -> Vec<&'e (&'static str, serde_json::Value)> {
    let same = |name: &str, want: &serde_json::Value| found.get(name).and_then(plain).as_ref() == Some(want);
    entry.fields.iter().filter(|(name, want)| !same(name, want)).collect()
}

/// Texts and lists of texts; entries are made of nothing else.
fn plain(item: &Item) -> Option<serde_json::Value> {
    match item.as_value()? {
        Value::String(text) => Some(serde_json::Value::from(text.value().as_str())),
        Value::Array(array) => array.iter().map(|item| item.as_str().map(serde_json::Value::from)).collect(),
        _ => None,
    }
}

/// Sets a field; a comment behind the old value stays.
fn set(table: &mut dyn TableLike, field: &str, value: &serde_json::Value) {
    let mut new = match value {
        serde_json::Value::Array(items) => {
            Value::Array(items.iter().filter_map(serde_json::Value::as_str).collect::<Array>())
        }
        other => Value::from(other.as_str().unwrap_or_default()),
    };
    match table.get_mut(field).and_then(Item::as_value_mut) {
        Some(old) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        None => drop(table.insert(field, Item::Value(new))),
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
        let new = with(text, "mcp_servers", "antiphon", &entry()).unwrap();
        assert_eq!(standing(&new, "mcp_servers", "antiphon", &entry()), Ok(Standing::Same), "{new}");
        assert_eq!(with(&new, "mcp_servers", "antiphon", &entry()).unwrap(), new, "once is enough");
        new
    }

    fn removed(text: &str) -> String {
        without(text, "mcp_servers", "antiphon").unwrap()
    }

    const ENTRY: &str = "[mcp_servers.antiphon]\ncommand = \"/bin/antiphon\"\nargs = [\"mcp\"]\n";
    const REAL: &str = "# my settings\nmodel = \"gpt-5\"   # fast\n\n[mcp_servers.context7]\ncommand = \"npx\" # node\nargs = [\n  \"-y\",\n  \"@upstash/context7-mcp\", # latest\n]\n\n[projects.\"/home/alice/x\"]\ntrust_level = \"trusted\"\n# the end\n";

    #[test]
    fn an_entry_is_written_and_taken_out_again() {
        for text in [REAL, "", "model = \"x\"\n", "[mcp_servers]\n# none yet\n", "[a]\nb = 1\n"] {
            let new = installed(text);
            assert!(new.contains(ENTRY), "{new}");
            for line in text.lines() {
                assert!(new.lines().any(|kept| kept == line), "{line} is missing: {new}");
            }
            assert_eq!(removed(&new), text, "what was there is there again");
        }
        assert_eq!(alone("mcp_servers", "antiphon", &entry()), ENTRY);
        let windows = REAL.replace('\n', "\r\n");
        assert_eq!(installed(&windows), installed(REAL).replace('\n', "\r\n"));
        assert_eq!(removed(&installed(&windows)), windows);
        let mixed = "a = '''\nb\r\nc'''\r\n[d]\n";
        assert!(installed(mixed).starts_with(mixed));
        assert_eq!(removed(&installed(mixed)), mixed);
    }

    #[test]
    fn an_entry_that_is_there_is_brought_up_to_date() {
        let old = "[mcp_servers.antiphon]\ncommand = \"/old\" # mine\nargs = []\nstartup_timeout_sec = 30\n\n[mcp_servers.antiphon.env]\nA = \"b\"\n";
        assert_eq!(standing(old, "mcp_servers", "antiphon", &entry()), Ok(Standing::Different));
        assert_eq!(installed(old), old.replace("/old", "/bin/antiphon").replace("[]", "[\"mcp\"]"));
        let remote = installed("[mcp_servers.antiphon]\nurl = \"http://x\"\n");
        assert_eq!(remote, ENTRY);
        let inline = installed("mcp_servers = { y = { command = \"y\" } }\n");
        assert!(inline.starts_with("mcp_servers = { y = { command = \"y\" }"), "{inline}");
        assert_eq!(standing("", "mcp_servers", "antiphon", &entry()), Ok(Standing::Missing));
    }

    #[test]
    fn comments_above_the_entry_outlive_it() {
        let text =
            format!("[a]\nb = 1\n\n# servers\n{ENTRY}\n[mcp_servers.antiphon.env]\nA = \"b\"\n\n# last\n[c]\nd = 1\n");
        assert_eq!(removed(&text), "[a]\nb = 1\n\n# servers\n\n# last\n[c]\nd = 1\n");
        assert_eq!(removed("[a]\nb = 1\n"), "[a]\nb = 1\n");
    }

    #[test]
    fn a_damaged_file_is_refused_with_its_line() {
        let check = |text: &str, line: usize| {
            let damaged = with(text, "mcp_servers", "antiphon", &entry()).unwrap_err();
            assert_eq!(damaged.line, line, "{text}: {damaged}");
            assert_eq!(without(text, "mcp_servers", "antiphon"), Err(damaged));
        };
        check("a = 1\nb = = 2\n", 2);
        check("a = 1\n\nmcp_servers = 3\n", 3);
        check("[a]\n[a]\n", 2);
    }
}
