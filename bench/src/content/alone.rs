//! Our side of a round, in a process of its own: its answer is one line of numbers.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use antiphon_store::{Db, Options};
use antiphon_vault::{RoleSecret, document};

use crate::Outcome;
use crate::corpus::Random;

/// One round, in seconds and KiB.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub put: f64,
    pub put_cpu: f64,
    pub get: f64,
    pub get_cpu: f64,
    /// Most memory during both, above what the process had before them.
    pub rss_kib: f64,
}

/// Starts the process and reads its answer.
pub fn round(dir: &Path, plain: &Path, roles: usize) -> Outcome<Measured> {
    let home = dir.join("home");
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.arg("content-alone").arg(&home).arg(plain).arg(roles.to_string()).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    super::clear(&home)?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [put, put_cpu, get, get_cpu, rss_kib] = numbers[..] else { return Err(format!("answered {text:?}").into()) };
    Ok(Measured { put, put_cpu, get, get_cpu, rss_kib })
}

/// The process: `content-alone HOME FILE ROLES`.
pub fn run(arguments: &[String]) -> Outcome<()> {
    let [home, plain, roles] = arguments else { return Err("content-alone HOME FILE ROLES".into()) };
    let (home, plain) = (Path::new(home), Path::new(plain));
    let roles: Vec<RoleSecret> =
        (0..roles.parse::<usize>()?).map(|_| RoleSecret::generate()).collect::<Result<_, _>>()?;
    let recipients: Vec<String> = roles.iter().map(RoleSecret::recipient).collect();
    let mut db = Db::open(home, Options::default(), None)?;
    let blobs = db.blobs();
    // The first document makes directories and threads; a node does that once.
    let mut writing = blobs.begin()?;
    document::encrypt(&recipients, &b"warm"[..], &mut writing)?;
    db.keep_blob(&writing.finish()?)?;
    let idle = status("VmRSS:")?;

    let (began, before) = (Instant::now(), own_cpu()?);
    let mut writing = blobs.begin()?;
    let put_bytes = document::encrypt(&recipients, File::open(plain)?, &mut writing)?;
    let finished = writing.finish()?;
    db.keep_blob(&finished)?;
    let (put, put_cpu) = (began.elapsed().as_secs_f64(), own_cpu()? - before);

    let back = home.join("back");
    let last = roles.last().ok_or("no role")?;
    let (began, before) = (Instant::now(), own_cpu()?);
    let mut out = File::create(&back)?;
    let got_bytes = document::decrypt(&[last], blobs.reader(&finished.name())?, &mut out)?;
    let (get, get_cpu) = (began.elapsed().as_secs_f64(), own_cpu()? - before);
    if put_bytes != got_bytes || got_bytes != fs::metadata(plain)?.len() {
        return Err("something else came back".into());
    }
    let rss = status("VmHWM:")? - idle;
    println!("{put} {put_cpu} {get} {get_cpu} {rss}");
    Ok(())
}

/// A file of random bytes, on the disk.
pub fn make_file(path: &Path, size: u64) -> Outcome<()> {
    let mut random = Random(size);
    let mut out = BufWriter::new(File::create(path)?);
    for _ in 0..size.div_ceil(8) {
        out.write_all(&random.next().to_le_bytes())?;
    }
    out.into_inner()?.sync_all()?;
    Ok(())
}

/// A line of `/proc/self/status`, in KiB.
fn status(key: &str) -> Outcome<f64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)).ok_or("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Seconds of processor time of this process.
fn own_cpu() -> Outcome<f64> {
    cpu(11)
}

/// Seconds of processor time of the processes that this one waited for.
pub fn children_cpu() -> Outcome<f64> {
    cpu(13)
}

/// Two fields of `/proc/self/stat`, counted after the name: in user mode, and in the system.
fn cpu(first: usize) -> Outcome<f64> {
    /// What the kernel counts by, whatever its own clock does.
    const TICKS_PER_SECOND: f64 = 100.0;
    let text = fs::read_to_string("/proc/self/stat")?;
    let (_, after) = text.rsplit_once(") ").ok_or("no name")?;
    let fields: Vec<&str> = after.split(' ').collect();
    let ticks = |at: usize| -> Outcome<f64> { Ok(fields.get(at).ok_or("too few fields")?.parse()?) };
    Ok((ticks(first)? + ticks(first + 1)?) / TICKS_PER_SECOND)
}
