//! The stock `age` command.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use antiphon_vault::RoleSecret;

use crate::Outcome;

/// One round, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub made: f64,
    pub made_cpu: f64,
    /// Until what was made is on the disk.
    pub synced: f64,
    pub opened: f64,
    pub opened_cpu: f64,
}

/// A role as the tool knows it.
pub struct Key {
    recipient: String,
    file: PathBuf,
}

/// Whether the tool can be run.
pub fn is_here() -> bool {
    Command::new("age").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

pub fn keys(dir: &Path, count: usize) -> Outcome<Vec<Key>> {
    let key = |number: usize| -> Outcome<Key> {
        let (role, file) = (RoleSecret::generate()?, dir.join(format!("key{number}")));
        fs::write(&file, role.expose_age_identity().as_bytes())?;
        Ok(Key { recipient: role.recipient(), file })
    };
    (0..count).map(key).collect()
}

pub fn round(dir: &Path, plain: &Path, keys: &[Key]) -> Outcome<Measured> {
    let (cipher, back) = (dir.join("stock.age"), dir.join("stock.plain"));
    let mut make = Command::new("age");
    for key in keys {
        make.args(["-r", &key.recipient]);
    }
    make.arg("-o").arg(&cipher).arg(plain);
    let (made, made_cpu) = timed(&mut make)?;
    let began = Instant::now();
    File::open(&cipher)?.sync_data()?;
    let synced = began.elapsed().as_secs_f64();
    let last = keys.last().ok_or("no key")?;
    let mut open = Command::new("age");
    open.arg("-d").arg("-i").arg(&last.file).arg("-o").arg(&back).arg(&cipher);
    let (opened, opened_cpu) = timed(&mut open)?;
    if fs::metadata(&back)?.len() != fs::metadata(plain)?.len() {
        return Err("age gave back something else".into());
    }
    super::clear(&cipher)?;
    super::clear(&back)?;
    Ok(Measured { made, made_cpu, synced, opened, opened_cpu })
}

/// How long a command took, and how long it used processors.
fn timed(command: &mut Command) -> Outcome<(f64, f64)> {
    let (began, before) = (Instant::now(), super::alone::children_cpu()?);
    let status = command.status()?;
    let took = began.elapsed().as_secs_f64();
    if !status.success() {
        return Err(format!("{command:?} failed").into());
    }
    Ok((took, super::alone::children_cpu()? - before))
}
