//! The notes of Basic Memory: Markdown with a head, observations `- [category] text #tag (context)`, and relations
//! `- relates_to [[Other note]] (context)`. Each of those becomes a fact of its own, the prose around them one per
//! section. Texts stay as they were written, with tags and context, so nothing of them is lost.

use std::collections::HashMap;

use super::front::{Front, TAGS_MAX};
use super::markdown::{Note, sectioned, template, without_mark};
use super::sections::Fences;
use super::{facts_of, tag_of};
use crate::dto::NewFactDto;

/// What notes are when their head says nothing.
const KIND_DEFAULT: &str = "note";
/// Longest word for a relation, in bytes; a list item with more before its link is prose.
const RELATION_BYTES_MAX: usize = 64;

/// A line that says one thing.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Observation { category: &'a str, text: &'a str },
    Relation { relation: &'a str, to: &'a str, context: &'a str },
}

/// Cuts a note into facts.
pub fn basic_memory(note: &Note<'_>, text: &str) -> Vec<NewFactDto> {
    let (mut front, body) = Front::split(without_mark(text));
    let kind = front.pull("type").unwrap_or_else(|| KIND_DEFAULT.to_owned());
    let permalink = front.pull("permalink");
    let note = Note { modified: front.pull_created().unwrap_or(note.modified), ..note.clone() };
    let title = front.title.clone().unwrap_or_else(|| stem(note.path).to_owned());
    let entity = Entity { note: &note, title: &title, kind: &kind, place: permalink.as_deref().unwrap_or(note.path) };
    let mut prose = String::with_capacity(body.len());
    let mut facts = Vec::new();
    let mut fences = Fences::default();
    let mut seen = HashMap::new();
    for line in body.split_inclusive('\n') {
        let code = fences.is_code(line);
        match said(line).filter(|_| !code) {
            Some(said) => facts.extend(entity.fact(&said, &front.tags, &mut seen)),
            None => prose.push_str(line),
        }
    }
    front.title = Some(title.clone());
    let mut all = sectioned(&note, &front, &prose);
    all.append(&mut facts);
    all
}

/// The note that lines speak about.
struct Entity<'a> {
    note: &'a Note<'a>,
    title: &'a str,
    kind: &'a str,
    /// What the note is called in ids: its permalink stays when the file moves.
    place: &'a str,
}

impl Entity<'_> {
    fn fact(&self, said: &Said<'_>, more: &[String], seen: &mut HashMap<String, usize>) -> Vec<NewFactDto> {
        let Self { title, kind, place, .. } = self;
        let name = if *kind == KIND_DEFAULT { (*title).to_owned() } else { format!("{title} ({kind})") };
        let (key, text, mut tags) = match said {
            Said::Observation { category, text } => {
                let key = format!("observation\0{place}\0{category}\0{text}");
                let tags: Vec<&str> = [*title, *category].into_iter().chain(hash_tags(text)).collect();
                (key, format!("{name} [{category}]: {text}"), tags)
            }
            Said::Relation { relation, to, context } => {
                let key = format!("relation\0{place}\0{relation}\0{to}\0{context}");
                let text = format!("{name} {relation} {to} {context}");
                (key, text.trim_end().to_owned(), vec![*title, *to])
            }
        };
        tags.extend(more.iter().map(String::as_str));
        let again = seen.entry(key.clone()).or_default();
        let key = format!("{key}\0{again}");
        *again += 1;
        let trail = [(*title).to_owned()];
        let template = template(self.note, &trail);
        facts_of(self.note.kind, &key, &text, &NewFactDto { tags: distinct(tags), ..template })
    }
}

fn distinct(names: Vec<&str>) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for tag in names.into_iter().filter_map(tag_of) {
        if !tags.contains(&tag) && tags.len() < TAGS_MAX {
            tags.push(tag);
        }
    }
    tags
}

/// The words behind `#`.
fn hash_tags(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .filter_map(|word| word.strip_prefix('#'))
        .map(|word| word.trim_end_matches(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '/'))))
        .filter(|word| !word.is_empty() && !word.starts_with('#'))
}

