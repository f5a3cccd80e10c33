//! Looking at JSON without building anything of it.

use antiphon_node::bundles::BUNDLE_BYTES_MAX;

use super::Error;

/// Most levels of nesting; a document of ours has five.
const DEPTH_MAX: usize = 16;
/// Most values. A document of ours with the most events it may have stays below a million.
pub(super) const VALUES_MAX: usize = 2_000_000;

/// Checks size, depth, number of values, and that the text does not end in the middle.
pub(super) fn check(text: &[u8]) -> Result<(), Error> {
    if text.len() > BUNDLE_BYTES_MAX {
        return Err(Error::TooLarge { limit: BUNDLE_BYTES_MAX });
    }
    let (mut depth, mut values) = (0_usize, 0_usize);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => {
                depth += 1;
                values += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(Error::TooComplex { what: "levels", limit: DEPTH_MAX });
        }
        if values > VALUES_MAX {
            return Err(Error::TooComplex { what: "values", limit: VALUES_MAX });
        }
    }
    if quoted || depth > 0 || text.is_empty() { Err(Error::Truncated { bytes: text.len() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_document_is_refused_before_it_is_parsed() {
        let reason = |text: &[u8]| check(text).err().and_then(|error| error.reason());
        assert_eq!(reason(br#"{"a":"}\"[","b":[1,2]}"#), None);
        assert_eq!(reason(b""), Some("truncated"));
        assert_eq!(reason(br#"{"a":"b"#), Some("truncated"));
        assert_eq!(reason(br#"{"a":[1,2"#), Some("truncated"));
        assert_eq!(reason(&b"[".repeat(DEPTH_MAX + 1)), Some("too_large"));
        assert_eq!(reason(&[b"[".as_slice(), &b"[],".repeat(VALUES_MAX / 2 + 1)].concat()), Some("too_large"));
        assert_eq!(reason(&vec![b' '; BUNDLE_BYTES_MAX + 1]), Some("too_large"));
    }
}
