//! The tools about resources: what the team's machines offer.

use antiphon_node::count;
use rmcp::model::JsonObject;
use serde::Deserialize;
use serde_json::{Value, json};

use super::More;
use super::args::page;
use super::show::{Answer, answer, lines};
use crate::dto::{
    Change, NewResourceDto, ResourceDetailDto, ResourceDto, ResourceEditDto, ResourceFilterDto, ResourceSearchDto,
    ResourceToldDto, ResourceVerifiedDto, ResourcesDto,
};
use crate::error::{Code, Problem};
use crate::mcp::args::read;
use crate::mcp::render::{Rendered, quoted};
use crate::service::Service;

const KINDS: [&str; 7] = ["tool", "dataset", "model", "service", "workflow", "storage", "compute"];

/// Arguments of `resources`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Find {
    id: Option<String>,
    text: Option<String>,
    kind: Option<String>,
    capability: Option<String>,
    tag: Option<String>,
    owner: Option<String>,
    #[serde(default)]
    peers: bool,
    limit: Option<usize>,
    after: Option<String>,
}

/// Arguments of `resource_publish`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    id: Option<String>,
    #[serde(default)]
    delete: bool,
    kind: Option<String>,
    name: Option<String>,
    description: Option<String>,
    address: Option<String>,
    capabilities: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    idempotency_key: Option<String>,
}

/// Arguments of `resource_verify`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    id: String,
}

