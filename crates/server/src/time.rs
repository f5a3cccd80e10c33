//! Times and durations as people and programs write them: RFC 3339 in UTC, `30d`, `90m`.

use antiphon_core::time::UnixMillis;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// The last day that four digits of a year can name: 9999-12-31, in days since 1970-01-01.
const DAYS_MAX: u64 = 2_932_896;

/// A time in RFC 3339, in UTC and with milliseconds. Times beyond the year 9999 show its last day.
pub fn rfc3339(at: UnixMillis) -> String {
    let (year, month, day) = civil((at.0 / DAY_MS).min(DAYS_MAX));
    let ms = at.0 % DAY_MS;
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
}

/// Reads an RFC 3339 time, a bare date (midnight UTC) or a number of Unix milliseconds. `None` for anything else and
/// for times before 1970.
pub fn parse(text: &str) -> Option<UnixMillis> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(UnixMillis);
    }
    let (date, rest) = text.split_at_checked(10)?;
    let days = parse_date(date)?;
    let clock_ms = match rest.strip_prefix(['T', 't', ' ']) {
        Some(clock) => parse_clock(clock)?,
        None if rest.is_empty() => 0,
        None => return None,
    };
    let at = i64::try_from(days * DAY_MS).ok()? + clock_ms;
    u64::try_from(at).ok().map(UnixMillis)
}

/// Reads a duration: a number of milliseconds, or numbers with the units `ms s m h d w y`, as in `1h30m` or `30d`.
pub fn parse_duration_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Ok(ms) = text.parse() {
        return Some(ms);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = split_at_unit(rest, |c| c.is_ascii_digit())?;
        let (unit, after) = split_at_unit(after, |c| c.is_ascii_alphabetic())?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit_ms(unit)?)?)?;
        rest = after.trim_start();
    }
    (!text.is_empty()).then_some(total)
}

/// A duration for people, in its largest unit: `3 min`, `2 h`, `5 d`.
pub fn age(ms: u64) -> String {
    match ms {
        0..60_000 => format!("{} s", ms / 1_000),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        3_600_000..DAY_MS => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / DAY_MS),
    }
}

fn split_at_unit(text: &str, fits: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn unit_ms(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" | "sec" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        "w" => 7 * DAY_MS,
        "y" => 365 * DAY_MS,
        _ => return None,
    })
}

/// The civil date of a day since 1970-01-01, counted in eras of 400 years that begin in March, so that the leap day
/// is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

fn parse_date(date: &str) -> Option<u64> {
    let mut parts = date.split('-');
    let (year, month, day) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if parts.next().is_some() || year < 1970 || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    // A day that its month does not have comes back as another date.
    (civil(days) == (year, month, day)).then_some(days)
}

/// Milliseconds of `10:30:00.5+02:00` after midnight UTC; negative when the offset reaches into the day before.
fn parse_clock(clock: &str) -> Option<i64> {
    let zone_at = clock.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = clock.split_at(zone_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 || !is_digits(fraction) {
        return None;
    }
    let millis: u64 = fraction.chars().chain("00".chars()).take(3).collect::<String>().parse().ok()?;
    let at = i64::try_from(((hour * 60 + minute) * 60 + second) * 1_000 + millis).ok()?;
    Some(at - parse_zone(zone)?)
}

fn parse_zone(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, offset) = match zone.split_at_checked(1)? {
        ("+", offset) => (1, offset),
        (_, offset) => (-1, offset),
    };
    let (hour, minute) = offset.split_once(':')?;
    let (hour, minute) = (digits(hour, 2)?, digits(minute, 2)?);
    if hour > 23 || minute > 59 {
        return None;
    }
    i64::try_from((hour * 60 + minute) * 60_000).ok().map(|ms| sign * ms)
}

fn digits(text: &str, len: usize) -> Option<u64> {
    if text.len() == len && is_digits(text) { text.parse().ok() } else { None }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_and_read_back() {
        let check = |ms: u64, text: &str| {
            assert_eq!(rfc3339(UnixMillis(ms)), text);
            assert_eq!(parse(text), Some(UnixMillis(ms)), "{text}");
        };
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(1_709_251_199_999, "2024-02-29T23:59:59.999Z");
        check(4_102_444_800_000, "2100-01-01T00:00:00.000Z");
        for day in (0..DAYS_MAX).step_by(97) {
            let at = UnixMillis(day * DAY_MS + 1);
            assert_eq!(parse(&rfc3339(at)), Some(at));
        }
        assert!(rfc3339(UnixMillis(u64::MAX)).starts_with("9999-12-31T"));
    }

    #[test]
    fn other_ways_to_write_a_time_are_read_or_refused() {
        let check = |text: &str, want: Option<u64>| assert_eq!(parse(text), want.map(UnixMillis), "{text}");
        check("1700000000000", Some(1_700_000_000_000));
        check("1970-01-02", Some(DAY_MS));
        check("1970-01-01T02:00:00+02:00", Some(0));
        check("1970-01-01 00:00:00.5Z", Some(500));
        check("1970-01-01T00:00:00+02:00", None);
        check("2023-02-29", None);
        check("2023-13-01", None);
        check("tomorrow", None);
        check("", None);
        check("2023-01-01T10:00", None);
        check("2023-01-01é", None);
    }

    #[test]
    fn durations_are_written_by_people() {
        let check = |text: &str, want: Option<u64>| assert_eq!(parse_duration_ms(text), want, "{text}");
        check("1500", Some(1_500));
        check("30s", Some(30_000));
        check("1h30m", Some(5_400_000));
        check("30d", Some(30 * DAY_MS));
        check("2 w", None);
        check("99999999999999y", None);
        check("h", None);
        check("", None);
        assert_eq!(age(59_999), "59 s");
        assert_eq!(age(3 * DAY_MS), "3 d");
    }
}
