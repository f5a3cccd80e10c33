//! What a `CLAUDE.md` takes in from elsewhere: `@path/to/file` in its text.

use super::sections::Fences;

/// Most other files that one file takes in.
const IMPORTS_MAX: usize = 256;
/// What may stand behind a path and does not belong to it.
const PUNCTUATION: [char; 8] = ['.', ',', ';', ':', ')', '!', '?', '"'];

/// Paths that a text takes in, in their order. Whether there is a file is for the caller to see: `@alice` looks the
/// same. In code, and between backticks, nothing is taken in.
pub fn claude_imports(text: &str) -> Vec<&str> {
    let mut fences = Fences::default();
    let mut found = Vec::new();
    for line in text.lines() {
        if fences.is_code(line) {
            continue;
        }
        let spans = line.split('`').step_by(2);
        let words = spans.flat_map(str::split_whitespace).filter_map(|word| word.strip_prefix('@'));
        found.extend(words.map(|path| path.trim_end_matches(PUNCTUATION)).filter(|path| !path.is_empty()));
        if found.len() >= IMPORTS_MAX {
            found.truncate(IMPORTS_MAX);
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_outside_of_code() {
        let text = "See @docs/build.md, and @~/.claude/own.md.\nmail a@b.c, not `@in/code.md`\n```\n@in/fence.md\n```\n- @README";
        assert_eq!(claude_imports(text), ["docs/build.md", "~/.claude/own.md", "README"]);
        assert!(claude_imports("@ @. nothing").is_empty());
        assert_eq!(claude_imports(&"@a ".repeat(10_000)).len(), IMPORTS_MAX);
    }
}
