//! Times, as people read them. The doors write them in RFC 3339; a time that cannot be read is shown as it came.

use antiphon_server::time;

use super::safe;

/// Milliseconds since 1970 by this machine's clock; 0 where the clock stands before that.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How long ago it was: `now`, `5 min ago`, `12 d ago`.
pub(crate) fn ago(at: &str, now_ms: u64) -> String {
    match time::parse(at).map(|at| now_ms.saturating_sub(at.0)) {
        None => safe(at),
        Some(0..1_000) => "now".to_owned(),
        Some(ms) => format!("{} ago", time::age(ms)),
    }
}

/// The point in time to the minute: `2026-03-01 12:30 UTC`.
pub(crate) fn minute(at: &str) -> String {
    let Some(read) = time::parse(at) else { return safe(at) };
    let written = time::rfc3339(read);
    written.get(..16).map_or_else(|| written.clone(), |text| format!("{} UTC", text.replace('T', " ")))
}

/// The day of a point in time: `2026-03-01`.
pub(crate) fn day(at: &str) -> String {
    let written = minute(at);
    written.split(' ').next().map_or_else(|| written.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_and_what_cannot_be_read_is_safe() {
        assert_eq!(minute("2026-03-01T12:30:59.000Z"), "2026-03-01 12:30 UTC");
        assert_eq!(ago("1970-01-01T00:00:00.000Z", 500), "now");
        assert_eq!(ago("1970-01-01T00:00:00.000Z", 7_300_000), "2 h ago");
        assert_eq!(ago("\u{1b}[2J", 0), "\\u{001B}[2J");
    }
}
