//! Line ends of a file that is edited: `toml_edit` writes `\n` whatever it read.

/// The edited text `new`, whose lines end with `\n`, with the ends that the lines of `old` had. Lines before and after
/// what was edited keep theirs; the edited ones get that of the first line.
pub(crate) fn as_before(old: &str, new: &str) -> String {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let same = |(old, new): &(&&str, &&str)| bare(old) == bare(new) && old.ends_with('\n') == new.ends_with('\n');
    let head = old.iter().zip(&new).take_while(same).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(same).count();
    let end = if old.first().is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" };
    let edited = new[head..new.len() - tail].iter().flat_map(|line| {
        let ended = if line.ends_with('\n') { end } else { "" };
        [bare(line), ended]
    });
    old[..head].iter().copied().chain(edited).chain(old[old.len() - tail..].iter().copied()).collect()
}

/// A line without its end.
fn bare(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::as_before;

    #[test]
    fn lines_keep_their_ends() {
        for (old, new, expected) in [
            ("", "a\n", "a\n"),
            ("a\nb\n", "a\nc\nb\n", "a\nc\nb\n"),
            ("a\r\nb\r\n", "a\nc\nb\n", "a\r\nc\r\nb\r\n"),
            ("a\nb\r\nd\r\ne\n", "a\nb\nc\nd\ne\n", "a\nb\r\nc\nd\r\ne\n"),
            ("a\r\nb\nc", "a\nc", "a\r\nc"),
            ("a\r\nb", "a\nb\nc\n", "a\r\nb\r\nc\r\n"),
            ("a\r\na\n", "a\na\na\n", "a\r\na\na\r\n"),
        ] {
            assert_eq!(as_before(old, new), expected, "{old:?} -> {new:?}");
        }
    }
}
