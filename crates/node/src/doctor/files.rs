//! Files of a home: who may read them, what crashed programs left, who holds the home.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Ailment, Checked, Mend, count};
use crate::home::{self, Home};

/// Most files of a home that are looked at.
const FILES_MAX: usize = 1_000;
/// What programs that crashed leave: a file that was to take another one's place.
const LEFT: [(&str, &str); 3] = [(".new-", ""), ("", ".tmp"), ("", ".part")];

/// A file of the home that nobody else may read, and what it is worth.
struct Guarded {
    path: PathBuf,
    mode: u32,
    worth: &'static str,
    secret: bool,
}

fn guarded(home: &Home) -> Vec<Guarded> {
    let dir = home.path();
    let secret = |path: PathBuf, worth| Guarded { path, mode: 0o600, worth, secret: true };
    let other = |name: &str, mode, worth| Guarded { path: dir.join(name), mode, worth, secret: false };
    vec![
        Guarded {
            path: dir.to_owned(),
            mode: 0o700,
            worth: "whoever can enter it reads the team's memory",
            secret: false,
        },
        secret(home.key(), "whoever reads it is this node"),
        secret(home.token(), "whoever reads it can ask this node everything"),
        secret(home.http_key(), "whoever reads it can pretend to be the HTTP door"),
        secret(home.socket(), "whoever can open it can ask this node everything"),
        other("antiphon.db", 0o600, "it holds what the team remembers"),
        other("antiphon.db-wal", 0o600, "it holds what the team remembers"),
        other("search.db", 0o600, "it holds the words of what the team remembers"),
        other("search.db-wal", 0o600, "it holds the words of what the team remembers"),
        other("node.log", 0o600, "it names members and what was done"),
        other("content", 0o700, "it holds documents, encrypted"),
    ]
}

/// Who may read and write what.
pub(super) fn modes(home: &Home) -> Checked {
    let (mut ailments, mut seen) = (Vec::new(), 0);
    for file in guarded(home) {
        let Ok(meta) = fs::symlink_metadata(&file.path) else { continue };
        seen += 1;
        ailments.extend(of_owner(&file.path, &meta));
        let mode = meta.permissions().mode() & 0o7777;
        if !meta.is_symlink() && mode & 0o077 != 0 {
            let what = format!("others may use {}: its mode is {mode:04o}", file.path.display());
            let fix = format!("chmod {:o} {}", file.mode, quoted(&file.path));
            let found = if file.secret { Ailment::error } else { Ailment::warning };
            ailments.push(
                found(what, file.worth.to_owned(), fix).mended_by(Mend::Mode { path: file.path, mode: file.mode }),
            );
        }
    }
    if !home.key().exists() && home.path().join("antiphon.db").exists() {
        let what = format!("the key {} is gone, and the database is there", home.key().display());
        let why = "nothing can be signed without it, and no other key may write into this database";
        ailments.push(Ailment::error(what, why, "antiphon recover TICKET (it asks for the recovery phrase)"));
    }
    Checked::new("files", format!("{} looked at", count(seen, "file")), ailments)
}

fn of_owner(path: &Path, meta: &Metadata) -> Option<Ailment> {
    let own = rustix::process::geteuid().as_raw();
    (meta.uid() != own).then(|| {
        let what = format!("{} belongs to the user {}", path.display(), meta.uid());
        let why = format!("this program runs as the user {own}, who may not be let in");
        Ailment::error(what, why, format!("sudo chown {own} {}", quoted(path)))
    })
}

/// What programs that crashed left behind.
pub(super) fn leftovers(home: &Home) -> Checked {
    let mut ailments = Vec::new();
    for path in entries(home.path()).unwrap_or_default() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let left = LEFT
            .iter()
            .any(|(start, end)| name.starts_with(start) && name.ends_with(end) && name.len() > start.len() + end.len());
        if left && path.is_file() {
            let what = format!("{} was left behind by a program that did not end well", path.display());
            let why = "it takes room, and nothing reads it";
            let fix = format!("rm {}", quoted(&path));
            ailments.push(Ailment::warning(what, why, fix).mended_by(Mend::Remove { path }));
        }
    }
    Checked::new("leftovers", "temporary files", ailments)
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir)?.take(FILES_MAX);
    Ok(entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
}

/// Who holds the home. The lock lets one in, unless its file was removed or the home lies on a file system without locks.
pub(super) fn holders(home: &Home) -> Checked {
    let others = nodes_of(home);
    let holder = match home.lock_holder() {
        Ok(holder) => holder,
        Err(error) => {
            let what = format!("it cannot be told who holds the home: {error}");
            let fix = format!("ls -l {}", quoted(home.path()));
            return Checked::new(
                "daemon",
                String::new(),
                vec![Ailment::error(what, "without that a second node may start", fix)],
            );
        }
    };
    let said = match (&holder, others.as_slice()) {
        (home::Holder::Nobody, []) => "no node runs".to_owned(),
        (home::Holder::Nobody, _) => "a node runs, and does not hold the home".to_owned(),
        (home::Holder::Process(Some(pid)), _) => format!("process {pid} holds the home"),
        (home::Holder::Process(None), _) => "a process holds the home".to_owned(),
    };
    let one = match holder {
        home::Holder::Process(pid) => pid,
        home::Holder::Nobody => None,
    };
    let stray = others.into_iter().filter(|pid| Some(*pid) != one);
    let ailments = stray.map(|pid| {
        let what = format!("process {pid} runs a second node on {}", home.path().display());
        let why = "two nodes write histories that part, and other members stop believing both";
        Ailment::error(what, why, format!("kill {pid}"))
    });
    Checked::new("daemon", said, ailments.collect())
}

/// Processes of this program that run a node and have the database of the home open.
fn nodes_of(home: &Home) -> Vec<u32> {
    let Ok(database) = fs::metadata(home.path().join("antiphon.db")) else { return Vec::new() };
    let same =
        |path: &Path| fs::metadata(path).is_ok_and(|meta| (meta.dev(), meta.ino()) == (database.dev(), database.ino()));
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let mut nodes = Vec::new();
    for process in processes.filter_map(Result::ok) {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let runs = command.split(|byte| *byte == 0).any(|word| word == b"up");
        // Those of other users do not show what they have open.
        let open = runs && entries(&process.path().join("fd")).is_ok_and(|files| files.iter().any(|file| same(file)));
        if open {
            nodes.push(pid);
        }
    }
    nodes.sort_unstable();
    nodes
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%=".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_for_a_shell() {
        assert_eq!(quoted(Path::new("/home/a b/it's")), "'/home/a b/it'\\''s'");
        assert_eq!(quoted(Path::new("/home/alice/.local")), "/home/alice/.local");
    }

    #[test]
    fn what_others_may_read_is_found_and_named_with_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        home.create().unwrap();
        fs::write(home.key(), "secret").unwrap();
        fs::set_permissions(home.key(), fs::Permissions::from_mode(0o644)).unwrap();
        let found = modes(&home).ailments;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].fix.starts_with("chmod 600 ") && found[0].what.contains("0644"), "{found:?}");
        fs::set_permissions(home.key(), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(modes(&home).ailments, []);
        fs::write(home.path().join("antiphon.toml.tmp"), "").unwrap();
        fs::write(home.path().join(".new-0a"), "").unwrap();
        assert_eq!(leftovers(&home).ailments.len(), 2);
    }
}
