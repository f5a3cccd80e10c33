//! `[replication]`: how many copies of a document there should be, and how this node cares for them.

use antiphon_core::replication::{FACTOR_MAX, Settings};
use antiphon_server::time::parse_duration_ms;

use crate::outcome::Problem;
use crate::toml_reader::Entry;

/// Shortest of all spans, in milliseconds. What is shorter would have members ask each other without end.
const SPAN_MS_MIN: u64 = 1_000;
/// Longest of all spans, in milliseconds: 30 days.
const SPAN_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Most holders that may be known of one document.
const PROVIDERS_MAX: u64 = 64;
/// Most copies that may be made at once.
const CONCURRENT_MAX: u64 = 64;

/// Reads the table.
///
/// # Errors
/// Where it is wrong.
pub(super) fn read(entry: &Entry<'_>) -> Result<Settings, Problem> {
    let table = entry.table(&[
        "factor",
        "grace",
        "reprovide_interval",
        "cleanup_interval",
        "provider_ttl",
        "proof_age",
        "providers_per_key",
        "automatic",
        "reprovide",
        "concurrent",
        "keep_own",
    ])?;
    let mut settings = Settings::default();
    if let Some(factor) = table.get("factor") {
        let copies = factor.number(1, u64::from(FACTOR_MAX))?;
        settings.factor = u8::try_from(copies).unwrap_or(FACTOR_MAX);
    }
    let spans = [
        ("grace", &mut settings.grace_ms),
        ("reprovide_interval", &mut settings.reprovide_ms),
        ("cleanup_interval", &mut settings.cleanup_ms),
        ("provider_ttl", &mut settings.provider_ttl_ms),
        ("proof_age", &mut settings.proof_ms),
    ];
    for (name, setting) in spans {
        if let Some(given) = table.get(name) {
            let ms = parse_duration_ms(given.text()?).filter(|ms| (SPAN_MS_MIN..=SPAN_MS_MAX).contains(ms));
            let hint = "write it as 30s, 10m or 12h, from 1s to 30d";
            *setting = ms.ok_or_else(|| given.wrong("this is not a span of time", hint))?;
        }
    }
    let numbers = [
        ("providers_per_key", &mut settings.providers_per_key, PROVIDERS_MAX),
        ("concurrent", &mut settings.concurrent, CONCURRENT_MAX),
    ];
    for (name, setting, most) in numbers {
        if let Some(given) = table.get(name) {
            *setting = usize::try_from(given.number(1, most)?).unwrap_or(*setting);
        }
    }
    let flags = [
        ("automatic", &mut settings.automatic),
        ("reprovide", &mut settings.reprovide),
        ("keep_own", &mut settings.keep_own),
    ];
    for (name, setting) in flags {
        if let Some(given) = table.get(name) {
            *setting = given.flag()?;
        }
    }
    let factor = usize::from(settings.factor);
    match table.get("providers_per_key") {
        Some(known) if settings.providers_per_key < factor => Err(known.wrong(
            "fewer holders would be known than there should be copies",
            &format!("set it to at least {factor}, or the factor lower"),
        )),
        _ => Ok(Settings { providers_per_key: settings.providers_per_key.max(factor), ..settings }),
    }
}
