//! The knowledge graph of the official MCP memory server, kept as facts.
//!
//! Agents that were taught to use that server think in entities, observations and relations, and their people want to
//! keep what those agents wrote. So each element is a fact of its own: every agent of the team recalls it like any
//! other, it syncs and merges like any other, and of two machines that add to one entity neither loses anything.
//! Imported files and what agents write over MCP are the same facts.
//!
//! The memory server reads its whole file for every call; here the graph is kept while it is used, and every call first
//! takes in what became of the facts since (`kept`). Two machines can write the same element before they meet: the facts
//! that say so count as one.

mod change;
mod element;
mod kept;
mod search;

use std::collections::{HashMap, HashSet};

use antiphon_core::ids::FactId;
use antiphon_node::DomainFact;
use serde::{Deserialize, Serialize};

pub(crate) use change::{Additions, Changes, Deletion};
pub(crate) use element::Element;
use element::{Place, observed};
pub(crate) use kept::KeptGraph;
use search::{Searched, Sought};

/// The domain whose facts make up the graph.
pub(crate) const DOMAIN: &str = "memory-server";
/// Most facts of a graph: it is kept in memory while it is used.
pub(crate) const GRAPH_FACTS_MAX: usize = 100_000;

/// An entity, as the memory server shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entity {
    pub(crate) name: String,
    pub(crate) entity_type: String,
    pub(crate) observations: Vec<String>,
}

/// A relation, as the memory server shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Relation {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) relation_type: String,
}

/// A graph or a part of one, as the memory server shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Shown {
    pub(crate) entities: Vec<Entity>,
    pub(crate) relations: Vec<Relation>,
}

/// The graph, with the facts that it is made of.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    /// The first node of each name.
    named: HashMap<String, usize>,
    /// Every node.
    slots: HashMap<(String, u32), usize>,
    /// Every edge.
    related: HashMap<(String, String, String, u32), usize>,
    /// Every observation, by its node, its slot and its text.
    observed: HashMap<(usize, u32, String), usize>,
    /// The facts that were read.
    facts: HashSet<FactId>,
    /// Whether an observation was read whose own entity was not there.
    orphans: bool,
}

#[derive(Debug)]
struct Node {
    name: String,
    kind: String,
    slot: u32,
    searched: Searched,
    /// The facts that say it exists; none when only observations are left.
    facts: Vec<FactId>,
    observations: Vec<Observation>,
}

#[derive(Debug)]
struct Observation {
    text: String,
    facts: Vec<FactId>,
}

#[derive(Debug)]
struct Edge {
    relation: Relation,
    facts: Vec<FactId>,
}

/// What came cannot be taken in without reading all again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unsettled;

/// An observation whose entity is still to be found.
struct Loose {
    name: String,
    kind: String,
    of: u32,
    slot: u32,
    text: String,
    fact: FactId,
}

impl Graph {
    /// Makes the graph out of the facts of its domain, in the order in which they came. Facts that say nothing of a
    /// graph are somebody's own affair.
    pub(crate) fn of_facts(facts: Vec<DomainFact>) -> Self {
        let mut graph = Self::default();
        graph.read(facts);
        graph
    }

    /// Takes in facts that came after those it is made of, as if all had been read at once.
    ///
    /// # Errors
    /// Nothing was done: where an observation waits for its entity, it depends on what comes which one it gets.
    pub(crate) fn extend(&mut self, facts: Vec<DomainFact>) -> Result<(), Unsettled> {
        if self.orphans && !facts.is_empty() {
            return Err(Unsettled);
        }
        self.read(facts);
        Ok(())
    }

    /// How many facts it is made of.
    pub(crate) fn facts(&self) -> usize {
        self.facts.len()
    }

    /// Whether it is made of this fact among others.
    pub(crate) fn is_made_of(&self, fact: &FactId) -> bool {
        self.facts.contains(fact)
    }

