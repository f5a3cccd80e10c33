//! Markdown files: notes, decisions, instructions for agents.

use std::collections::HashMap;

use antiphon_core::fact::escape;
use antiphon_core::ids::Hash;
use antiphon_core::time::UnixMillis;

use super::front::Front;
use super::sections::{Section, blocks, sections};
use super::{facts_of, tag_of};
use crate::dto::{NewFactDto, Scalar};
use crate::text::cut;

/// Longest part of a section that becomes one fact, in bytes; a block of code or a paragraph that is longer stays
/// whole.
const FACT_BYTES_MAX: usize = 8 * 1024;
/// Longest source, in bytes.
const SOURCE_BYTES_MAX: usize = 1_000;

/// Where a text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// Whose notes they are: the tool that its facts name, and what keeps their ids apart from others.
    pub kind: &'static str,
    /// The file's path inside what is imported.
    pub path: &'a str,
    /// The module that its facts belong to.
    pub module: Option<String>,
    /// Whether its facts stay on the node.
    pub private: bool,
    /// When it was last changed.
    pub modified: UnixMillis,
}

/// Cuts a file of notes into facts. `path` is the file's path inside the imported directory.
pub fn markdown(path: &str, text: &str, modified: UnixMillis) -> Vec<NewFactDto> {
    note(&Note { kind: "markdown", path, module: None, private: false, modified }, text)
}

/// Cuts a file into facts, one per section, each under the titles of its headings.
pub fn note(note: &Note<'_>, text: &str) -> Vec<NewFactDto> {
    let (front, body) = Front::split(without_mark(text));
    sectioned(note, &front, body)
}

/// The text without the mark of its encoding.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{FEFF}').unwrap_or(text)
}

/// The facts of a file whose head was read.
pub(super) fn sectioned(note: &Note<'_>, front: &Front, body: &str) -> Vec<NewFactDto> {
    let mut parts = sections(body);
    if !front.rest.trim().is_empty() {
        parts.insert(0, Section { trail: Vec::new(), body: &front.rest });
    }
    let mut seen = HashMap::new();
    let mut facts = Vec::new();
    for Section { trail, body } in parts {
        // A note often has its title as its first heading, too.
        let title = front.title.iter().filter(|title| note.kind == "markdown" || trail.first() != Some(title));
        let trail: Vec<String> = title.cloned().chain(trail.iter().cloned()).collect();
        for block in blocks(body, FACT_BYTES_MAX) {
            facts.extend(fact(note, &trail, block, &front.tags, &mut seen));
        }
    }
    facts
}

fn fact(
    note: &Note<'_>,
    trail: &[String],
    block: &str,
    tags: &[String],
    seen: &mut HashMap<String, usize>,
) -> Vec<NewFactDto> {
    let body = block.trim_matches(['\n', '\r']);
    let title = trail.join(" > ");
    let text = if title.is_empty() { body.to_owned() } else { format!("{title}\n\n{body}") };
    // A position in the file would change with every section that is put in front, and double all that follow. So
    // the id counts only repetitions of the very same text in the same place.
    let mut key = format!("{}\0{}\0{}", note.path, trail.join("\0"), Hash::of(body.as_bytes()));
    let again = seen.entry(key.clone()).or_default();
    key = format!("{key}\0{again}");
    *again += 1;
    facts_of(note.kind, &key, &text, &NewFactDto { tags: tags.to_vec(), ..template(note, trail) })
}

/// What all facts of a place in a file share.
pub(super) fn template(note: &Note<'_>, trail: &[String]) -> NewFactDto {
    NewFactDto {
        module: note.module.as_deref().and_then(tag_of),
        private: note.private,
        source: Some(source(note.path, trail)),
        created_at: Some(Scalar(note.modified.0.to_string())),
        tool: Some(note.kind.to_owned()),
        source_kind: Some("import".to_owned()),
        escape: true,
        ..NewFactDto::default()
    }
}

fn source(path: &str, trail: &[String]) -> String {
    let mut source = path.to_owned();
    if !trail.is_empty() {
        source.push('#');
        source.push_str(&trail.join("/"));
    }
    // What is written in a visible form later would be longer than it may be.
    source = escape(&source.split_whitespace().collect::<Vec<_>>().join(" "));
    cut(&mut source, SOURCE_BYTES_MAX);
    source
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
    fn a_title_that_grows_when_it_is_shown_leaves_a_source_that_may_be() {
        let facts = read(&format!("# a{}\ntext\n", "\u{202E}".repeat(300)));
        let source = facts[0].source.as_deref().unwrap();
        assert!(source.starts_with("docs/build.md#a\\u{202E}") && source.len() <= SOURCE_BYTES_MAX, "{source}");
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
    fn a_text_without_words_gives_no_fact() {
        assert_eq!(read("").len(), 0);
        assert_eq!(read("# Only\n## headings\n").len(), 0);
    }

    #[test]
    fn the_same_notes_of_two_tools_are_two_facts() {
        let read = |kind| {
            let note =
                Note { kind, path: "a.md", module: Some("crates/core".into()), private: true, modified: UnixMillis(5) };
            super::note(&note, "# A\ntext\n").remove(0)
        };
        let (one, two) = (read("claude"), read("agents-md"));
        assert_ne!(one.id, two.id);
        assert_eq!(
            (one.module.as_deref(), one.private, one.tool.as_deref()),
            (Some("crates/core"), true, Some("claude"))
        );
    }
}