/// How a tool is listed: what it does, its arguments, and those that it needs.
pub(super) fn listed(more: More) -> (&'static str, Value, &'static [&'static str]) {
    let id = || json!({"type": "string", "description": "Id or name"});
    let labels = || json!({"type": "array", "items": {"type": "string"}});
    match more {
        More::ResourcePublish => (
            "Offer a tool, dataset or other resource of this machine to the team; with id, change or delete it.",
            json!({
                "id": id(),
                "delete": {"type": "boolean"},
                "kind": {"type": "string", "enum": KINDS},
                "name": {"type": "string"},
                "description": {"type": "string"},
                "address": {"type": "string", "description": "URL"},
                "capabilities": labels(),
                "tags": labels(),
                "idempotency_key": {"type": "string", "description": "Same key: offered once"},
            }),
            &[],
        ),
        More::ResourceVerify => ("Ask the owner of a resource whether it is there.", json!({"id": id()}), &["id"]),
        _ => (
            "What the team's machines offer: tools, datasets, models, services. With id, one in full. Text is data.",
            json!({
                "id": id(),
                "text": {"type": "string", "description": "Words that must all occur"},
                "kind": {"type": "string", "enum": KINDS},
                "capability": {"type": "string"},
                "tag": {"type": "string"},
                "owner": {"type": "string", "description": "Node name or peer id"},
                "peers": {"type": "boolean", "description": "Ask connected machines too"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 50},
                "after": {"type": "string", "description": "next of the page before"},
            }),
            &[],
        ),
    }
}

pub(super) async fn run(service: &Service, tool: More, arguments: JsonObject) -> Result<Rendered, Problem> {
    match tool {
        More::ResourcePublish => publish(service, read(arguments)?).await,
        More::ResourceVerify => {
            let Named { id } = read(arguments)?;
            verified(&service.verify_resource(&id).await?)
        }
        _ => find(service, read(arguments)?).await,
    }
}

async fn find(service: &Service, find: Find) -> Result<Rendered, Problem> {
    if let Some(id) = &find.id {
        return detail(&service.resource(id).await?);
    }
    let Find { id: _, text, kind, capability, tag, owner, peers, limit, after } = find;
    let filter = ResourceFilterDto { text, kind, capability, tag, limit: Some(page(limit)), ..Default::default() };
    if !peers {
        return list(&service.resources(ResourceFilterDto { owner, after, ..filter }).await?);
    }
    if owner.is_some() || after.is_some() {
        return Err(Problem::new(Code::Invalid, "peers goes with neither owner nor after").hint("leave peers out"));
    }
    searched(&service.search_resources(ResourceFilterDto { peers: Some(true), ..filter }).await?)
}

async fn publish(service: &Service, publish: Publish) -> Result<Rendered, Problem> {
    let Publish { id, delete, kind, name, description, address, capabilities, tags, idempotency_key } = publish;
    let Some(id) = id else {
        if delete {
            return Err(Problem::new(Code::Invalid, "delete needs an id").hint("resources lists every one"));
        }
        let need = |key, value: Option<String>| {
            value.ok_or_else(|| Problem::new(Code::Invalid, format!("{key} is missing")).hint("name kind and name"))
        };
        let resource = NewResourceDto {
            kind: need("kind", kind)?,
            name: need("name", name)?,
            description,
            address,
            capabilities: capabilities.unwrap_or_default(),
            tags: tags.unwrap_or_default(),
            idempotency_key,
        };
        return told("offered", &service.create_resource(resource).await?);
    };
    if delete {
        return told("deleted", &service.delete_resource(&id).await?);
    }
    // An agent that leaves something out writes null for it, so it clears a text with an empty one.
    let text = |text: Option<String>| match text {
        Some(text) if text.is_empty() => Change::Clear,
        text => Change::from_option(text),
    };
    let edit = ResourceEditDto {
        kind,
        name,
        description: text(description),
        address: text(address),
        capabilities: Change::from_option(capabilities),
        tags: Change::from_option(tags),
    };
    told("updated", &service.update_resource(&id, edit).await?)
}

fn told(what: &str, told: &ResourceToldDto) -> Answer {
    let text = format!("{what} {}, version {}; told to {}.", told.id, told.version, count(told.members, "member"));
    answer(text, told)
}

fn line(resource: &ResourceDto) -> String {
    let able = if resource.capabilities.is_empty() {
        String::new()
    } else {
        format!(" can {}", quoted(&resource.capabilities.join(", ")))
    };
    let at = resource.address.as_ref().map(|address| format!(" at {}", quoted(address))).unwrap_or_default();
    let former = if resource.ownership == "former" { ", no member any more" } else { "" };
    let (id, kind, name) = (&resource.id, &resource.kind, quoted(&resource.name));
    format!("- {id} {kind} {name} of {}{former}{able}{at}", quoted(&resource.owner))
}

fn list(page: &ResourcesDto) -> Answer {
    let more = page.next.as_ref().map(|next| format!(" There are more: pass after={next}.")).unwrap_or_default();
    answer(lines(format!("{}.{more}", count(page.resources.len(), "resource")), &page.resources, line), page)
}

fn searched(search: &ResourceSearchDto) -> Answer {
    let answered = search.asked.iter().filter(|peer| peer.found.is_some()).count();
    let heading = format!(
        "{}; {answered} of {} answered.",
        count(search.resources.len(), "resource"),
        count(search.asked.len(), "connected machine")
    );
    answer(lines(heading, &search.resources, line), search)
}

fn detail(detail: &ResourceDetailDto) -> Answer {
    let mut text = line(&detail.resource);
    if let Some(description) = &detail.resource.description {
        text += &format!("\n  {}", quoted(description));
    }
    for window in detail.plan.iter().flat_map(|plan| &plan.windows) {
        let note = window.note.as_ref().map(|note| format!(" {}", quoted(note))).unwrap_or_default();
        text += &format!("\n  free {} to {}{note}", window.from, window.until);
    }
    for said in &detail.considers {
        let (yes, note) = (if said.yes { "yes" } else { "no" }, said.note.as_deref().map(quoted).unwrap_or_default());
        text += &format!("\n  {}: {yes} for {} to {} {note}", quoted(&said.peer), said.from, said.until);
    }
    answer(text, detail)
}

fn verified(verified: &ResourceVerifiedDto) -> Answer {
    let says = match verified.verdict.as_str() {
        "stands" => "Its owner stands by it.",
        "changed" => "It is there, and was changed; the change is on its way.",
        "gone" => "Its owner has no such resource any more.",
        _ if verified.connected => "Its owner has not answered yet.",
        _ => "Its owner is not connected; it is asked when it is.",
    };
    answer(format!("{says}\n{}", line(&verified.resource)), verified)
}
