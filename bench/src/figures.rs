//! Printing what was measured, as rows of a Markdown table: beside what, and beside what the specification aims at.

use std::fs;
use std::time::Duration;

/// Prints the machine and the head of the table.
pub fn print_head() {
    let field = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).map(str::to_owned);
        line.and_then(|line| line.split_once(':').map(|(_, value)| value.trim().to_owned())).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (cpu, memory) = (field("/proc/cpuinfo", "model name"), field("/proc/meminfo", "MemTotal"));
    println!("Machine: {cores} cores ({cpu}), {memory} of memory, {}.\n", std::env::consts::OS);
    println!("| work | measured | beside it | aim |\n|---|---|---|---|");
}

/// What a figure is to reach.
pub struct Aim {
    text: String,
    reached: bool,
}

impl Aim {
    /// `value` is to be `most` of `unit`, or less.
    pub fn at_most(value: f64, most: f64, unit: &str) -> Self {
        Self { text: format!("≤ {} {unit}", shown(most)), reached: value <= most }
    }

    /// `value` is to be `least` of `unit`, or more.
    pub fn at_least(value: f64, least: f64, unit: &str) -> Self {
        Self { text: format!("≥ {} {unit}", shown(least)), reached: value >= least }
    }
}

/// Prints one row that has no aim.
pub fn row(work: &str, measured: &str, beside: &str) {
    aimed(work, measured, beside, &[]);
}

/// Prints one row, and of each of its aims whether it was reached.
pub fn aimed(work: &str, measured: &str, beside: &str, aims: &[Aim]) {
    let said = |aim: &Aim| format!("{}: {}", aim.text, if aim.reached { "reached" } else { "**missed**" });
    println!("| {work} | {measured} | {beside} | {} |", aims.iter().map(said).collect::<Vec<_>>().join("; "));
}

fn shown(aim: f64) -> String {
    if aim >= 1_000.0 { thousands(aim) } else { aim.to_string() }
}

/// The middle of several measurements.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The value that `part` of the sorted durations do not pass, in milliseconds.
pub fn percentile_ms(sorted: &[Duration], part: f64) -> f64 {
    let at = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |value| value.as_secs_f64() * 1e3)
}

/// `1234567.8` as `1,234,568`.
pub fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
