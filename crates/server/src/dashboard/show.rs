//! Numbers, times and states as people read them on pages.

use crate::time;

/// Characters at the beginning and the end of a long id.
const ID_HEAD_CHARS: usize = 8;
const ID_TAIL_CHARS: usize = 4;

/// A number with its thousands apart: `12,408`.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// So many of something: `1 fact`, `2 facts`.
pub(super) fn count(value: u64, one: &str) -> String {
    counted(value, one, &format!("{one}s"))
}

/// So many of something whose plural is irregular.
pub(super) fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// A length in bytes: `1.4 MiB`.
pub(super) fn bytes(value: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut tenths = value.saturating_mul(10);
    let mut unit = "B";
    for next in units {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1_024;
        unit = next;
    }
    if unit == "B" { format!("{value} B") } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

/// Beginning and end of a long id.
pub(super) fn short(id: &str) -> String {
    let chars: Vec<char> = id.chars().collect();
    if chars.len() <= ID_HEAD_CHARS + ID_TAIL_CHARS + 1 {
        return id.to_owned();
    }
    let (head, tail) = (chars.iter().take(ID_HEAD_CHARS), chars.iter().skip(chars.len() - ID_TAIL_CHARS));
    head.chain(&['…']).chain(tail).collect()
}

/// A name, or else the beginning of an id.
pub(super) fn called(name: &str, id: &str) -> String {
    if name.is_empty() { short(id) } else { name.to_owned() }
}

/// How long ago it was: `now`, `5 min ago`. What cannot be read is shown as it came.
pub(super) fn ago(at: &str, now_ms: u64) -> String {
    match time::parse(at).map(|at| now_ms.saturating_sub(at.0)) {
        None => at.to_owned(),
        Some(0..1_000) => "now".to_owned(),
        Some(ms) => format!("{} ago", time::age(ms)),
    }
}

/// The same, or a word for never.
pub(super) fn ago_or(at: Option<&str>, now_ms: u64, never: &str) -> String {
    at.map_or_else(|| never.to_owned(), |at| ago(at, now_ms))
}

/// How long it still is: `now`, `in 5 min`.
pub(super) fn until(at: &str, now_ms: u64) -> String {
    match time::parse(at).map(|at| at.0.saturating_sub(now_ms)) {
        None => at.to_owned(),
        Some(0..1_000) => "now".to_owned(),
        Some(ms) => format!("in {}", time::age(ms)),
    }
}

/// The point in time to the minute: `2026-03-01 12:30 UTC`.
pub(super) fn minute(at: &str) -> String {
    let Some(read) = time::parse(at) else { return at.to_owned() };
    let written = time::rfc3339(read);
    written.get(..16).map_or_else(|| written.clone(), |text| format!("{} UTC", text.replace('T', " ")))
}

/// At most so many characters of a text, with `…` where something was left out.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(chars_max).collect();
    if chars.next().is_none() { head } else { format!("{head}…") }
}

/// How a state of trust is coloured.
pub(super) fn trust_class(trust: &str) -> &'static str {
    match trust {
        "VERIFIED" => "ok",
        "REJECTED" => "bad",
        "EXPIRED" => "warn",
        _ => "info",
    }
}

/// A value for a part of an address.
pub(super) fn in_path(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([number(0), number(999), number(1_000), number(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([count(1, "fact"), count(2, "fact")], ["1 fact", "2 facts"]);
        assert_eq!([bytes(999), bytes(1_536), bytes(64 * 1_024 * 1_024)], ["999 B", "1.5 KiB", "64.0 MiB"]);
    }

    #[test]
    fn ids_and_texts_are_short() {
        assert_eq!(short("12D3KooWAbcdefghijkl"), "12D3KooW…ijkl");
        assert_eq!(short("short"), "short");
        assert_eq!(called("", "12D3KooWAbcdefghijkl"), "12D3KooW…ijkl");
        assert_eq!([cut("abc", 3), cut("abcd", 3)], ["abc", "abc…"]);
        assert_eq!(in_path("a b/ü"), "a%20b%2F%C3%BC");
    }

    #[test]
    fn times_are_short_and_what_cannot_be_read_is_shown_as_it_came() {
        assert_eq!(minute("2026-03-01T12:30:59.000Z"), "2026-03-01 12:30 UTC");
        assert_eq!(ago("1970-01-01T00:00:00.000Z", 7_300_000), "2 h ago");
        assert_eq!(ago("soon", 0), "soon");
        assert_eq!(ago_or(None, 0, "never"), "never");
    }
}