/// The file's name without its ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Reads a line of a list.
fn said(line: &str) -> Option<Said<'_>> {
    let text = line.trim();
    let item = ["- ", "* ", "+ "].into_iter().find_map(|bullet| text.strip_prefix(bullet))?.trim();
    observation(item).or_else(|| relation(item))
}

fn observation(item: &str) -> Option<Said<'_>> {
    let (category, text) = item.strip_prefix('[')?.split_once(']')?;
    let (category, follows) = (category.trim(), text.chars().next());
    // A link, a link to a note, or something to be done.
    let other = category.is_empty() || category.contains('[') || !follows.is_some_and(char::is_whitespace);
    let to_do = matches!(category, "x" | "X" | "-" | "/" | ">" | "?" | "!");
    let text = text.trim();
    (!other && !to_do && !text.is_empty()).then_some(Said::Observation { category, text })
}

fn relation(item: &str) -> Option<Said<'_>> {
    let (relation, rest) = item.split_once("[[")?;
    let (to, context) = rest.split_once("]]")?;
    let relation = relation.trim().trim_matches(['"', '\'']);
    let relation = if relation.is_empty() { "relates_to" } else { relation };
    let fits = relation.len() <= RELATION_BYTES_MAX && !relation.starts_with('[') && !to.trim().is_empty();
    fits.then(|| Said::Relation { relation, to: to.trim(), context: context.trim() })
}

#[cfg(test)]
mod tests {
    use antiphon_core::time::UnixMillis;

    use super::*;
    use crate::time;

    const NOTE: &str = "---\ntitle: Coffee\ntype: guide\npermalink: kitchen/coffee\ntags: [brewing]\ncreated: 2025-03-04\n\
        ---\n# Coffee\n\nPour slowly.\n\n## Observations\n- [method] Water at 92 degrees #heat (measured)\n- [ ] buy beans\n\
        - [x] grind\n- [link](http://a.b)\n```\n- [code] no\n```\n\n## Relations\n- requires [[Grinder]] (any)\n- [[Tea]]\n";

    fn read(text: &str) -> Vec<NewFactDto> {
        let note =
            Note { kind: "basic-memory", path: "a/Coffee.md", module: None, private: false, modified: UnixMillis(5) };
        basic_memory(&note, text)
    }

    #[test]
    fn observations_relations_and_prose_become_facts() {
        let facts = read(NOTE);
        let texts: Vec<&str> = facts.iter().map(|fact| fact.content.as_str()).collect();
        assert_eq!(
            texts,
            [
                "Coffee\n\nPour slowly.",
                "Coffee > Observations\n\n- [ ] buy beans\n- [x] grind\n- [link](http://a.b)\n```\n- [code] no\n```",
                "Coffee (guide) [method]: Water at 92 degrees #heat (measured)",
                "Coffee (guide) requires Grinder (any)",
                "Coffee (guide) relates_to Tea",
            ]
        );
        assert_eq!(facts[2].tags, ["Coffee", "method", "heat", "brewing"]);
        assert_eq!(facts[3].tags, ["Coffee", "Grinder", "brewing"]);
        let created = time::parse("2025-03-04").unwrap().0.to_string();
        assert!(facts.iter().all(|fact| fact.created_at.as_ref().unwrap().0 == created));
        assert!(facts.iter().all(|fact| fact.source_kind.as_deref() == Some("import")));
    }

    #[test]
    fn a_note_that_grows_keeps_the_ids_of_what_was_there() {
        let ids = |text: &str| read(text).into_iter().map(|fact| fact.id.unwrap()).collect::<Vec<_>>();
        let grown = ids(&NOTE.replace("## Observations\n", "## Observations\n- [taste] bitter\n"));
        assert_eq!(ids(NOTE).len() + 1, grown.len());
        assert!(ids(NOTE).iter().all(|id| grown.contains(id)));
    }

    #[test]
    fn a_note_without_a_head_is_called_by_its_file() {
        let facts = read("- [fact] one\n- [fact] one\n- [] no\n- [[ ]]\n- [a[b] c\n");
        assert_eq!(facts.len(), 3, "{facts:#?}");
        assert_eq!(facts[1].content, "Coffee [fact]: one");
        assert_ne!(facts[1].id, facts[2].id, "said twice");
    }
}
