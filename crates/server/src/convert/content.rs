//! Documents between the documented shapes and the node's values.

use antiphon_core::address::{ANY, Address, Component, Pattern, Selector};
use antiphon_core::time::UnixMillis;
use antiphon_node::{
    CONTENT_TYPE_DEFAULT, ContentCursor, ContentError, ContentFilter, ContentHeld, ContentInfo, ContentMetrics,
    ContentPlan, ContentProvider, ContentSource, ContentStored, LeftOut, LeftOutWhy, NewContent, OpenContent,
    ProviderSource,
};

use super::{Actor, provenance_of};
use crate::dto::{
    ContentDto, ContentFilterDto, ContentMetricsDto, ContentPlanDto, ContentProviderDto, ContentStoredDto, LeftOutDto,
    NewContentDto, Scalar,
};
use crate::error::Problem;
use crate::time::{self, rfc3339};

/// The address of a document, and which version of it is meant.
pub(crate) fn address_of(text: &str) -> Result<(Address, Selector), Problem> {
    Address::parse(text.trim()).map_err(|error| ContentError::from(error).into())
}

/// The address of a document as a whole, of which no version can be chosen.
pub(crate) fn whole_address_of(text: &str) -> Result<Address, Problem> {
    let (address, selector) = address_of(text)?;
    if selector == Selector::default() {
        return Ok(address);
    }
    Err(Problem::bad_value("address", text, "leave the selector out: this is about all versions, or makes a new one"))
}

/// A document to be stored.
pub(crate) fn new_content_of(dto: NewContentDto, source_kind: &str) -> Result<NewContent, Problem> {
    let NewContentDto { address, role, content_type, agent, session } = dto;
    let actor = Actor { agent, session, source_kind: Some(source_kind.to_owned()), ..Actor::default() };
    Ok(NewContent {
        address: whole_address_of(&address)?,
        role,
        content_type: content_type.unwrap_or_else(|| CONTENT_TYPE_DEFAULT.to_owned()),
        provenance: provenance_of(actor)?,
    })
}

/// Which documents are listed or searched for.
pub(crate) fn content_query_of(dto: ContentFilterDto) -> Result<(ContentFilter, Option<ContentCursor>), Problem> {
    let named = |word: Option<String>| word.filter(|word| word != ANY);
    let components = [
        (Component::Agent, dto.agent),
        (Component::Role, dto.role),
        (Component::Project, dto.project),
        (Component::Task, dto.task),
        (Component::Path, dto.path),
    ];
    let given = components.into_iter().filter_map(|(component, word)| Some((component, named(word)?)));
    let pattern = given
        .into_iter()
        .try_fold(Pattern::any(), |pattern, (component, word)| pattern.with(component, &word).map_err(Problem::from))?;
    let filter = ContentFilter {
        pattern,
        creator_role: named(dto.creator_role),
        content_type: dto.content_type,
        created_after: time_of("created_after", dto.created_after)?,
        created_before: time_of("created_before", dto.created_before)?,
    };
    Ok((filter, dto.after.as_deref().map(cursor_of).transpose()?))
}

/// Where a page goes on, as a text.
pub(crate) fn content_cursor(cursor: ContentCursor) -> String {
    format!("{}-{}", cursor.created_at.0, cursor.id)
}

fn cursor_of(text: &str) -> Result<ContentCursor, Problem> {
    let read = || {
        let (at, id) = text.split_once('-')?;
        Some(ContentCursor { created_at: UnixMillis(at.parse().ok()?), id: id.parse().ok()? })
    };
    read().ok_or_else(|| Problem::bad_value("after", text, "pass the next of the page before"))
}

fn time_of(key: &str, text: Option<Scalar>) -> Result<Option<UnixMillis>, Problem> {
    let Some(Scalar(text)) = text else { return Ok(None) };
    let wrong =
        || Problem::bad_value(key, &text, "write it as 2026-01-31T10:30:00Z, as 2026-01-31, or in Unix milliseconds");
    time::parse(&text).map(Some).ok_or_else(wrong)
}