    fn read(&mut self, facts: Vec<DomainFact>) {
        let mut loose = Vec::new();
        for DomainFact { id, content, source } in facts {
            self.facts.insert(id);
            match source.as_deref().and_then(Place::of_source) {
                None => {}
                Some(Place::Entity { name, kind, slot }) => {
                    let known = self.slots.get(&(name.clone(), slot)).copied();
                    let at = known.unwrap_or_else(|| self.begin(name, &kind, slot));
                    self.stands_for(at, id, kind);
                }
                Some(Place::Observation { name, kind, of, slot }) => {
                    let text = observed(&name, &kind, &content);
                    loose.push(Loose { name, kind, of, slot, text, fact: id });
                }
                Some(Place::Relation { from, kind, to, slot }) => self.relate(from, kind, to, slot, id),
            }
        }
        self.attach(loose);
    }

    fn relate(&mut self, from: String, kind: String, to: String, slot: u32, fact: FactId) {
        let key = (from.clone(), kind.clone(), to.clone(), slot);
        let at = *self.related.entry(key).or_insert_with(|| {
            let relation = Relation { from, to, relation_type: kind };
            self.edges.push(Edge { relation, facts: Vec::new() });
            self.edges.len() - 1
        });
        if let Some(edge) = self.edges.get_mut(at) {
            edge.facts.push(fact);
        }
    }

    fn begin(&mut self, name: String, kind: &str, slot: u32) -> usize {
        let at = self.nodes.len();
        self.named.entry(name.clone()).or_insert(at);
        self.slots.insert((name.clone(), slot), at);
        let searched = Searched::new(&name, kind);
        let (kind, facts, observations) = (kind.to_owned(), Vec::new(), Vec::new());
        self.nodes.push(Node { name, kind, slot, searched, facts, observations });
        at
    }

    /// One more fact says that a node exists. Where two machines gave it two types, all nodes show the one of the
    /// lowest id, in whatever order the facts came to them.
    fn stands_for(&mut self, at: usize, fact: FactId, kind: String) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        if node.facts.iter().all(|other| fact < *other) {
            node.searched.set_kind(&kind);
            node.kind = kind;
        }
        node.facts.push(fact);
    }

    /// Gives observations to their entities. One whose entity was deleted on another machine, while it was added on
    /// this one, brings it back.
    fn attach(&mut self, loose: Vec<Loose>) {
        for Loose { name, kind, of, slot, text, fact } in loose {
            let own = self.slots.get(&(name.clone(), of)).copied().filter(|at| !self.is_brought_back(*at));
            self.orphans |= own.is_none();
            let at = own.or_else(|| self.named.get(&name).copied()).unwrap_or_else(|| self.begin(name, &kind, of));
            let Some(node) = self.nodes.get_mut(at) else { continue };
            let observation = *self.observed.entry((at, slot, text.clone())).or_insert_with(|| {
                node.searched.add(&text);
                node.observations.push(Observation { text, facts: Vec::new() });
                node.observations.len() - 1
            });
            if let Some(observation) = node.observations.get_mut(observation) {
                observation.facts.push(fact);
            }
        }
    }

    /// Whether no fact says that a node exists, but observations do.
    fn is_brought_back(&self, at: usize) -> bool {
        self.nodes.get(at).is_some_and(|node| node.facts.is_empty())
    }

    /// All of it.
    pub(crate) fn shown(&self) -> Shown {
        let entities = self.nodes.iter().map(Node::shown).collect();
        Shown { entities, relations: self.edges.iter().map(|edge| edge.relation.clone()).collect() }
    }

    /// Entities that hold a text anywhere, in any case, with every relation that touches one of them.
    pub(crate) fn search(&self, query: &str) -> Shown {
        let query = query.to_lowercase();
        Sought::new(&query).map_or_else(Shown::default, |query| self.part(|node| node.searched.has(&query)))
    }

    /// Entities of these names, with every relation that touches one of them.
    pub(crate) fn open(&self, names: &[String]) -> Shown {
        let names: HashSet<&str> = names.iter().map(String::as_str).collect();
        self.part(|node| names.contains(node.name.as_str()))
    }

    fn part(&self, wanted: impl Fn(&Node) -> bool) -> Shown {
        let nodes: Vec<&Node> = self.nodes.iter().filter(|node| wanted(node)).collect();
        let names: HashSet<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        let touches = |relation: &&Relation| names.contains(&*relation.from) || names.contains(&*relation.to);
        let relations = self.edges.iter().map(|edge| &edge.relation).filter(touches).cloned().collect();
        Shown { entities: nodes.into_iter().map(Node::shown).collect(), relations }
    }
}

