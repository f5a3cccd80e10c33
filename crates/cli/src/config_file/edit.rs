//! Changing settings in `antiphon.toml`: whatever else stands there, comments too, stays as it is.
//!
//! The new text is read as a whole before it is written, and takes the place of the old one in one step, so that a
//! node that reads the file meanwhile sees one or the other.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value as TomlValue};

use super::environment::Environment;
use super::file::{self, File, NAME};
use super::resolve::Resolved;
use super::setting::Setting;
use super::value::{Kind, Value};
use super::{find, near};
use crate::line_ends::as_before;
use crate::outcome::{Code, Problem, file_problem};

/// Mode of a new file: it may come to name the paths of secrets.
const MODE_NEW: u32 = 0o600;

/// Which setting a person named: one of the table, or one line of a setting that is a table itself.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// The setting.
    pub(crate) setting: &'static Setting,
    /// The line of its table, as `message` in `outbox.levels.message`.
    pub(crate) line: Option<String>,
}

impl Named {
    /// Reads `outbox.retry`, or `outbox.levels.message`.
    ///
    /// # Errors
    /// A problem with the nearest name.
    pub(crate) fn read(name: &str) -> Result<Self, Problem> {
        if let Some(setting) = find(name) {
            return Ok(Self { setting, line: None });
        }
        let inner = name.rsplit_once('.').and_then(|(outer, line)| Some((find(outer)?, line)));
        if let Some((setting, line)) = inner.filter(|(setting, _)| matches!(setting.kind, Kind::Map)) {
            return Ok(Self { setting, line: Some(line.to_owned()) });
        }
        let shown: String = name.chars().take(80).collect();
        let problem = Problem::new(Code::NotFound, format!("there is no setting {shown:?}"));
        Err(match near(name) {
            Some(near) => problem.hint(format!("did you mean {near}?")),
            None => problem.hint("antiphon config show lists them"),
        })
    }

    /// What a person wrote for it.
    fn value(&self, text: &str) -> Result<Value, Problem> {
        let written = match &self.line {
            Some(line) => format!("{line}={text}"),
            None => text.to_owned(),
        };
        let wrong = |wrong: super::setting::Wrong| {
            Problem::new(Code::Invalid, format!("{}: {}", self.name(), wrong.what)).hint(wrong.hint)
        };
        self.setting.kind.parse(&written).map_err(wrong)
    }

    /// Its whole name.
    pub(crate) fn name(&self) -> String {
        self.line.as_ref().map_or_else(|| self.setting.name.to_owned(), |line| format!("{}.{line}", self.setting.name))
    }
}

/// What is to become of a setting.
#[derive(Debug, Clone)]
pub(crate) struct Change<'a> {
    /// Which.
    pub(crate) named: Named,
    /// Its value as a person wrote it; `None` takes it out of the file.
    pub(crate) value: Option<&'a str>,
}

/// Sets settings in the file of `home`, or takes them out of it; says of each whether that changed the file. They are
/// written together, since some make no sense one by one.
///
/// # Errors
/// When a value makes no sense, or the file would not with all of them, or cannot be written. Then it is as it was.
pub(crate) fn set(home: &Path, changes: &[Change<'_>]) -> Result<Vec<bool>, Problem> {
    let value = |change: &Change<'_>| change.value.map(|text| change.named.value(text)).transpose();
    let values = changes.iter().map(value).collect::<Result<Vec<_>, _>>()?;
    let path = home.join(NAME);
    // Two that edit at the same time must not undo each other.
    let _lock = lock(home)?;
    let old = file::text(&path)?.unwrap_or_default();
    let (mut new, mut changed) = (old.clone(), Vec::with_capacity(changes.len()));
    for (change, value) in changes.iter().zip(values) {
        let next = edited(&new, &change.named, value.as_ref(), &path)?;
        changed.push(next != new);
        new = next;
    }
    if old == new {
        return Ok(vec![false; changes.len()]);
    }
    // A variable that makes no sense is not the file's fault, so only the file is looked at.
    let name = path.display().to_string();
    Resolved::of(&File::parse(&new, &name)?, &Environment::default(), &[], &name)?;
    write(&path, &new)?;
    Ok(changed)
}

fn lock(home: &Path) -> Result<fs::File, Problem> {
    let failed = |error: std::io::Error| file_problem("use", home, &error);
    let dir = fs::File::open(home).map_err(failed)?;
    dir.lock().map_err(failed)?;
    Ok(dir)
}

/// The text after one change.
///
/// # Errors
/// When the old text is no TOML, or has something else where a table must be.
pub(crate) fn edited(old: &str, named: &Named, value: Option<&Value>, path: &Path) -> Result<String, Problem> {
    let mut document: DocumentMut = old.parse().map_err(|error: toml_edit::TomlError| {
        let what = format!("{} is not TOML: {}", path.display(), error.message());
        Problem::new(Code::Invalid, what).hint("mend it with an editor first: toml.io shows how it is written")
    })?;
    let (table, key) = named.setting.parts();
    match value {
        Some(value) => put(table_of(document.as_table_mut(), table)?, key, named, value)?,
        None => take(document.as_table_mut(), table, key, named),
    }
    Ok(as_before(old, &document.to_string()))
}

/// The table of this name, made where there is none.
fn table_of<'a>(outer: &'a mut dyn TableLike, name: &str) -> Result<&'a mut dyn TableLike, Problem> {
    let item = outer.entry(name).or_insert(Item::Table(Table::new()));
    item.as_table_like_mut().ok_or_else(|| {
        let problem = Problem::new(Code::Invalid, format!("{name}: this must be a table"));
        problem.hint(format!("write [{name}] and its keys below"))
    })
}