/// One version of a document.
pub(crate) fn content(info: ContentInfo) -> ContentDto {
    ContentDto {
        address: info.address.to_string(),
        version: info.version,
        creator_role: info.creator_role,
        encrypted_for: info.encrypted_for,
        content_type: info.content_type,
        timestamp: rfc3339(info.created_at),
        size: info.size,
        stored_size: info.stored_size,
        hash: info.hash.to_string(),
        manifest: info.root.to_string(),
        key_epoch: info.key_epoch.map(|epoch| epoch.to_string()),
        author: info.author_name,
        author_peer_id: info.author.to_string(),
        event: info.event.to_string(),
        removed: info.removed,
        unauthorised: info.unauthorised,
        concurrent: info.concurrent,
        readable: info.readable,
        held: held(info.held).to_owned(),
        held_bytes: info.held.bytes,
        health: None,
        source: None,
        fetched_bytes: None,
    }
}

const fn held(held: ContentHeld) -> &'static str {
    match held {
        ContentHeld { whole: true, .. } => "all",
        ContentHeld { bytes: 0, .. } => "none",
        _ => "part",
    }
}

/// One that is being read, with where it comes from.
pub(crate) fn open_content(open: &OpenContent) -> ContentDto {
    let (source, fetched) = match open.source {
        ContentSource::Cache => ("cache", 0),
        ContentSource::Own => ("own", 0),
        ContentSource::Peers { bytes } => ("peers", bytes),
    };
    ContentDto { source: Some(source.to_owned()), fetched_bytes: Some(fetched), ..content(open.content.clone()) }
}

/// A document that was stored.
pub(crate) fn content_stored(stored: ContentStored) -> ContentStoredDto {
    ContentStoredDto { content: content(stored.content), left_out: left_out(stored.left_out) }
}

/// For whom one is going to be encrypted.
pub(crate) fn content_plan(address: &Address, plan: ContentPlan) -> ContentPlanDto {
    let ContentPlan { encrypted_for, left_out: out } = plan;
    ContentPlanDto { address: address.to_string(), encrypted_for, left_out: left_out(out) }
}

fn left_out(roles: Vec<LeftOut>) -> Vec<LeftOutDto> {
    let shown = |LeftOut { role, why }| LeftOutDto {
        role,
        why: match why {
            LeftOutWhy::NoMembers => "no_members",
            LeftOutWhy::CreatorKey => "creator_key",
            LeftOutWhy::NoKey => "no_key",
        }
        .to_owned(),
    };
    roles.into_iter().map(shown).collect()
}

/// Somebody who may hold a document.
pub(crate) fn content_provider(provider: ContentProvider) -> ContentProviderDto {
    ContentProviderDto {
        peer_id: provider.peer.to_string(),
        peer: provider.name,
        known_by: match provider.known_by {
            ProviderSource::Own => "own",
            ProviderSource::Proved => "proved",
            ProviderSource::Claimed => "claimed",
            ProviderSource::Author => "author",
            ProviderSource::Announced => "announced",
        }
        .to_owned(),
        connected: provider.connected,
    }
}

/// What was done with documents.
pub(crate) fn content_metrics(metrics: ContentMetrics) -> ContentMetricsDto {
    ContentMetricsDto {
        stored: metrics.stored,
        retrieved: metrics.retrieved,
        cache_hits: metrics.cache_hits,
        cache_misses: metrics.cache_misses,
        encryption_ops: metrics.encryptions,
        decryption_ops: metrics.decryptions,
        average_store_us: metrics.store_us,
        average_retrieve_us: metrics.retrieve_us,
        last_update: metrics.updated.map(rfc3339),
        cached: metrics.cached,
        cache_bytes: metrics.cache_bytes,
        blobs: metrics.blobs,
        blob_bytes: metrics.blob_bytes,
    }
}
