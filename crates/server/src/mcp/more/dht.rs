//! The tool about the hash table. An agent may look; what a machine says of itself is for people.

use antiphon_node::count;
use rmcp::model::JsonObject;
use serde::Deserialize;

use super::show::{Answer, answer, lines};
use crate::dto::{
    DhtBackendDto, DhtKeyDto, DhtPeerDto, DhtPeerFilterDto, DhtPeersDto, DhtProviderDto, DhtProvidersDto, DhtRecordDto,
    DhtStatusDto, DhtTopicDto,
};
use crate::error::{Code, Problem};
use crate::mcp::args::read;
use crate::mcp::render::{Rendered, quoted};
use crate::service::Service;

/// Arguments of `dht`: one of them, or none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dht {
    key: Option<String>,
    topic: Option<String>,
    role: Option<String>,
    capability: Option<String>,
}

pub(super) async fn show(service: &Service, arguments: JsonObject) -> Result<Rendered, Problem> {
    match read(arguments)? {
        Dht { key: None, topic: None, role: None, capability: None } => status(&service.dht_status().await?),
        Dht { key: Some(key), topic: None, role: None, capability: None } => {
            record(&service.dht_get(DhtKeyDto { key }).await?)
        }
        Dht { key: None, topic: Some(topic), role: None, capability: None } => {
            providers(&service.dht_providers(DhtTopicDto { topic, limit: None }).await?)
        }
        Dht { key: None, topic: None, role, capability } => {
            peers(&service.dht_peers(DhtPeerFilterDto { role, capability }).await?)
        }
        _ => Err(Problem::new(Code::Invalid, "these do not go together").hint("ask for one thing at a time")),
    }
}

fn status(status: &DhtStatusDto) -> Answer {
    let heading = format!(
        "{} is used ({}). {} in the routing table, {} of {} wait to be published.",
        status.using, status.choice, status.stats.routing_table_size, status.queue.waiting, status.queue.items
    );
    let line = |one: &DhtBackendDto| {
        format!("- {}: {}, {} failures, {} in a row", one.backend, one.status, one.errors, one.consecutive_failures)
    };
    answer(lines(heading, &status.backends, line), status)
}

fn record(record: &DhtRecordDto) -> Answer {
    let text = format!(
        "{} by {}, version {}, ends {}, {}.",
        record.kind,
        quoted(&record.author_name),
        record.version,
        record.expires,
        record.standing
    );
    answer(text, record)
}

fn providers(found: &DhtProvidersDto) -> Answer {
    let line = |one: &DhtProviderDto| {
        format!("- {}{}", quoted(&one.name), if one.connected || one.own { "" } else { " (not connected)" })
    };
    answer(
        lines(
            format!("{} of {}.", count(found.providers.len(), "provider"), quoted(&found.topic)),
            &found.providers,
            line,
        ),
        found,
    )
}

fn peers(found: &DhtPeersDto) -> Answer {
    let line = |peer: &DhtPeerDto| {
        let can: Vec<String> = peer.capabilities.iter().map(|one| quoted(one)).collect();
        let roles = peer.roles.join(", ");
        format!("- {} [{roles}] can {}; known by {}", quoted(&peer.name), can.join(", "), peer.known_by.join(", "))
    };
    answer(lines(format!("{}.", count(found.peers.len(), "member")), &found.peers, line), found)
}
