//! Words: how text is cut and folded, for the index and for questions alike.
//!
//! A word is a run of letters and digits, in lower case. Parts of identifiers are words of their own: `parseConfig`
//! and `parse_config` are found by "config". English endings are cut off so that "cached" finds "caching"; the rules
//! are few and blunt, because both sides go through them. Scripts without spaces between words (Chinese, Japanese,
//! Thai…) are cut into pairs of characters.

/// Longest word that is looked at, in bytes; what is longer is cut.
const WORD_BYTES_MAX: usize = 64;

/// Calls `take` with every word of `text`.
pub(crate) fn for_each(text: &str, mut take: impl FnMut(&str)) {
    let mut word = String::with_capacity(WORD_BYTES_MAX);
    let mut pair: Option<char> = None;
    let mut lower = false;
    for c in text.chars() {
        let dense = is_dense(c);
        // A capital after a small letter begins a new part of an identifier.
        if !c.is_alphanumeric() || dense || (c.is_uppercase() && lower) {
            finish(&mut word, &mut take);
        }
        lower = c.is_lowercase() || c.is_ascii_digit();
        if dense {
            let mut gram = String::new();
            gram.extend(pair);
            gram.push(c);
            take(&gram);
            pair = Some(c);
            continue;
        }
        pair = None;
        if c.is_alphanumeric() && word.len() + c.len_utf8() <= WORD_BYTES_MAX {
            if c.is_ascii() {
                word.push(c.to_ascii_lowercase());
            } else {
                word.extend(c.to_lowercase().filter(|c| c.is_alphanumeric()));
            }
        }
    }
    finish(&mut word, &mut take);
}

fn finish(word: &mut String, take: &mut impl FnMut(&str)) {
    if word.is_empty() {
        return;
    }
    stem(word);
    take(word);
    word.clear();
}

/// Whether a character belongs to a script that does not put spaces between words.
fn is_dense(c: char) -> bool {
    matches!(u32::from(c), 0x0E00..=0x0EFF | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

/// Cuts English endings off.
fn stem(word: &mut String) {
    if word.len() < 4 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return;
    }
    cut_plural(word);
    for ending in ["ing", "ed"] {
        let keeps = word.len().saturating_sub(ending.len());
        if word.ends_with(ending) && keeps >= 3 && word[..keeps].bytes().any(is_vowel) {
            word.truncate(keeps);
            undouble(word);
            break;
        }
    }
    if word.len() >= 4 && word.ends_with('e') {
        word.pop();
    }
    if word.len() >= 4 && word.ends_with('y') {
        word.pop();
        word.push('i');
    }
}

fn cut_plural(word: &mut String) {
    if word.ends_with("ies") && word.len() > 4 {
        word.truncate(word.len() - 3);
        word.push('y');
    } else if ["sses", "xes", "ches", "shes", "zes"].iter().any(|ending| word.ends_with(ending)) {
        word.truncate(word.len() - 2);
    } else if word.ends_with('s') && !["ss", "us", "is"].iter().any(|ending| word.ends_with(ending)) {
        word.pop();
    }
}

/// Turns the "runn" of "running" into "run".
fn undouble(word: &mut String) {
    let bytes = word.as_bytes();
    if let [.., before, last] = bytes
        && before == last
        && !matches!(last, b'l' | b's' | b'z')
        && !is_vowel(*last)
    {
        word.pop();
    }
}

const fn is_vowel(byte: u8) -> bool {
    matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

/// What begins a label, and no word: a character of the private use area.
const LABEL: char = '\u{E000}';

/// The label under which an exact value is indexed: a domain, a tag, a level.
pub(crate) fn label(kind: char, value: &[u8]) -> String {
    let hash = antiphon_core::ids::Hash::of(value).to_string();
    format!("{LABEL}{kind}{}", &hash[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        for_each(text, |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn forms_of_a_word_meet() {
        let check = |a: &str, b: &str| assert_eq!(all(a), all(b));
        check("cached", "caching");
        check("caches", "cache");
        check("running", "runs");
        check("Queries", "query");
        check("boxes", "box");
        check("classes", "class");
        check("deployed", "deploy");
        check("tries", "try");
    }

    #[test]
    fn identifiers_and_dense_scripts_are_cut() {
        assert_eq!(all("parseConfig_file"), ["pars", "config", "fil"]);
        assert_eq!(all("HTTPServer2"), ["httpserver2"]);
        assert_eq!(all("你好吗"), ["你", "你好", "好吗"]);
        assert_eq!(all("\"*() -- \u{0}\n"), Vec::<String>::new());
        assert_eq!(all(&"x".repeat(1_000)), ["x".repeat(WORD_BYTES_MAX)]);
    }
}
