//! The tools about documents beyond `share`: finding them, their versions, and where they are.

use antiphon_node::{count, counted};
use rmcp::model::JsonObject;
use serde::Deserialize;
use serde_json::{Value, json};

use super::More;
use super::args::page;
use super::show::{Answer, answer, lines};
use crate::dto::{
    ContentAskDto, ContentDto, ContentFilterDto, ContentProvidersDto, ContentStatusDto, ContentVersionsDto,
    ContentsDto, Scalar,
};
use crate::error::Problem;
use crate::mcp::args::read;
use crate::mcp::render::{Rendered, quoted};
use crate::service::Service;

/// Arguments of `contents`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Find {
    agent: Option<String>,
    role: Option<String>,
    project: Option<String>,
    task: Option<String>,
    path: Option<String>,
    creator_role: Option<String>,
    #[serde(rename = "type")]
    content_type: Option<String>,
    created_after: Option<String>,
    created_before: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// Arguments of `content_show`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Show {
    address: String,
    #[serde(default)]
    versions: bool,
    #[serde(default)]
    providers: bool,
}

/// How a tool is listed: what it does, its arguments, and those that it needs.
pub(super) fn listed(more: More) -> (&'static str, Value, &'static [&'static str]) {
    let text = || json!({"type": "string"});
    match more {
        More::ContentShow => (
            "One document: who may read it, who stored it, what of it is here. share reads it.",
            json!({
                "address": text(),
                "versions": {"type": "boolean", "description": "Its versions instead"},
                "providers": {"type": "boolean", "description": "Who holds it instead"},
            }),
            &["address"],
        ),
        _ => (
            "Find documents by the parts of their address, role, type or time, the newest first.",
            json!({
                "agent": text(),
                "role": text(),
                "project": text(),
                "task": text(),
                "path": text(),
                "creator_role": text(),
                "type": text(),
                "created_after": text(),
                "created_before": text(),
                "limit": {"type": "integer", "minimum": 1, "maximum": 50},
                "after": {"type": "string", "description": "next of the page before"},
            }),
            &[],
        ),
    }
}

pub(super) async fn run(service: &Service, tool: More, arguments: JsonObject) -> Result<Rendered, Problem> {
    match tool {
        More::ContentShow => show(service, read(arguments)?).await,
        _ => find(service, read(arguments)?).await,
    }
}

async fn find(service: &Service, find: Find) -> Result<Rendered, Problem> {
    let Find { agent, role, project, task, path, creator_role, content_type, .. } = find;
    let filter = ContentFilterDto {
        agent,
        role,
        project,
        task,
        path,
        creator_role,
        content_type,
        created_after: find.created_after.map(Scalar),
        created_before: find.created_before.map(Scalar),
        limit: Some(page(find.limit)),
        after: find.after,
    };
    list(&service.contents(filter).await?)
}

async fn show(service: &Service, Show { address, versions, providers }: Show) -> Result<Rendered, Problem> {
    let ask = ContentAskDto { address, ciphertext: None };
    if versions {
        return all_versions(&service.content_versions(ask).await?);
    }
    if providers {
        return holders(&service.content_providers(ask).await?);
    }
    status(&service.content_status(ask).await?)
}

fn line(content: &ContentDto) -> String {
    let ContentDto { address, version, creator_role, size, author, timestamp, .. } = content;
    let state = match (content.removed, content.unauthorised, content.readable) {
        (true, ..) => ", removed",
        (_, true, _) => ", does not count",
        (.., false) => ", not readable here",
        _ => "",
    };
    let (address, author) = (quoted(address), quoted(author));
    format!(
        "- {address} version {version} role {creator_role} {} by {author} at {timestamp}{state}",
        count(*size, "byte")
    )
}

fn list(page: &ContentsDto) -> Answer {
    let more = page.next.as_ref().map(|next| format!(" There are more: pass after={next}.")).unwrap_or_default();
    answer(lines(format!("{}.{more}", count(page.contents.len(), "document")), &page.contents, line), page)
}

fn all_versions(versions: &ContentVersionsDto) -> Answer {
    let heading = format!("{}, the newest first.", count(versions.versions.len(), "version"));
    answer(lines(heading, &versions.versions, line), versions)
}

fn status(status: &ContentStatusDto) -> Answer {
    let content = &status.content;
    let copies = match &status.copies {
        Some(copies) => {
            format!("{} of {} ({})", copies.actual, counted(copies.target, "copy", "copies"), copies.health)
        }
        None => format!("{} known holders", status.replication_factor),
    };
    let text = format!(
        "{}\n  type {}, readable by {}, {} of it here, {copies}",
        line(content),
        quoted(&content.content_type),
        content.encrypted_for.join(", "),
        content.held,
    );
    answer(text, status)
}

fn holders(providers: &ContentProvidersDto) -> Answer {
    let heading = format!("{} known holders.", providers.providers.len());
    let one = |provider: &crate::dto::ContentProviderDto| {
        let connected = if provider.connected { "connected" } else { "not connected" };
        format!("- {} ({}), {connected}", quoted(&provider.peer), provider.known_by)
    };
    answer(lines(heading, &providers.providers, one), providers)
}
