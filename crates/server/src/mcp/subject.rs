//! What can be read as a resource, and watched.
//!
//! Five kinds of address. A fact is named by its whole id, so that what is watched cannot become something else; a
//! document by any spelling of its address.

use antiphon_core::address::SCHEME;
use antiphon_core::ids::{FactId, Hash};
use antiphon_node::Topic;
use serde_json::{Value, json};

use super::memory;
use super::render::to_json;
use crate::convert;
use crate::dto::{ContentAskDto, ContentDto, FactDto, PeerDto, StatusDto};
use crate::error::{Code, Problem};
use crate::graph::Graph;
use crate::service::Service;

/// The address of the node's state.
pub(super) const STATUS: &str = "antiphon://status";
/// The address of the team's genes.
pub(super) const GENOME: &str = "antiphon://genome";
/// What the address of a fact begins with.
pub(super) const FACT: &str = "antiphon://fact/";

/// What a resource is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Status,
    Genome,
    Fact(FactId),
    /// By its address.
    Document(String),
    /// The knowledge graph of the memory server.
    Graph,
}

/// What a subject looked like; none for what is not there.
pub(super) type Mark = Option<Hash>;

impl Subject {
    /// What an address names, if it can be one of ours.
    pub(super) fn of_uri(uri: &str) -> Option<Self> {
        match uri {
            STATUS => Some(Self::Status),
            GENOME => Some(Self::Genome),
            memory::GRAPH => Some(Self::Graph),
            _ => match uri.strip_prefix(FACT) {
                Some(id) => id.parse().ok().map(Self::Fact),
                None => uri
                    .starts_with(SCHEME)
                    .then(|| convert::address_of(uri).ok().map(|_| Self::Document(uri.to_owned())))
                    .flatten(),
            },
        }
    }

    /// Whether a change of `topic` can be one of this.
    pub(super) const fn hangs_on(&self, topic: Topic) -> bool {
        match self {
            Self::Status => !matches!(topic, Topic::Audit),
            Self::Genome => matches!(topic, Topic::Charter),
            Self::Fact(_) | Self::Graph => matches!(topic, Topic::Facts | Topic::Charter),
            Self::Document(_) => matches!(topic, Topic::Contents | Topic::Charter),
        }
    }

    /// What it looks like now, without what changes all by itself.
    ///
    /// # Errors
    /// When it cannot be looked at; what is not there, or not for this node, is no error.
    pub(super) async fn mark(&self, service: &Service) -> Result<Mark, Problem> {
        let looked = match self {
            Self::Graph => service.graph(Graph::shown).await.and_then(|shown| to_json(&shown)),
            Self::Status => service.status().await.map(steady_status),
            Self::Genome => service.genes().await.and_then(|genes| to_json(&genes)),
            Self::Fact(id) => service.fact(&id.to_string()).await.and_then(steady_fact),
            Self::Document(address) => {
                let ask = ContentAskDto { address: address.clone(), ciphertext: None };
                service.content_status(ask).await.map(|status| steady_document(&status.content))
            }
        };
        match looked {
            Ok(value) => Ok(Some(Hash::of(value.to_string().as_bytes()))),
            Err(problem) if problem.code == Code::NotFound => Ok(None),
            // What it may not be read for is what there is to see of it.
            Err(problem) if problem.code == Code::Refused => Ok(Some(Hash::of(problem.what.as_bytes()))),
            Err(problem) => Err(problem),
        }
    }
}

/// A fact without what reading it changes.
fn steady_fact(mut fact: FactDto) -> Result<Value, Problem> {
    (fact.hits, fact.last_hit, fact.erasure) = (0, None, None);
    to_json(&fact)
}

/// A document without where its bytes happen to be.
fn steady_document(content: &ContentDto) -> Value {
    let ContentDto { event, version, removed, unauthorised, concurrent, readable, encrypted_for, .. } = content;
    json!([event, version, removed, unauthorised, concurrent, readable, encrypted_for])
}

/// What of the state is worth looking at again: not when somebody was last heard of.
fn steady_status(status: StatusDto) -> Value {
    let StatusDto { name, team, mode, roles, steward, facts, closed, unread, problems, copies, outbox, peers, .. } =
        status;
    let peers: Vec<Value> = peers.into_iter().map(steady_peer).collect();
    json!({
        "self": [name, team.id, team.name, mode, roles, steward],
        "facts": [facts, closed],
        "unread": unread,
        "waiting": outbox.pending,
        "copies": [copies.healthy, copies.degraded, copies.critical],
        "problems": problems.into_iter().map(|problem| [problem.what, problem.fix]).collect::<Vec<_>>(),
        "peers": peers,
    })
}

fn steady_peer(peer: PeerDto) -> Value {
    let PeerDto { peer_id, name, trust, roles, connected, mode, lag_events, reason, .. } = peer;
    json!([peer_id, name, trust, roles, connected, mode, lag_events, reason.map(|reason| reason.code)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_what_they_say_and_nothing_else() {
        let id = FactId([7; 16]);
        assert_eq!(Subject::of_uri(STATUS), Some(Subject::Status));
        assert_eq!(Subject::of_uri(GENOME), Some(Subject::Genome));
        assert_eq!(Subject::of_uri(memory::GRAPH), Some(Subject::Graph));
        assert_eq!(Subject::of_uri(&format!("{FACT}{id}")), Some(Subject::Fact(id)));
        let address = "ucxl://alice/admin/build/task1/notes.md";
        assert_eq!(Subject::of_uri(address), Some(Subject::Document(address.to_owned())));
        for other in [
            "",
            "antiphon://",
            "antiphon://status/",
            "antiphon://fact/",
            "antiphon://fact/01ZZZ",
            "ucxl://alice",
            "ucxl://alice/admin/build/task1/../../etc/passwd",
            "file:///etc/passwd",
            "test://static-text",
        ] {
            assert_eq!(Subject::of_uri(other), None, "{other}");
        }
    }

    #[test]
    fn reading_a_fact_does_not_change_it() {
        let fact = FactDto { content: Some("x".into()), ..FactDto::default() };
        let read = FactDto { hits: 3, last_hit: Some("now".into()), ..fact.clone() };
        let edited = FactDto { content: Some("y".into()), ..fact.clone() };
        assert_eq!(steady_fact(fact.clone()).unwrap(), steady_fact(read).unwrap());
        assert_ne!(steady_fact(fact).unwrap(), steady_fact(edited).unwrap());
    }

    #[test]
    fn hearing_of_a_peer_is_no_change_but_its_trust_is() {
        let status = |trust: &str, seen: &str| StatusDto {
            peers: vec![PeerDto { trust: trust.into(), last_seen: Some(seen.into()), ..PeerDto::default() }],
            ..StatusDto::default()
        };
        assert_eq!(steady_status(status("VERIFIED", "1")), steady_status(status("VERIFIED", "2")));
        assert_ne!(steady_status(status("VERIFIED", "1")), steady_status(status("EXPIRED", "1")));
    }
}
