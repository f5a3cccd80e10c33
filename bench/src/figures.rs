//! Printing what was measured, as rows of a Markdown table.

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
    println!("| work | measured | beside it |\n|---|---|---|");
}

/// Prints one row.
pub fn row(work: &str, measured: &str, beside: &str) {
    println!("| {work} | {measured} | {beside} |");
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
