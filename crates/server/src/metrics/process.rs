//! The process, by the names that other programs use for the same.

use std::fs;

use antiphon_core::time::UnixMillis;

use super::family::{Family, seconds};

/// Bytes of a kibibyte.
const KIBIBYTE: u64 = 1024;

/// What is known of the process. Where the system does not tell, the family is left out.
pub(super) fn families(started: UnixMillis) -> Vec<Family> {
    vec![
        Family::gauge("process_start_time", "When the node started.").seconds().of(seconds(started)),
        Family::gauge("process_resident_memory", "Memory that the process takes.").bytes().maybe(resident_bytes()),
        Family::gauge("process_open_fds", "Files and connections that the process has open.").maybe(open_files()),
    ]
}

/// Memory that the process takes. Reading from `/proc` does not wait for a disk.
pub(crate) fn resident_bytes() -> Option<u64> {
    resident_of(&fs::read_to_string("/proc/self/status").ok()?)
}

fn resident_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(KIBIBYTE)
}

/// Without the one by which they are counted.
fn open_files() -> Option<u64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(count.saturating_sub(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_the_system_writes_it() {
        assert_eq!(resident_of("Name:\tx\nVmRSS:\t   20 kB\nVmX:\t1 kB\n"), Some(20_480));
        assert_eq!(resident_of("Name:\tx\n"), None);
        assert_eq!(resident_of("VmRSS:\t99999999999999999999 kB\n"), None);
    }
}
