//! `memory.jsonl` of the official MCP memory server: one entity or relation per line.

use antiphon_core::fact::escape;
use serde::Deserialize;

use super::{facts_of, tag_of};
use crate::dto::NewFactDto;

const NAMESPACE: &str = "memory-server";

/// What a file held.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed {
    /// One fact per observation, per relation, and per entity without observations.
    pub facts: Vec<NewFactDto>,
    /// Lines that could not be read, or not whole.
    pub bad: Vec<BadLine>,
    /// Facts with characters that had to be written in a visible form.
    pub escaped: usize,
}

/// A line that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// Why.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Line {
    #[serde(rename_all = "camelCase")]
    Entity { name: String, entity_type: String, observations: Vec<String> },
    #[serde(rename_all = "camelCase")]
    Relation { from: String, to: String, relation_type: String },
}

/// Reads a file. A bad line costs only itself.
pub fn memory_server(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(Line::Entity { name, entity_type, observations }) => {
                entity(&mut parsed, number, &name, &entity_type, &observations);
            }
            Ok(Line::Relation { from, to, relation_type }) => relation(&mut parsed, number, &from, &relation_type, &to),
            Err(error) => parsed.bad.push(BadLine { line: number, why: error.to_string() }),
        }
    }
    parsed
}

fn entity(parsed: &mut Parsed, line: usize, name: &str, kind: &str, observations: &[String]) {
    let head = format!("{name} ({kind})");
    let tags: Vec<&str> = vec![name, kind];
    if observations.is_empty() {
        return push(parsed, line, &format!("entity\0{name}\0{kind}"), &head, &tags);
    }
    for (number, observation) in (1..).zip(observations) {
        if observation.trim().is_empty() {
            parsed.bad.push(BadLine { line, why: format!("observation {number} is empty") });
        } else {
            let key = format!("observation\0{name}\0{kind}\0{observation}");
            push(parsed, line, &key, &format!("{head}: {observation}"), &tags);
        }
    }
}

fn relation(parsed: &mut Parsed, line: usize, from: &str, relation: &str, to: &str) {
    if [from, relation, to].iter().all(|part| part.trim().is_empty()) {
        parsed.bad.push(BadLine { line, why: "the relation is empty".to_owned() });
        return;
    }
    let key = format!("relation\0{from}\0{relation}\0{to}");
    push(parsed, line, &key, &format!("{from} {relation} {to}"), &[from, to]);
}

fn push(parsed: &mut Parsed, line: usize, key: &str, text: &str, names: &[&str]) {
    let mut tags: Vec<String> = names.iter().filter_map(|name| tag_of(name)).collect();
    tags.dedup();
    let fact = NewFactDto {
        tags,
        tool: Some(NAMESPACE.to_owned()),
        source_kind: Some("import".to_owned()),
        ..NewFactDto::default()
    };
    let facts = facts_of(NAMESPACE, key, text, &fact);
    if facts.is_empty() {
        parsed.bad.push(BadLine { line, why: "there is no text".to_owned() });
    }
    if escape(text) != text {
        parsed.escaped += facts.len();
    }
    parsed.facts.extend(facts);
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"type":"entity","name":"alice","entityType":"person","observations":["likes tea","lives in Riga"]}
{"type":"entity","name":"bob","entityType":"person","observations":[]}

{"type":"relation","from":"alice","to":"bob","relationType":"knows"}
"#;

    #[test]
    fn observations_and_relations_become_facts() {
        let parsed = memory_server(FILE);
        let texts: Vec<&str> = parsed.facts.iter().map(|fact| fact.content.as_str()).collect();
        assert_eq!(
            texts,
            ["alice (person): likes tea", "alice (person): lives in Riga", "bob (person)", "alice knows bob"]
        );
        assert_eq!(parsed.facts[0].tags, ["alice", "person"]);
        assert_eq!(parsed.facts[3].tags, ["alice", "bob"]);
        assert!(parsed.facts.iter().all(|fact| fact.source_kind.as_deref() == Some("import")));
        assert_eq!((parsed.bad.len(), parsed.escaped), (0, 0));
    }

    #[test]
    fn importing_twice_gives_the_same_ids() {
        let ids = |text: &str| memory_server(text).facts.into_iter().map(|fact| fact.id.unwrap()).collect::<Vec<_>>();
        assert_eq!(ids(FILE), ids(FILE));
        let mut unique = ids(FILE);
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), 4);
        // The file grew in front: what was there keeps its ids.
        let grown = format!("{}\n{FILE}", r#"{"type":"relation","from":"x","to":"y","relationType":"r"}"#);
        assert_eq!(ids(&grown)[1..], ids(FILE));
    }

    #[test]
    fn bad_lines_cost_only_themselves() {
        let text = "not json\n{\"type\":\"entity\",\"name\":\"n\"}\n{\"type\":\"cat\"}\n{\"type\":\"entity\",\"name\":\"e\",\
            \"entityType\":\"t\",\"observations\":[\" \",\"kept\"]}";
        let parsed = memory_server(text);
        assert_eq!(parsed.bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(parsed.bad[1].why.contains("entityType"), "{:?}", parsed.bad[1]);
        assert_eq!(parsed.facts.len(), 1);
    }

    #[test]
    fn deceiving_and_overlong_texts_are_kept_in_another_form() {
        let line = |text: &str| {
            serde_json::json!({"type": "entity", "name": "eve", "entityType": "person", "observations": [text]})
                .to_string()
        };
        let parsed = memory_server(&line("a\u{0}b\u{202E}c"));
        assert_eq!(parsed.facts[0].content, "eve (person): a\\u{0000}b\\u{202E}c");
        assert_eq!(parsed.escaped, 1);
        let parsed = memory_server(&line(&"word ".repeat(30_000)));
        assert_eq!(parsed.facts.len(), 3);
        assert!(parsed.facts.iter().all(|fact| fact.content.len() <= 61_440));
        assert!(parsed.facts[1].content.starts_with("[2/3] "));
    }
}
