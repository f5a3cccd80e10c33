//! Free space and free files.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::files::quoted;
use super::{Ailment, Checked};

/// Fewer free files than this are too few: SQLite and every document need some.
const FILES_MIN: u64 = 1_000;
/// Below this many times what is to stay free a person should know.
const SOON: u64 = 4;
/// Bytes that are written to see whether anything can be written.
const PROBE_BYTES: usize = 4_096;
/// The file for that; whoever finds it may remove it.
const PROBE: &str = "probe.tmp";

/// What is left of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Bytes it has in all.
    pub total_bytes: u64,
    /// Files that may still be made, where the file system counts them.
    pub free_files: Option<u64>,
}

impl DiskSpace {
    /// Whether there is enough to go on.
    pub fn suffices(&self, reserve_bytes: u64) -> bool {
        self.free_bytes >= reserve_bytes && self.free_files.is_none_or(|files| files >= FILES_MIN)
    }
}

/// What is left of the disk at `path`.
pub(super) fn space(path: &Path) -> io::Result<DiskSpace> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(DiskSpace {
        free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        free_files: (stat.f_files > 0).then_some(stat.f_favail),
    })
}

/// Writes something and removes it again.
pub(super) fn probe(dir: &Path) -> io::Result<()> {
    // Each has a name of its own, so that two that ask at once do not disturb each other.
    let path = dir.join(format!("{}-{}", unique(), PROBE));
    let written = fs::File::create(&path).and_then(|mut file| file.write_all(&[0; PROBE_BYTES]));
    let removed = fs::remove_file(&path);
    written.and(removed)
}

fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    (u64::from(std::process::id()) << 32) | (NEXT.fetch_add(1, Ordering::Relaxed) & 0xffff_ffff)
}

/// Whether there is enough.
pub(super) fn examine(home: &Path, reserve_bytes: u64) -> Checked {
    let fix = format!("antiphon content gc frees what nobody needs; df -h {} shows the disk", quoted(home));
    let space = match space(home) {
        Ok(space) => space,
        Err(error) => {
            let what = format!("it cannot be told how much of the disk is free: {error}");
            return Checked::new("disk", "", vec![Ailment::error(what, "nothing may be writable there", fix)]);
        }
    };
    let (free, total) = (shown(space.free_bytes), shown(space.total_bytes));
    let mut ailments = Vec::new();
    if space.free_bytes < reserve_bytes {
        let what = format!("{free} of {total} are free, and {} should stay so", shown(reserve_bytes));
        let why = "with a full disk nothing can be remembered and nothing is received";
        ailments.push(Ailment::error(what, why, fix.clone()));
    } else if space.free_bytes < reserve_bytes.saturating_mul(SOON) {
        let what = format!("{free} of {total} are free");
        let why = format!("below {} the node says that it is not ready", shown(reserve_bytes));
        ailments.push(Ailment::warning(what, why, fix.clone()));
    }
    if let Some(files) = space.free_files.filter(|files| *files < FILES_MIN) {
        let what = format!("only {files} more files can be made on this disk");
        let why = "a disk without free inodes is as good as full";
        ailments.push(Ailment::error(what, why, format!("df -i {} shows it; remove small files there", quoted(home))));
    }
    if ailments.is_empty()
        && let Err(error) = probe(home)
    {
        let what = format!("nothing can be written to {}: {error}", home.display());
        let why = "the file system is full for this user, or read-only";
        ailments.push(Ailment::error(
            what,
            why,
            format!("mount | grep \" $(df --output=target {} | tail -1) \"", quoted(home)),
        ));
    }
    Checked::new("disk", format!("{free} of {total} free"), ailments)
}

/// A number of bytes for people.
fn shown(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.iter().find(|(_, power)| bytes >> power > 0) {
        Some((unit, power)) => format!("{}.{} {unit}", bytes >> power, ((bytes >> (power - 10)) & 1_023) * 10 / 1_024),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_less_than_the_reserve_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(examine(dir.path(), 1).ailments, []);
        let found = examine(dir.path(), u64::MAX).ailments;
        assert_eq!((found.len(), found[0].severity), (1, super::super::Severity::Error));
        let plenty = DiskSpace { free_bytes: 10, total_bytes: 20, free_files: Some(FILES_MIN) };
        assert!(plenty.suffices(10) && !plenty.suffices(11));
        assert!(!DiskSpace { free_files: Some(FILES_MIN - 1), ..plenty }.suffices(1));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "the probe is gone");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(
            (shown(12), shown(1_536), shown(64 << 20)),
            ("12 bytes".into(), "1.5 KiB".into(), "64.0 MiB".into())
        );
    }
}
