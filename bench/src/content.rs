//! Documents: encrypted and kept, read back and decrypted, beside the stock `age` command on the same file.
//!
//! Each of our rounds runs in a process of its own (see [`alone`]), so that what memory it took can be told. Ours keeps
//! every block's hash, waits for the disk and writes a row; `age` writes a file and leaves it to the system when it
//! reaches the disk, so it is measured both ways.

mod alone;
mod between;
mod stock;

use std::path::Path;

use crate::Outcome;
use crate::figures::{Aim, aimed, median, row};
use alone::Measured;
pub use alone::run as alone;

/// Roles that a document is encrypted to.
const ROLES: usize = 5;
const SIZES: [(u64, &str, usize); 3] = [(1 << 10, "1 KiB", 31), (1 << 20, "1 MiB", 31), (1 << 30, "1 GiB", 7)];

pub async fn run(parts: &[String]) -> Outcome<()> {
    if parts.is_empty() || parts.iter().any(|part| part == "between") {
        between::run().await?;
    }
    if !stock::is_here() {
        row("documents", "skipped: the age tool is not installed here", "");
        return Ok(());
    }
    for (size, name, rounds) in SIZES {
        if parts.is_empty() || parts.iter().any(|part| name.replace(' ', "").eq_ignore_ascii_case(part)) {
            compare(size, name, rounds)?;
        }
    }
    Ok(())
}

fn compare(size: u64, name: &str, rounds: usize) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let plain = dir.path().join("plain");
    alone::make_file(&plain, size)?;
    let keys = stock::keys(dir.path(), ROLES)?;
    let mut ours: Vec<Measured> = Vec::new();
    let mut theirs: Vec<stock::Measured> = Vec::new();
    for round in 0..rounds {
        // Whoever comes second finds the disk busy with what the first one left.
        if round % 2 == 0 {
            ours.push(alone::round(dir.path(), &plain, ROLES)?);
            theirs.push(stock::round(dir.path(), &plain, &keys)?);
        } else {
            theirs.push(stock::round(dir.path(), &plain, &keys)?);
            ours.push(alone::round(dir.path(), &plain, ROLES)?);
        }
    }
    print(name, &ours, &theirs);
    Ok(())
}

fn print(name: &str, ours: &[Measured], theirs: &[stock::Measured]) {
    let of = |what: fn(&Measured) -> f64| median(&mut ours.iter().map(what).collect::<Vec<_>>());
    let by = |what: fn(&stock::Measured) -> f64| median(&mut theirs.iter().map(what).collect::<Vec<_>>());
    let (put, put_cpu) = (of(|one| one.put), of(|one| one.put_cpu));
    let (made, made_cpu, synced) = (by(|one| one.made), by(|one| one.made_cpu), by(|one| one.made + one.synced));
    let (get, get_cpu) = (of(|one| one.get), of(|one| one.get_cpu));
    let (opened, opened_cpu) = (by(|one| one.opened), by(|one| one.opened_cpu));
    let rss = ours.iter().map(|one| one.rss_kib).fold(0.0, f64::max) / 1024.0;
    let least = |times: Vec<f64>| times.into_iter().fold(f64::INFINITY, f64::min);
    let best_put = least(ours.iter().map(|one| one.put).collect());
    let best_made = least(theirs.iter().map(|one| one.made).collect());
    let best_synced = least(theirs.iter().map(|one| one.made + one.synced).collect());
    let best_get = least(ours.iter().map(|one| one.get).collect());
    let best_opened = least(theirs.iter().map(|one| one.opened).collect());
    row(
        &format!("document of {name} to {ROLES} roles: encrypted, hashed, durable, noted"),
        &format!(
            "{}, best {} ({} of processors); at most {rss:.0} MiB above idle",
            time(put),
            time(best_put),
            time(put_cpu)
        ),
        &format!(
            "age: {}, best {} ({}), {:.2} ×, best {:.2} ×; with sync {}, {:.2} ×, best {:.2} ×",
            time(made),
            time(best_made),
            time(made_cpu),
            made / put,
            best_made / best_put,
            time(synced),
            synced / put,
            best_synced / best_put
        ),
    );
    row(
        &format!("document of {name}: every block checked, decrypted into a file"),
        &format!("{}, best {} ({} of processors)", time(get), time(best_get), time(get_cpu)),
        &format!(
            "age -d: {}, best {} ({}), {:.2} ×, best {:.2} ×",
            time(opened),
            time(best_opened),
            time(opened_cpu),
            opened / get,
            best_opened / best_get
        ),
    );
    print_whole(name, put + get, made + opened, rss);
}

/// Both ways together, against the stock tool that waits for nothing.
fn print_whole(name: &str, whole: f64, theirs: f64, rss_mib: f64) {
    let aims = if name == "1 GiB" {
        vec![Aim::at_least(theirs / whole, 0.8, "× age"), Aim::at_most(rss_mib * 1.048_576, 64.0, "MB above idle")]
    } else {
        vec![]
    };
    let beside = format!("age: {}, {:.2} ×", time(theirs), theirs / whole);
    aimed(&format!("document of {name}: both ways"), &format!("{}, {rss_mib:.0} MiB", time(whole)), &beside, &aims);
}

fn time(seconds: f64) -> String {
    if seconds < 0.1 { format!("{:.2} ms", seconds * 1e3) } else { format!("{seconds:.2} s") }
}

/// Removes what a round made.
fn clear(path: &Path) -> Outcome<()> {
    if path.is_dir() {
        std::fs::remove_dir_all(path)?;
    } else if path.exists() {
        std::fs::remove_file(path)?;
    }
    Ok(())
}
