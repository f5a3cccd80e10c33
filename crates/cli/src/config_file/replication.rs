//! `[replication]`: how many copies of a document there should be, and how this node cares for them.

use antiphon_core::replication::FACTOR_MAX;

use super::setting::{Setting, Wrong};
use super::value::{Kind, Value};
use super::wanted::Wanted;

/// Shortest and longest of all spans, in milliseconds. What is shorter would have members ask each other without end.
const SPAN: Kind = Kind::Span { least: 1_000, most: 30 * 24 * 60 * 60 * 1_000 };
/// Most holders that may be known of one document.
const PROVIDERS_MAX: u64 = 64;
/// Most copies that may be made at once.
const CONCURRENT_MAX: u64 = 64;

/// A span, a switch or a number of the table.
macro_rules! setting {
    (span $name:literal, $field:ident, $what:literal) => {
        Setting::new(
            $name,
            SPAN,
            $what,
            |wanted| Value::Span(wanted.replication.$field),
            |wanted, value| {
                if let Value::Span(ms) = value {
                    wanted.replication.$field = *ms;
                }
                Ok(())
            },
        )
        .reloads()
    };
    (flag $name:literal, $field:ident, $what:literal) => {
        Setting::new(
            $name,
            Kind::Flag,
            $what,
            |wanted| Value::Flag(wanted.replication.$field),
            |wanted, value| {
                if let Value::Flag(on) = value {
                    wanted.replication.$field = *on;
                }
                Ok(())
            },
        )
        .reloads()
    };
    (number $name:literal, $field:ident, $most:expr, $what:literal) => {
        Setting::new(
            $name,
            Kind::Number { least: 1, most: $most },
            $what,
            |wanted| Value::Number(u64::try_from(wanted.replication.$field).unwrap_or($most)),
            |wanted, value| {
                if let Value::Number(number) = value {
                    wanted.replication.$field = (*number).try_into().unwrap_or(wanted.replication.$field);
                }
                Ok(())
            },
        )
        .reloads()
    };
}

/// The table.
pub(super) const SETTINGS: &[Setting] = &[
    setting!(flag "replication.automatic", automatic, "whether missing copies are made by themselves"),
    setting!(span "replication.cleanup_interval", cleanup_ms, "how often surplus copies and what nobody needs are looked for"),
    setting!(number "replication.concurrent", concurrent, CONCURRENT_MAX, "how many copies this machine has made at once"),
    Setting::new(
        "replication.factor",
        Kind::Number { least: 1, most: FACTOR_MAX as u64 },
        "how many copies of a document there should be; the same on every machine of the team",
        |wanted| Value::Number(u64::from(wanted.replication.factor)),
        |wanted, value| {
            if let Value::Number(number) = value {
                wanted.replication.factor = u8::try_from(*number).unwrap_or(FACTOR_MAX);
            }
            Ok(())
        },
    )
    .reloads(),
    setting!(span "replication.grace", grace_ms, "how long a holder may be away before it is replaced"),
    setting!(flag "replication.keep_own", keep_own, "whether what was stored here stays here even when enough others hold it"),
    setting!(
        span "replication.proof_age", proof_ms,
        "how old a proof may be for which a surplus copy is dropped; the same on every machine of the team"
    ),
    setting!(span "replication.provider_ttl", provider_ttl_ms, "how long a holder is believed without being asked again"),
    setting!(
        number "replication.providers_per_key", providers_per_key, PROVIDERS_MAX,
        "how many holders of one document are known; at least the factor"
    ),
    setting!(flag "replication.reprovide", reprovide, "whether copies are said and proved again by themselves"),
    setting!(span "replication.reprovide_interval", reprovide_ms, "how often what is held is said and proved again"),
];

/// What must hold between settings; names the one that is wrong. As many holders are known as there should be copies.
pub(super) fn agree(wanted: &mut Wanted, is_set: &dyn Fn(&str) -> bool) -> Result<(), (&'static str, Wrong)> {
    let (settings, known) = (&mut wanted.replication, "replication.providers_per_key");
    let factor = usize::from(settings.factor);
    if settings.providers_per_key >= factor {
        return Ok(());
    }
    if is_set(known) {
        let hint = format!("set it to at least {factor}, or the factor lower");
        return Err((known, Wrong::new("fewer holders would be known than there should be copies", hint)));
    }
    settings.providers_per_key = factor;
    Ok(())
}