impl Node {
    fn shown(&self) -> Entity {
        let observations = self.observations.iter().map(|observation| observation.text.clone()).collect();
        Entity { name: self.name.clone(), entity_type: self.kind.clone(), observations }
    }

    fn observes(&self, text: &str) -> bool {
        self.observations.iter().any(|observation| observation.text == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts with ids that count up, as if they had been written one after the other.
    fn facts(elements: &[Element<'_>]) -> Vec<DomainFact> {
        let fact = |(number, element): (u8, &Element<'_>)| {
            let fact = element.fact();
            DomainFact { id: FactId([number; 16]), content: fact.content, source: fact.source }
        };
        (1..).zip(elements).map(fact).collect()
    }

    const ALICE: Element<'_> = Element::Entity { name: "alice", kind: "person", slot: 1 };

    fn observed(text: &str) -> Element<'_> {
        Element::Observation { name: "alice", kind: "person", of: 1, text, slot: 1 }
    }

    fn entity(name: &str, kind: &str, observations: &[&str]) -> Entity {
        let observations = observations.iter().map(|text| (*text).to_owned()).collect();
        Entity { name: name.into(), entity_type: kind.into(), observations }
    }

    #[test]
    fn what_two_machines_wrote_alike_is_there_once() {
        let robot = Element::Entity { name: "alice", kind: "robot", slot: 1 };
        let both = [ALICE, observed("likes tea"), robot, observed("likes tea"), observed("lives in Riga")];
        let mut all = facts(&both);
        let want = [entity("alice", "person", &["likes tea", "lives in Riga"])];
        let graph = Graph::of_facts(all.clone());
        assert_eq!(graph.shown().entities, want);
        assert_eq!(graph.nodes[0].observations[0].facts.len(), 2);
        // On the other machine they came the other way round.
        all.rotate_left(2);
        assert_eq!(Graph::of_facts(all).shown().entities[0].entity_type, "person");
    }

    #[test]
    fn an_observation_without_its_entity_brings_it_back() {
        let graph = Graph::of_facts(facts(&[observed("likes tea")]));
        assert_eq!(graph.shown().entities, [entity("alice", "person", &["likes tea"])]);
        // Not beside one that was made again.
        let again = Element::Entity { name: "alice", kind: "robot", slot: 1 };
        let late = Element::Observation { name: "alice", kind: "person", of: 2, text: "likes tea", slot: 1 };
        let graph = Graph::of_facts(facts(&[again, late]));
        assert_eq!(graph.shown().entities, [entity("alice", "robot", &["likes tea"])]);
    }

    #[test]
    fn what_comes_later_is_taken_in_as_if_it_had_been_there() {
        let bob = Element::Entity { name: "bob", kind: "person", slot: 1 };
        let knows = Element::Relation { from: "alice", kind: "knows", to: "bob", slot: 1 };
        let all =
            facts(&[ALICE, observed("likes tea"), bob, knows, observed("likes tea"), observed("lives in Riga"), knows]);
        for cut in 0..=all.len() {
            let mut graph = Graph::of_facts(all[..cut].to_vec());
            // An observation before its entity is another story.
            assert_eq!(graph.extend(all[cut..].to_vec()), Ok(()), "{cut}");
            let whole = Graph::of_facts(all.clone());
            assert_eq!((graph.shown(), graph.facts()), (whole.shown(), whole.facts()), "{cut}");
            assert_eq!(graph.search("TEA"), whole.search("TEA"));
            let forgotten = |graph: &Graph| graph.delete_entities(&["alice".to_owned()]).forget.len();
            assert_eq!(forgotten(&graph), forgotten(&whole), "{cut}");
        }
    }

    #[test]
    fn nothing_is_taken_in_while_an_observation_waits_for_its_entity() {
        let all = facts(&[observed("likes tea"), ALICE]);
        let mut graph = Graph::of_facts(all[..1].to_vec());
        assert_eq!(graph.extend(all[1..].to_vec()), Err(Unsettled));
        assert_eq!(graph.extend(Vec::new()), Ok(()));
    }

    #[test]
    fn other_facts_of_the_domain_are_left_alone() {
        let other = DomainFact { id: FactId([9; 16]), content: "a note".into(), source: Some("a.md".into()) };
        assert_eq!(Graph::of_facts(vec![other]).shown(), Shown::default());
    }
}
