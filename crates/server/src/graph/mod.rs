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
mod index;
mod kept;
mod search;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use antiphon_core::ids::FactId;
use antiphon_node::DomainFact;
use serde::{Deserialize, Serialize};

pub(crate) use change::{Additions, Changes, Deletion};
pub(crate) use element::Element;
use element::{Place, observed};
use index::Index;
pub(crate) use kept::KeptGraph;
use search::{Searched, Sought};

/// The domain whose facts make up the graph.
pub(crate) const DOMAIN: &str = "memory-server";
/// Most facts of a graph: it is kept in memory while it is used.
pub(crate) const GRAPH_FACTS_MAX: usize = 250_000;

/// An entity, as the memory server shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entity {
    pub(crate) name: String,
    pub(crate) entity_type: String,
    pub(crate) observations: Vec<String>,
}

/// A relation, as the memory server shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// The nodes of each name.
    named: HashMap<String, Copies>,
    /// The edges that say the same.
    related: HashMap<Relation, Copies>,
    /// Every edge, by each of its ends.
    touching: HashMap<String, Vec<usize>>,
    /// Every observation, by its node, its slot and the hash of its text: a copy of the texts would cost as much as they do.
    observed: HashMap<(usize, u32, u64), usize>,
    /// What makes those hashes.
    hasher: RandomState,
    /// Which nodes may hold a text.
    index: Index,
    /// The facts that were read.
    facts: HashSet<FactId>,
    /// Whether an observation was read whose own entity was not there.
    orphans: bool,
}

/// Where elements stand that differ in their slots alone: nearly always one.
#[derive(Debug)]
struct Copies {
    /// The one that came first, with its slot.
    first: (u32, usize),
    more: BTreeMap<u32, usize>,
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
    slot: u32,
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
                    let at = self.of_slot(&name, slot).unwrap_or_else(|| self.begin(name, &kind, slot));
                    self.stands_for(at, id, kind);
                }
                Some(Place::Observation { name, kind, of, slot }) => {
                    let text = observed(&name, &kind, &content);
                    loose.push(Loose { name, kind, of, slot, text, fact: id });
                }
                Some(Place::Relation { from, kind, to, slot }) => {
                    self.relate(Relation { from, to, relation_type: kind }, slot, id);
                }
            }
        }
        self.attach(loose);
    }

    fn relate(&mut self, relation: Relation, slot: u32, fact: FactId) {
        let next = self.edges.len();
        let at = Copies::place(self.related.entry(relation.clone()), slot, next);
        if at == next {
            for end in [&relation.from, &relation.to] {
                self.touching.entry(end.clone()).or_default().push(at);
            }
            self.edges.push(Edge { relation, facts: Vec::new() });
        }
        if let Some(edge) = self.edges.get_mut(at) {
            push(&mut edge.facts, fact);
        }
    }

    fn begin(&mut self, name: String, kind: &str, slot: u32) -> usize {
        let at = self.nodes.len();
        Copies::place(self.named.entry(name.clone()), slot, at);
        let searched = Searched::new(&name, kind, &mut self.index, at);
        let (kind, facts, observations) = (kind.to_owned(), Vec::new(), Vec::new());
        self.nodes.push(Node { name, kind, slot, searched, facts, observations });
        at
    }

    /// One more fact says that a node exists. Where two machines gave it two types, all nodes show the one of the
    /// lowest id, in whatever order the facts came to them.
    fn stands_for(&mut self, at: usize, fact: FactId, kind: String) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        if node.facts.iter().all(|other| fact < *other) {
            node.searched.set_kind(&kind, &mut self.index, at);
            node.kind = kind;
        }
        push(&mut node.facts, fact);
    }

    /// Gives observations to their entities. One whose entity was deleted on another machine, while it was added on
    /// this one, brings it back.
    fn attach(&mut self, loose: Vec<Loose>) {
        for Loose { name, kind, of, slot, text, fact } in loose {
            let own = self.of_slot(&name, of).filter(|at| !self.is_brought_back(*at));
            self.orphans |= own.is_none();
            let at = own.or_else(|| self.first_of(&name)).unwrap_or_else(|| self.begin(name, &kind, of));
            let Some(node) = self.nodes.get_mut(at) else { continue };
            let next = node.observations.len();
            let found = *self.observed.entry((at, slot, self.hasher.hash_one(&text))).or_insert(next);
            let is_it = |observation: &Observation| observation.slot == slot && observation.text == text;
            let known = match node.observations.get(found) {
                None => None,
                Some(observation) if is_it(observation) => Some(found),
                // Should two texts ever have one hash, it has to be looked for.
                Some(_) => node.observations.iter().position(is_it),
            };
            match known.and_then(|known| node.observations.get_mut(known)) {
                Some(observation) => observation.facts.push(fact),
                None => {
                    node.searched.add(&text, &mut self.index, at);
                    push(&mut node.observations, Observation { text, slot, facts: vec![fact] });
                }
            }
        }
    }

    /// The node of a name and a slot.
    fn of_slot(&self, name: &str, slot: u32) -> Option<usize> {
        self.named.get(name).and_then(|copies| copies.of_slot(slot))
    }

    /// The node of a name that came first.
    fn first_of(&self, name: &str) -> Option<usize> {
        self.named.get(name).map(|copies| copies.first.1)
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
        let Some(sought) = Sought::new(&query) else { return Shown::default() };
        let mut wanted = self.index.may_hold(&query).unwrap_or_else(|| (0..self.nodes.len()).collect());
        wanted.retain(|at| self.nodes.get(*at).is_some_and(|node| node.searched.has(&sought)));
        self.part(&wanted)
    }

    /// Entities of these names, with every relation that touches one of them.
    pub(crate) fn open(&self, names: &[String]) -> Shown {
        self.part(&self.of_names(names))
    }

    /// The nodes of these names, in the order in which they came.
    fn of_names(&self, names: &[String]) -> Vec<usize> {
        in_order(names.iter().filter_map(|name| self.named.get(name)).flat_map(Copies::all))
    }

    /// The edges that touch one of these names, in the order in which they came.
    fn touching<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
        in_order(names.into_iter().filter_map(|name| self.touching.get(name)).flatten().copied())
    }

    fn part(&self, wanted: &[usize]) -> Shown {
        let nodes: Vec<&Node> = wanted.iter().filter_map(|at| self.nodes.get(*at)).collect();
        let edges = self.touching(nodes.iter().map(|node| node.name.as_str()));
        let relations = edges.iter().filter_map(|at| self.edges.get(*at)).map(|edge| edge.relation.clone()).collect();
        Shown { entities: nodes.into_iter().map(Node::shown).collect(), relations }
    }
}

