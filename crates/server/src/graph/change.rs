//! What a request makes of a graph: what it answers, and the facts to be written and forgotten.
//!
//! The edges of the memory server are kept as they are: a name that exists is skipped, twice the same in one request
//! makes two, whoever deletes what is not there has succeeded.

use std::collections::{HashMap, HashSet};

use antiphon_core::ids::FactId;
use serde::{Deserialize, Serialize};

use super::{Copies, Element, Entity, Graph, Relation};
use crate::dto::NewFactDto;
use crate::error::{Code, Problem};

/// What is to be written.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) remember: Vec<NewFactDto>,
    pub(crate) forget: Vec<FactId>,
}

/// What is to be added to an entity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Additions {
    pub(crate) entity_name: String,
    pub(crate) contents: Vec<String>,
}

/// What was added to an entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Added {
    pub(crate) entity_name: String,
    pub(crate) added_observations: Vec<String>,
}

/// What is to be taken from an entity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deletion {
    pub(crate) entity_name: String,
    pub(crate) observations: Vec<String>,
}

/// Counts how often something came up, from 1.
#[derive(Default)]
struct Slots<K>(HashMap<K, u32>);

impl<K: std::hash::Hash + Eq> Slots<K> {
    fn next(&mut self, key: K) -> u32 {
        let slot = self.0.entry(key).or_default();
        *slot = slot.saturating_add(1);
        *slot
    }
}

impl Changes {
    fn write(&mut self, element: Element<'_>) -> Result<(), Problem> {
        let fact = element.fact();
        if fact.source.is_none() {
            let what = "the names of an entity, its type or a relation are too long together";
            return Err(Problem::new(Code::TooLarge, what)
                .why("a fact's source, which holds them, has at most 1024 bytes")
                .hint("use a short name, and put the rest into an observation"));
        }
        self.remember.push(fact);
        Ok(())
    }
}

impl Graph {
    /// Makes the entities whose names are new, and says which.
    ///
    /// # Errors
    /// [`Problem`] when a name is too long.
    pub(crate) fn create_entities(&self, entities: Vec<Entity>) -> Result<(Vec<Entity>, Changes), Problem> {
        let mut changes = Changes::default();
        let new: Vec<Entity> =
            entities.into_iter().filter(|entity| !self.named.contains_key(entity.name.as_str())).collect();
        let mut slots = Slots::default();
        for Entity { name, entity_type: kind, observations } in &new {
            let of = slots.next(name.as_str());
            changes.write(Element::Entity { name, kind, slot: of })?;
            let mut slots = Slots::default();
            for text in observations {
                changes.write(Element::Observation { name, kind, of, text, slot: slots.next(text.as_str()) })?;
            }
        }
        Ok((new, changes))
    }

    /// Makes the relations that are new, and says which.
    ///
    /// # Errors
    /// [`Problem`] when names are too long.
    pub(crate) fn create_relations(&self, relations: Vec<Relation>) -> Result<(Vec<Relation>, Changes), Problem> {
        let mut changes = Changes::default();
        let new: Vec<Relation> =
            relations.into_iter().filter(|relation| !self.related.contains_key(relation)).collect();
        let mut slots = Slots::default();
        for relation in &new {
            let Relation { from, to, relation_type: kind } = relation;
            changes.write(Element::Relation { from, kind, to, slot: slots.next(parts(relation)) })?;
        }
        Ok((new, changes))
    }

    /// Adds the observations that are new to their entities, and says which.
    ///
    /// # Errors
    /// [`Problem`] when an entity does not exist; then nothing is to be written.
    pub(crate) fn add_observations(&self, all: Vec<Additions>) -> Result<(Vec<Added>, Changes), Problem> {
        let mut changes = Changes::default();
        let mut results = Vec::with_capacity(all.len());
        let mut before: HashSet<(usize, String)> = HashSet::new();
        for Additions { entity_name, contents } in all {
            let missing = || Problem::new(Code::NotFound, format!("Entity with name {entity_name} not found"));
            let at = self.first_of(&entity_name).ok_or_else(missing)?;
            let node = self.nodes.get(at).ok_or_else(missing)?;
            let is_new = |text: &String| !node.observes(text) && !before.contains(&(at, text.clone()));
            let new: Vec<String> = contents.into_iter().filter(is_new).collect();
            let mut slots = Slots::default();
            for text in &new {
                let (name, kind, of) = (node.name.as_str(), node.kind.as_str(), node.slot);
                changes.write(Element::Observation { name, kind, of, text, slot: slots.next(text.as_str()) })?;
            }
            before.extend(new.iter().map(|text| (at, text.clone())));
            results.push(Added { entity_name, added_observations: new });
        }
        Ok((results, changes))
    }

    /// Takes entities out, with every relation that touches one.
    pub(crate) fn delete_entities(&self, names: &[String]) -> Changes {
        let of_name = self.of_names(names);
        let of_node = of_name.iter().filter_map(|at| self.nodes.get(*at)).flat_map(|node| {
            let observed = node.observations.iter().flat_map(|observation| &observation.facts);
            node.facts.iter().chain(observed).copied()
        });
        let edges = self.touching(names.iter().map(String::as_str));
        let of_edge = edges.iter().filter_map(|at| self.edges.get(*at)).flat_map(|edge| &edge.facts).copied();
        Changes { forget: of_node.chain(of_edge).collect(), ..Changes::default() }
    }

    /// Takes observations out of entities. An entity stays when it has none left.
    ///
    /// # Errors
    /// [`Problem`] when a name is too long.
    pub(crate) fn delete_observations(&self, deletions: &[Deletion]) -> Result<Changes, Problem> {
        let mut changes = Changes::default();
        for Deletion { entity_name, observations } in deletions {
            let Some(node) = self.first_of(entity_name).and_then(|at| self.nodes.get(at)) else { continue };
            let gone: HashSet<&str> = observations.iter().map(String::as_str).collect();
            let gone = node.observations.iter().filter(|observation| gone.contains(observation.text.as_str()));
            let facts: Vec<FactId> = gone.flat_map(|observation| &observation.facts).copied().collect();
            if !facts.is_empty() && node.facts.is_empty() {
                // Nothing else says that it exists.
                changes.write(Element::Entity { name: &node.name, kind: &node.kind, slot: node.slot })?;
            }
            changes.forget.extend(facts);
        }
        changes.forget.sort_unstable();
        changes.forget.dedup();
        Ok(changes)
    }

    /// Takes relations out.
    pub(crate) fn delete_relations(&self, relations: &[Relation]) -> Changes {
        let gone = relations.iter().filter_map(|relation| self.related.get(relation)).flat_map(Copies::all);
        let gone = gone.filter_map(|at| self.edges.get(at)).flat_map(|edge| &edge.facts).copied();
        let mut forget: Vec<FactId> = gone.collect();
        // Who names one twice means it once.
        forget.sort_unstable();
        forget.dedup();
        Changes { forget, ..Changes::default() }
    }
}

fn parts(Relation { from, to, relation_type }: &Relation) -> [&str; 3] {
    [from, relation_type, to]
}
