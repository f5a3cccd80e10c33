//! `memory.jsonl` of the official MCP memory server: one entity or relation per line.
//!
//! What comes out is the graph that an agent of the profile `memory-server` is shown: the facts are the same as if it had
//! written them there.

use std::collections::HashMap;

use antiphon_core::fact::escape;
use serde::Deserialize;

use super::facts_of;
use crate::dto::NewFactDto;
use crate::graph::{Element, Entity, Relation};

const NAMESPACE: &str = "memory-server";

/// What a file held.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed {
    /// One fact per entity, per observation and per relation.
    pub facts: Vec<NewFactDto>,
    /// Lines that could not be read.
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
    Entity(Entity),
    Relation(Relation),
}

/// What was read so far, and how often each element came up.
#[derive(Default)]
struct Reading {
    parsed: Parsed,
    slots: HashMap<String, u32>,
}

/// Reads a file. A bad line costs only itself.
pub fn memory_server(text: &str) -> Parsed {
    let mut reading = Reading::default();
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(Line::Entity(entity)) => reading.entity(&entity),
            Ok(Line::Relation(relation)) => reading.relation(&relation),
            Err(error) => reading.parsed.bad.push(BadLine { line: number, why: error.to_string() }),
        }
    }
    reading.parsed
}

impl Reading {
    fn entity(&mut self, Entity { name, entity_type: kind, observations }: &Entity) {
        let deceives = escape(name) != *name || escape(kind) != *kind;
        let (name, kind) = (&escape(name), &escape(kind));
        let of = self.slot(format!("entity\0{name}"));
        self.push(Element::Entity { name, kind, slot: of }, deceives);
        for observation in observations {
            let text = &escape(observation);
            let slot = self.slot(format!("observation\0{of}\0{name}\0{text}"));
            self.push(Element::Observation { name, kind, of, text, slot }, deceives || text != observation);
        }
    }

    fn relation(&mut self, Relation { from, to, relation_type: kind }: &Relation) {
        let deceives = [from, to, kind].iter().any(|text| escape(text) != ***text);
        let (from, to, kind) = (&escape(from), &escape(to), &escape(kind));
        let slot = self.slot(format!("relation\0{from}\0{kind}\0{to}"));
        self.push(Element::Relation { from, kind, to, slot }, deceives);
    }

    fn slot(&mut self, key: String) -> u32 {
        let slot = self.slots.entry(key).or_default();
        *slot = slot.saturating_add(1);
        *slot
    }

    fn push(&mut self, element: Element<'_>, escaped: bool) {
        let tool = Some(NAMESPACE.to_owned());
        let fact = NewFactDto { tool, source_kind: Some("import".to_owned()), ..element.fact() };
        let facts = facts_of(NAMESPACE, &element.key(), &fact.content, &fact);
        self.parsed.escaped += if escaped { facts.len() } else { 0 };
        self.parsed.facts.extend(facts);
    }
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
            [
                "alice (person)",
                "alice (person): likes tea",
                "alice (person): lives in Riga",
                "bob (person)",
                "alice knows bob"
            ]
        );
        assert_eq!(parsed.facts[1].tags, ["alice", "person"]);
        assert_eq!(parsed.facts[4].tags, ["alice", "bob"]);
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
        assert_eq!(unique.len(), 5);
        // The file grew in front: what was there keeps its ids.
        let grown = format!("{}\n{FILE}", r#"{"type":"relation","from":"x","to":"y","relationType":"r"}"#);
        assert_eq!(ids(&grown)[1..], ids(FILE));
    }

    #[test]
    fn bad_lines_cost_only_themselves() {
        let text = "not json\n{\"type\":\"entity\",\"name\":\"n\"}\n{\"type\":\"cat\"}\n{\"type\":\"entity\",\"name\":\"e\",\
            \"entityType\":\"t\",\"observations\":[\" \",\"kept\"]}";
        let parsed = memory_server(text);
        assert_eq!(parsed.bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(parsed.bad[1].why.contains("entityType"), "{:?}", parsed.bad[1]);
        assert_eq!(parsed.facts.len(), 3, "the entity and both observations");
    }

    #[test]
    fn deceiving_and_overlong_texts_are_kept_in_another_form() {
        let line = |text: &str| {
            serde_json::json!({"type": "entity", "name": "eve", "entityType": "person", "observations": [text]})
                .to_string()
        };
        let parsed = memory_server(&line("a\u{0}b\u{202E}c"));
        assert_eq!(parsed.facts[1].content, "eve (person): a\\u{0000}b\\u{202E}c");
        assert_eq!(parsed.escaped, 1);
        let parsed = memory_server(&line(&"word ".repeat(30_000)));
        assert_eq!(parsed.facts.len(), 4);
        assert!(parsed.facts.iter().all(|fact| fact.content.len() <= 61_440));
        assert!(parsed.facts[2].content.starts_with("[2/3] "));
    }

    #[test]
    fn what_stands_twice_in_the_file_is_twice_in_the_graph() {
        let line = r#"{"type":"entity","name":"alice","entityType":"person","observations":["a","a"]}"#;
        let parsed = memory_server(&format!("{line}\n{line}"));
        let sources: Vec<&str> = parsed.facts.iter().filter_map(|fact| fact.source.as_deref()).collect();
        let address = "memory://knowledge-graph";
        let ends = ["entity/alice/person", "observation/alice/person", "observation/alice/person#2"];
        let again = ["entity/alice/person#2", "observation/alice/person?2", "observation/alice/person?2#2"];
        let want: Vec<String> = ends.iter().chain(&again).map(|end| format!("{address}/{end}")).collect();
        assert_eq!(sources, want);
    }
}
