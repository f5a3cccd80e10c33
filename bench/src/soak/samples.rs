//! Memory, open files and disk of each daemon, over time.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use super::ledger::Ledger;
use super::load::totals;
use super::machine::Machine;
use crate::Outcome;
use crate::figures::{median, percentile_ms, row, thousands};

/// One machine at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Seconds since the load began.
    pub at: f64,
    /// Resident memory that is its own, in MiB: not the pages of files that it has mapped.
    pub memory: f64,
    /// Files that it has open.
    pub files: f64,
    /// Threads.
    pub threads: f64,
    /// Its home, in MiB.
    pub disk: f64,
    /// Facts that it holds.
    pub facts: f64,
}

/// The samples of all machines.
pub struct Samples {
    begun: Instant,
    /// Name and samples of each.
    pub machines: Vec<(&'static str, Vec<Sample>)>,
}

impl Samples {
    pub fn new(names: &[&'static str]) -> Self {
        Self { begun: Instant::now(), machines: names.iter().map(|name| (*name, Vec::new())).collect() }
    }

    /// Takes one of each machine that runs.
    pub async fn take(&mut self, machines: &[Machine]) {
        let at = self.begun.elapsed().as_secs_f64();
        for (machine, (_, samples)) in machines.iter().zip(&mut self.machines) {
            // One that is being restarted has none just now.
            if let Ok(sample) = sample(machine, at).await {
                samples.push(sample);
            }
        }
    }

    /// All of them, for whoever wants to draw another picture.
    pub fn csv(&self) -> String {
        let mut out = "machine,seconds,memory_mib,files,threads,disk_mib,facts\n".to_owned();
        for (name, samples) in &self.machines {
            for s in samples {
                let Sample { at, memory, files, threads, disk, facts } = s;
                let _ = writeln!(out, "{name},{at:.0},{memory:.1},{files},{threads},{disk:.1},{facts}");
            }
        }
        out
    }

    /// Prints what came of the run as rows.
    pub fn print(&self, whole: &str, ledgers: &[Ledger], restarts: &[Duration], rest: Duration, found: &[String]) {
        let done: u64 = ledgers.iter().map(Ledger::sum).sum();
        let unanswered: u64 = ledgers.iter().map(|ledger| ledger.unanswered).sum();
        let kinds: Vec<String> =
            totals(ledgers).iter().map(|(what, count)| format!("{what} {}", thousands(*count as f64))).collect();
        row("soak: done on three daemons", &thousands(done as f64), &kinds.join(", "));
        let mut waits: Vec<f64> = restarts.iter().map(Duration::as_secs_f64).collect();
        let slowest = waits.iter().copied().fold(0.0, f64::max);
        let again = format!("start until it answers p50 {:.2} s, at most {slowest:.2} s", median(&mut waits));
        row("soak: restarts, half of them SIGKILL", &restarts.len().to_string(), &again);
        row("soak: asked while a daemon was away", &thousands(unanswered as f64), "said again, or noted as unknown");
        let mut recalls: Vec<Duration> = ledgers.iter().flat_map(|ledger| ledger.recalls.clone()).collect();
        recalls.sort();
        let (p50, p99) = (percentile_ms(&recalls, 0.5), percentile_ms(&recalls, 0.99));
        row("soak: recall", &format!("p50 {p50:.2} ms, p99 {p99:.2} ms"), "with all the load beside it");
        for (name, samples) in &self.machines {
            let (first, last) = (part(samples, 0.1, 0.25), part(samples, 0.85, 1.0));
            let lives = if *name == whole { "runs all the time" } else { "is restarted" };
            let memory = format!("{:.1} → {:.1} MiB", middle(&first, |s| s.memory), middle(&last, |s| s.memory));
            let files = format!("{:.0} → {:.0} files", middle(&first, |s| s.files), middle(&last, |s| s.files));
            let facts =
                format!("{} → {} facts", thousands(middle(&first, |s| s.facts)), thousands(middle(&last, |s| s.facts)));
            row(&format!("soak: {name}, which {lives}"), &format!("{memory}, {files}"), &facts);
        }
        let wrong = if found.is_empty() {
            "nothing missing, nothing twice".to_owned()
        } else {
            format!("{} WRONG", found.len())
        };
        row("soak: all equal after the end of the load", &format!("{:.1} s", rest.as_secs_f64()), &wrong);
        for one in found.iter().take(20) {
            eprintln!("wrong: {one}");
        }
    }
}

/// The samples between two parts of the whole time.
fn part(samples: &[Sample], from: f64, to: f64) -> Vec<Sample> {
    let end = samples.last().map_or(0.0, |sample| sample.at);
    samples.iter().filter(|sample| (from * end..=to * end).contains(&sample.at)).copied().collect()
}

fn middle(samples: &[Sample], what: impl Fn(&Sample) -> f64) -> f64 {
    median(&mut samples.iter().map(what).collect::<Vec<_>>())
}

async fn sample(machine: &Machine, at: f64) -> Outcome<Sample> {
    let process = machine.process()?;
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |key: &str| -> Outcome<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).ok_or("no such line")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    };
    let files = fs::read_dir(format!("/proc/{process}/fd"))?.count() as f64;
    let facts = machine.client().status().await?.facts as f64;
    let (memory, threads) = (field("RssAnon:")? / 1024.0, field("Threads:")?);
    Ok(Sample { at, memory, files, threads, disk: machine.disk() as f64 / 1_048_576.0, facts })
}
