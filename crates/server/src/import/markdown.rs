//! Markdown files: notes, decisions, instructions for agents.

use std::collections::HashMap;

use antiphon_core::ids::Hash;
use antiphon_core::time::UnixMillis;

use super::sections::{Section, blocks, sections};
use super::{facts_of, tag_of};
use crate::dto::{NewFactDto, Scalar};
use crate::text::cut;

const NAMESPACE: &str = "markdown";
/// Longest part of a section that becomes one fact, in bytes; a block of code or a paragraph that is longer stays
/// whole.
const FACT_BYTES_MAX: usize = 8 * 1024;
/// Longest source, in bytes.
const SOURCE_BYTES_MAX: usize = 1_000;
/// Most tags that are taken from a file.
const TAGS_MAX: usize = 16;

/// Cuts a file into facts, one per section, each under the titles of its headings. `path` is the file's path inside
/// the imported directory.
pub fn markdown(path: &str, text: &str, modified: UnixMillis) -> Vec<NewFactDto> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let (front, body) = Front::split(text);
    let mut parts = sections(body);
    if !front.rest.trim().is_empty() {
        parts.insert(0, Section { trail: Vec::new(), body: &front.rest });
    }
    let mut seen = HashMap::new();
    let mut facts = Vec::new();
    for Section { trail, body } in parts {
        let trail: Vec<String> = front.title.iter().cloned().chain(trail).collect();
        for block in blocks(body, FACT_BYTES_MAX) {
            facts.extend(fact(path, &trail, block, modified, &front.tags, &mut seen));
        }
    }
    facts
}

fn fact(
    path: &str,
    trail: &[String],
    block: &str,
    modified: UnixMillis,
    tags: &[String],
    seen: &mut HashMap<String, usize>,
) -> Vec<NewFactDto> {
    let body = block.trim_matches(['\n', '\r']);
    let title = trail.join(" > ");
    let text = if title.is_empty() { body.to_owned() } else { format!("{title}\n\n{body}") };
    // A position in the file would change with every section that is put in front, and double all that follow. So
    // the id counts only repetitions of the very same text in the same place.
    let mut key = format!("{path}\0{}\0{}", trail.join("\0"), Hash::of(body.as_bytes()));
    let again = seen.entry(key.clone()).or_default();
    key = format!("{key}\0{again}");
    *again += 1;
    let fact = NewFactDto {
        tags: tags.to_vec(),
        source: Some(source(path, trail)),
        created_at: Some(Scalar(modified.0.to_string())),
        tool: Some(NAMESPACE.to_owned()),
        source_kind: Some("import".to_owned()),
        escape: true,
        ..NewFactDto::default()
    };
    facts_of(NAMESPACE, &key, &text, &fact)
}

fn source(path: &str, trail: &[String]) -> String {
    let mut source = path.to_owned();
    if !trail.is_empty() {
        source.push('#');
        source.push_str(&trail.join("/"));
    }
    source = source.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&mut source, SOURCE_BYTES_MAX);
    source
}

/// What stands between `---` lines at the head of a file: title and tags are understood, the rest stays text.
#[derive(Debug, Default, PartialEq, Eq)]
struct Front {
    title: Option<String>,
    tags: Vec<String>,
    rest: String,
}

impl Front {
    fn split(text: &str) -> (Self, &str) {
        let mut lines = text.split_inclusive('\n');
        let Some(first) = lines.next().filter(|line| line.trim_end() == "---") else { return (Self::default(), text) };
        let mut at = first.len();
        let mut front = Self::default();
        let mut in_tags = false;
        for line in lines {
            at += line.len();
            if line.trim_end() == "---" {
                front.tags.truncate(TAGS_MAX);
                return (front, &text[at..]);
            }
            in_tags = front.take(line, in_tags);
        }
        // The second line of dashes is missing: the first was a rule, and all is text.
        (Self::default(), text)
    }

    /// Reads one line; whether the lines of a tag list may follow.
    fn take(&mut self, line: &str, in_tags: bool) -> bool {
        let plain = |text: &str| text.trim().trim_matches(['"', '\'']).trim().to_owned();
        if let Some(item) = line.trim_start().strip_prefix("- ").filter(|_| in_tags) {
            self.tags.extend(tag_of(&plain(item)));
            return true;
        }
        match line.split_once(':') {
            Some(("title", title)) if self.title.is_none() && !plain(title).is_empty() => {
                self.title = Some(plain(title));
            }
            Some(("tags", list)) => {
                let list = list.trim().trim_start_matches('[').trim_end_matches(']');
                self.tags.extend(list.split(',').filter_map(|tag| tag_of(&plain(tag))));
                return list.is_empty();
            }
            _ => self.rest.push_str(line),
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "---\ntitle: \"Build\"\ntags: [ci, rust]\nowner: alice\n---\nintro\n\n# Cache\nuse sccache\n\n## Empty\n";

    fn read(text: &str) -> Vec<NewFactDto> {
        markdown("docs/build.md", text, UnixMillis(5))
    }

    #[test]
    fn sections_become_facts_under_their_titles() {
        let facts = read(FILE);
        let texts: Vec<&str> = facts.iter().map(|fact| fact.content.as_str()).collect();
        assert_eq!(texts, ["Build\n\nowner: alice", "Build\n\nintro", "Build > Cache\n\nuse sccache"]);
        assert_eq!(facts[2].source.as_deref(), Some("docs/build.md#Build/Cache"));
        assert_eq!(facts[2].tags, ["ci", "rust"]);
        assert_eq!(facts[2].created_at, Some(Scalar::from("5")));
    }

    #[test]
    fn what_did_not_change_keeps_its_id_when_the_file_grows() {
        let ids = |text: &str| read(text).into_iter().map(|fact| fact.id.unwrap()).collect::<Vec<_>>();
        let grown = FILE.replace("intro\n", "intro\n\n# New\nnew\n");
        assert_eq!(ids(FILE), ids(FILE));
        let kept = ids(FILE);
        assert!(kept.iter().all(|id| ids(&grown).contains(id)));
        let twice = read("# A\nsame\n# A\nsame\n");
        assert_ne!(twice[0].id, twice[1].id);
    }

    #[test]
    fn long_sections_are_cut_between_paragraphs() {
        let paragraph = format!("{}\n\n", "word ".repeat(400));
        let facts = read(&format!("# Long\n{}", paragraph.repeat(20)));
        assert!(facts.len() >= 5);
        assert!(facts.iter().all(|fact| fact.content.len() <= FACT_BYTES_MAX + 16));
        assert_eq!(facts.iter().map(|fact| fact.content.matches("word").count()).sum::<usize>(), 8_000);
    }

    #[test]
    fn front_matter_of_other_forms_loses_nothing() {
        let (front, body) = Front::split("---\ntags:\n  - a\n  - 'b c'\nother:\n  - x\n---\nbody");
        assert_eq!((front.tags.join("|"), front.rest.as_str(), body), ("a|b c".into(), "other:\n  - x\n", "body"));
        assert_eq!(Front::split("---\nno end"), (Front::default(), "---\nno end"));
        assert_eq!(read("").len(), 0);
    }
}
