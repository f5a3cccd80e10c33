//! Numbers beside what they count, so that one of something is not called many.

/// So many of something: `1 fact`, `2 facts`.
pub fn count(number: impl TryInto<u64>, one: &str) -> String {
    counted(number, one, &format!("{one}s"))
}

/// So many of something whose plural is irregular: `1 copy`, `2 copies`.
pub fn counted(number: impl TryInto<u64>, one: &str, many: &str) -> String {
    // What is more than that is many in any case.
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_agree_with_their_nouns() {
        assert_eq!((count(0_u64, "fact"), count(1_usize, "fact")), ("0 facts".into(), "1 fact".into()));
        assert_eq!(
            (counted(1_u32, "copy", "copies"), counted(2_u32, "copy", "copies")),
            ("1 copy".into(), "2 copies".into())
        );
    }
}
