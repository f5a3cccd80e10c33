//! Numbers of bytes as people write and read them: `64MiB`, `1.5 KiB`.

/// Units, each 1,024 of the one before.
const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/// Reads a number of bytes, with or without a unit of 1,024: `4096`, `64MiB`, `1 GiB`. `None` for anything else.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let unit = unit.trim();
    let power = match UNITS.iter().position(|known| known.eq_ignore_ascii_case(unit)) {
        _ if unit.is_empty() => 0,
        Some(power) => power,
        None => return None,
    };
    let factor = (0..power).fold(1, |factor: u64, _| factor.saturating_mul(1_024));
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A number of bytes in the largest unit that fits.
pub(crate) fn shown(bytes: u64) -> String {
    let mut unit = UNITS[0];
    let (mut whole, mut rest) = (bytes, 0);
    for larger in &UNITS[1..] {
        if whole < 1_024 {
            break;
        }
        (rest, whole, unit) = (whole % 1_024, whole / 1_024, larger);
    }
    let tenth = rest * 10 / 1_024;
    match (bytes, tenth) {
        (1, _) => "1 byte".to_owned(),
        (_, 0) => format!("{whole} {unit}"),
        _ => format!("{whole}.{tenth} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        let check = |text: &str, want| assert_eq!(parse(text), want, "{text}");
        check("4096", Some(4_096));
        check("64MiB", Some(64 << 20));
        check(" 1 gib ", Some(1 << 30));
        check("12 bytes", Some(12));
        check("64MB", None);
        check("many", None);
        check("", None);
        check("1.5KiB", None);
        check("99999999999TiB", None);
        for bytes in [0, 12, 1 << 10, 64 << 20, 3 << 30] {
            check(&shown(bytes), Some(bytes));
        }
        assert_eq!((shown(1), shown(1_600)), ("1 byte".to_owned(), "1.5 KiB".to_owned()));
    }
}
