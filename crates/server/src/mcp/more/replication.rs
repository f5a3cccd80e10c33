//! The tools about copies of documents. An agent may look, and have repaired now what is repaired anyway; how many
//! copies there should be, and what is freed, is for people.

use antiphon_node::{count, counted};
use rmcp::model::JsonObject;
use serde::Deserialize;
use serde_json::{Value, json};

use super::More;
use super::args::page;
use super::show::{Answer, answer, lines};
use crate::dto::{
    ContentAskDto, HealthCountsDto, ReplicaDto, ReplicaHolderDto, ReplicationAskDto, ReplicationDto, ReplicationRanDto,
    ReplicationRunDto,
};
use crate::error::{Code, Problem};
use crate::mcp::args::read;
use crate::mcp::render::{Rendered, quoted};
use crate::service::Service;

/// Arguments of `replication`: the address of one document, or which are listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Copies {
    address: Option<String>,
    health: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// How a tool is listed: what it does, its arguments, and those that it needs.
pub(super) fn listed(more: More) -> (&'static str, Value, &'static [&'static str]) {
    let address = |what: &str| json!({"type": "string", "description": what});
    match more {
        More::ReplicationRun => (
            "Ask members now who holds which document, and have missing copies made.",
            json!({"address": address("One document; without it, all")}),
            &[],
        ),
        _ => (
            "How many copies of documents there are, the worst first; or, with address, who holds one.",
            json!({
                "address": address("One document"),
                "health": {"type": "string", "enum": ["healthy", "degraded", "critical"]},
                "limit": {"type": "integer", "minimum": 1, "maximum": 50},
                "after": {"type": "string", "description": "next of the page before"},
            }),
            &[],
        ),
    }
}

pub(super) async fn run(service: &Service, tool: More, arguments: JsonObject) -> Result<Rendered, Problem> {
    if tool == More::ReplicationRun {
        return ran(&service.replicate(read::<ReplicationRunDto>(arguments)?).await?);
    }
    match read(arguments)? {
        Copies { address: Some(address), health: None, limit: None, after: None } => {
            one(&service.replication_of(ContentAskDto { address, ciphertext: None }).await?)
        }
        Copies { address: None, health, limit, after } => {
            let ask = ReplicationAskDto { health, limit: Some(page(limit)), after };
            list(&service.replication(ask).await?)
        }
        _ => Err(Problem::new(Code::Invalid, "these do not go together").hint("give the address alone, or none")),
    }
}

fn line(replica: &ReplicaDto) -> String {
    let ReplicaDto { address, version, actual, target, health, priority, size, .. } = replica;
    let had = last_holder(replica).map(|said| format!("; {said}")).unwrap_or_default();
    let address = quoted(address);
    let (copies, bytes) = (counted(*target, "copy", "copies"), count(*size, "byte"));
    format!("- {address} version {version}: {actual} of {copies}, {health}, {priority} priority, {bytes}{had}")
}

/// Who had what nobody is known to hold.
fn last_holder(replica: &ReplicaDto) -> Option<String> {
    if replica.health != "critical" {
        return None;
    }
    let holder = replica.last_holder()?;
    Some(format!("{} had it last, at {}", quoted(holder.called()), holder.last_seen))
}

fn counts(counts: &HealthCountsDto) -> String {
    let HealthCountsDto { healthy, degraded, critical } = counts;
    format!("{healthy} healthy, {degraded} degraded, {critical} critical")
}

fn one(replica: &ReplicaDto) -> Answer {
    let holder = |one: &ReplicaHolderDto| {
        let state = match (one.own, one.connected) {
            (true, _) => "this node",
            (_, true) => "connected",
            _ => "away",
        };
        let counted = if one.counts { "" } else { ", not counted" };
        format!(
            "- {} ({state}): {}{counted}, seen {}, quality {:.2}",
            quoted(one.called()),
            one.known_by,
            one.last_seen,
            one.quality
        )
    };
    answer(lines(line(replica), &replica.providers, holder), replica)
}

fn list(page: &ReplicationDto) -> Answer {
    let more = page.next.as_ref().map(|next| format!(" There are more: pass after={next}.")).unwrap_or_default();
    answer(lines(format!("Of all documents: {}.{more}", counts(&page.health)), &page.replicas, line), page)
}

fn ran(ran: &ReplicationRanDto) -> Answer {
    let text = format!("Asked for {} ciphertexts; what is missing is copied now. {}.", ran.asked, counts(&ran.health));
    answer(text, ran)
}