fn put(table: &mut dyn TableLike, key: &str, named: &Named, value: &Value) -> Result<(), Problem> {
    let Value::Map(pairs) = value else {
        replace(table, key, value);
        return Ok(());
    };
    let lines = table_of(table, key)?;
    if named.line.is_none() {
        lines.clear();
    }
    for (name, text) in pairs {
        replace(lines, name, &Value::Text(text.clone()));
    }
    Ok(())
}

/// Puts a value in the place of another, with the comment that stands behind it.
fn replace(table: &mut dyn TableLike, key: &str, value: &Value) {
    let mut new = toml_of(value);
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *new.decor_mut() = old.decor().clone();
    }
    table.insert(key, Item::Value(new));
}

fn take(root: &mut dyn TableLike, table: &str, key: &str, named: &Named) {
    let Some(table) = root.get_mut(table).and_then(Item::as_table_like_mut) else { return };
    match &named.line {
        None => drop(table.remove(key)),
        Some(line) => {
            if let Some(lines) = table.get_mut(key).and_then(Item::as_table_like_mut) {
                drop(lines.remove(line));
            }
        }
    }
}

fn toml_of(value: &Value) -> TomlValue {
    match value {
        Value::Flag(flag) => (*flag).into(),
        Value::Number(number) => i64::try_from(*number).unwrap_or(i64::MAX).into(),
        Value::List(texts) => TomlValue::Array(texts.iter().map(String::as_str).collect::<Array>()),
        Value::Map(pairs) => {
            TomlValue::InlineTable(pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<InlineTable>())
        }
        other => other.text().into(),
    }
}

/// Writes the file beside the old one and puts it in its place. A link stays one.
fn write(path: &Path, text: &str) -> Result<(), Problem> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = fs::metadata(&target).map_or(MODE_NEW, |meta| meta.permissions().mode() & 0o777);
    let new = beside(&target);
    let failed = |error: std::io::Error| file_problem("write", &new, &error);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&new)?;
        // The umask may have taken something away that the old file had, or an earlier try left another mode.
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &target)
    })();
    if written.is_err() {
        // What is left of it would be in the way of nobody; `antiphon doctor` names it.
        let _ = fs::remove_file(&new);
    }
    written.map_err(failed)
}