/// Most elements have one fact and many entities one observation, so the first takes no more room than it needs.
fn push<T>(list: &mut Vec<T>, item: T) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
    list.push(item);
}

fn in_order(places: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut places: Vec<usize> = places.collect();
    places.sort_unstable();
    places.dedup();
    places
}

impl Copies {
    /// Where the one of a slot stands; it is noted at `next` if it is new.
    fn place<K>(entry: Entry<'_, K, Self>, slot: u32, next: usize) -> usize {
        let copies = match entry {
            Entry::Vacant(entry) => entry.insert(Self { first: (slot, next), more: BTreeMap::new() }),
            Entry::Occupied(entry) => entry.into_mut(),
        };
        if copies.first.0 == slot { copies.first.1 } else { *copies.more.entry(slot).or_insert(next) }
    }

    fn of_slot(&self, slot: u32) -> Option<usize> {
        if self.first.0 == slot { Some(self.first.1) } else { self.more.get(&slot).copied() }
    }

    fn all(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.first.1).chain(self.more.values().copied())
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
            for query in ["TEA", "a", "knows", "riga", ""] {
                assert_eq!(graph.search(query), whole.search(query), "{query}");
            }
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
    fn a_part_has_what_touches_it_in_the_order_of_the_whole() {
        let entity = |name, slot| Element::Entity { name, kind: "person", slot };
        let knows = |from, to, slot| Element::Relation { from, kind: "knows", to, slot };
        let elements = [
            knows("bob", "eve", 1),
            entity("bob", 1),
            entity("alice", 1),
            knows("alice", "alice", 1),
            entity("bob", 2),
            knows("eve", "bob", 1),
            knows("bob", "eve", 2),
        ];
        let graph = Graph::of_facts(facts(&elements));
        let names = |shown: &Shown| shown.entities.iter().map(|entity| entity.name.clone()).collect::<Vec<_>>();
        let ends = |shown: &Shown| {
            let ends = |relation: &Relation| format!("{} {}", relation.from, relation.to);
            shown.relations.iter().map(ends).collect::<Vec<_>>()
        };
        let both = graph.open(&["bob".into(), "nobody".into(), "bob".into()]);
        assert_eq!(
            (names(&both), ends(&both)),
            (vec!["bob".into(); 2], vec!["bob eve".into(), "eve bob".into(), "bob eve".into()])
        );
        assert_eq!(graph.search("BOB"), both);
        let alice = graph.search("lic");
        assert_eq!((names(&alice), ends(&alice)), (vec!["alice".into()], vec!["alice alice".into()]));
        // Who is only at the end of a relation is no entity.
        assert_eq!(graph.search("eve"), Shown::default());
        assert_eq!(graph.search("e").entities.len(), 3, "the type has one");
        let eve = Relation { from: "bob".into(), to: "eve".into(), relation_type: "knows".into() };
        assert_eq!(graph.delete_relations(&[eve]).forget.len(), 2);
        assert_eq!(graph.delete_entities(&["bob".into()]).forget.len(), 5);
    }

    #[test]
    fn other_facts_of_the_domain_are_left_alone() {
        let other = DomainFact { id: FactId([9; 16]), content: "a note".into(), source: Some("a.md".into()) };
        assert_eq!(Graph::of_facts(vec![other]).shown(), Shown::default());
    }
}