fn beside(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    target.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited_by(old: &str, name: &str, text: Option<&str>) -> Result<String, Problem> {
        let named = Named::read(name)?;
        let value = text.map(|text| named.value(text)).transpose()?;
        edited(old, &named, value.as_ref(), Path::new("f.toml"))
    }

    #[test]
    fn comments_and_order_stay() {
        let old =
            "# ours\n[outbox] # what waits\nretry = \"15s\"   # soon\nitems_per_peer = 7\n\n[storage]\noffer = true\n";
        let new = edited_by(old, "outbox.retry", Some("5s")).unwrap();
        assert_eq!(new, old.replace("15s", "5s"));
        let new = edited_by(old, "storage.quota_mib", Some("512")).unwrap();
        assert_eq!(new, format!("{old}quota_mib = 512\n"));
        assert_eq!(edited_by(old, "outbox.items_per_peer", None).unwrap(), old.replace("items_per_peer = 7\n", ""));
        assert_eq!(edited_by(old, "dht.mode", None).unwrap(), old, "what is not there cannot be taken out");
        let windows = old.replace('\n', "\r\n");
        assert_eq!(edited_by(&windows, "outbox.retry", Some("5s")).unwrap(), windows.replace("15s", "5s"));
    }

    #[test]
    fn a_new_table_is_made_and_lists_are_lists() {
        assert_eq!(edited_by("", "http.listen", Some("127.0.0.1:0")).unwrap(), "[http]\nlisten = \"127.0.0.1:0\"\n");
        let listen = "/ip4/127.0.0.1/tcp/0, /ip6/::1/tcp/0";
        let new = edited_by("", "node.listen", Some(listen)).unwrap();
        assert_eq!(new, "[node]\nlisten = [\"/ip4/127.0.0.1/tcp/0\", \"/ip6/::1/tcp/0\"]\n");
    }

    #[test]
    fn one_line_of_a_table_is_set_and_the_others_stay() {
        let old = "[outbox]\nlevels.message = \"moderate\" # ours\nlevels.planner = \"none\"\n";
        let new = edited_by(old, "outbox.levels.message", Some("none")).unwrap();
        assert_eq!(new, old.replace("\"moderate\"", "\"none\""));
        assert_eq!(File::parse(&edited_by(old, "outbox.levels.planner", None).unwrap(), "f").unwrap().given.len(), 1);
        let all = edited_by(old, "outbox.levels", Some("planner=moderate")).unwrap();
        assert!(!all.contains("message") && all.contains("moderate"), "{all}");
    }

    #[test]
    fn a_file_is_replaced_at_once_keeps_its_mode_and_is_left_alone_when_it_would_be_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let set = |name: &str, text: &str| {
            let named = Named::read(name).unwrap();
            super::set(dir.path(), &[Change { named, value: Some(text) }]).map(|changed| changed == [true])
        };
        let retry = |text: &str| set("outbox.retry", text);
        assert!(retry("5s").unwrap());
        assert_eq!(mode(), 0o600);
        assert!(!retry("5s").unwrap(), "nothing changed");
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(retry("6s").unwrap());
        assert_eq!(mode(), 0o640);
        let before = fs::read_to_string(&path).unwrap();
        assert!(retry("soon").is_err());
        assert!(set("replication.providers_per_key", "2").is_err());
        fs::write(&path, format!("{before}[storage]\noffer = 3\n")).unwrap();
        assert!(retry("7s").unwrap_err().what.contains("storage.offer"));
        assert!(set("storage.offer", "true").unwrap(), "the slip itself is mended");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn what_makes_sense_only_together_is_set_and_taken_out_together() {
        let dir = tempfile::tempdir().unwrap();
        let set = |pairs: &[(&str, Option<&'static str>)]| {
            let change = |(name, value): &(&str, Option<&'static str>)| Change {
                named: Named::read(name).unwrap(),
                value: *value,
            };
            super::set(dir.path(), &pairs.iter().map(change).collect::<Vec<_>>())
        };
        let text = || fs::read_to_string(dir.path().join(NAME)).unwrap();
        assert!(set(&[("http.tls_cert", Some("c.pem"))]).unwrap_err().what.contains("http.tls_key"));
        assert!(!dir.path().join(NAME).exists());
        let both = [("http.tls_cert", Some("c.pem")), ("http.tls_key", Some("k.pem"))];
        assert_eq!(set(&both).unwrap(), [true, true]);
        assert_eq!(text(), "[http]\ntls_cert = \"c.pem\"\ntls_key = \"k.pem\"\n");
        let renewed = [("http.tls_cert", Some("new.pem")), ("http.tls_key", Some("k.pem"))];
        assert_eq!(set(&renewed).unwrap(), [true, false]);
        assert!(set(&[("outbox.retry", Some("5s")), ("http.tls_key", None)]).is_err());
        assert!(text().contains("new.pem") && !text().contains("retry"), "all or nothing: {}", text());
        assert_eq!(set(&[("http.tls_cert", None), ("http.tls_key", None)]).unwrap(), [true, true]);
        assert!(!text().contains("pem"), "{}", text());
    }

    #[test]
    fn an_unknown_name_is_told_with_the_nearest() {
        assert!(Named::read("outbox.retrys").unwrap_err().to_string().contains("outbox.retry"));
        assert!(Named::read("retry").unwrap_err().to_string().contains("outbox.retry"));
        assert!(Named::read("outbox.retry.more").is_err());
    }
}
