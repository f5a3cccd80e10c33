//! Arguments of the tools. An agent says what it wants written; who it is and how it came by it is filled in here,
//! not by the agent.

use rmcp::model::JsonObject;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::call::Caller;
use crate::dto::{ActorDto, Change, EditDto, NewFactDto, RecallRequestDto, Scalar};
use crate::error::Problem;

/// The name of the kind of source that every write of an agent has.
pub(super) const SOURCE_KIND: &str = "agent";
/// What writes of an agent come through.
pub(super) const TOOL: &str = "mcp";

/// Reads arguments; a wrong one is a problem that the agent can mend. Some models fill in null for whatever they leave
/// out, so it counts as left out.
pub(super) fn read<T: DeserializeOwned>(mut arguments: JsonObject) -> Result<T, Problem> {
    arguments.retain(|_, value| !value.is_null());
    serde_json::from_value(Value::Object(arguments)).map_err(|error| Problem::bad_json(&error))
}

/// Arguments of `remember`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Remember {
    content: String,
    level: Option<Scalar>,
    domain: Option<String>,
    module: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    confidence: Option<f64>,
    code_ref: Option<String>,
    ttl: Option<Scalar>,
    supersedes: Option<String>,
    #[serde(default)]
    derived_from: Vec<String>,
    #[serde(default)]
    private: bool,
    role: Option<String>,
    source: Option<String>,
    #[serde(default)]
    escape: bool,
    idempotency_key: Option<String>,
}

impl Remember {
    pub(super) fn into_fact(self, caller: Caller) -> NewFactDto {
        NewFactDto {
            content: self.content,
            level: self.level,
            domain: self.domain,
            module: self.module,
            tags: self.tags,
            confidence: self.confidence,
            code_ref: self.code_ref,
            ttl: self.ttl,
            supersedes: self.supersedes,
            derived_from: self.derived_from,
            private: self.private,
            role: self.role,
            source: self.source,
            escape: self.escape,
            idempotency_key: self.idempotency_key,
            agent: caller.agent,
            tool: Some(TOOL.to_owned()),
            session: caller.session,
            source_kind: Some(SOURCE_KIND.to_owned()),
            ..NewFactDto::default()
        }
    }
}

/// Arguments of `update`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Update {
    pub(super) id: String,
    content: Option<String>,
    append: Option<String>,
    level: Option<Scalar>,
    domain: Option<String>,
    module: Option<String>,
    tags: Option<Vec<String>>,
    confidence: Option<f64>,
    code_ref: Option<String>,
    ttl: Option<Scalar>,
    stale: Option<bool>,
    archived: Option<bool>,
    #[serde(default)]
    escape: bool,
    pub(super) idempotency_key: Option<String>,
}

impl Update {
    pub(super) fn into_edit(self, caller: Caller) -> EditDto {
        EditDto {
            content: self.content,
            append: self.append,
            level: self.level,
            domain: Change::from_option(self.domain),
            module: Change::from_option(self.module),
            tags: Change::from_option(self.tags),
            confidence: Change::from_option(self.confidence),
            code_ref: Change::from_option(self.code_ref),
            ttl: Change::from_option(self.ttl),
            stale: self.stale,
            archived: self.archived,
            escape: self.escape,
            agent: caller.agent,
            tool: Some(TOOL.to_owned()),
            session: caller.session,
            source_kind: Some(SOURCE_KIND.to_owned()),
            ..EditDto::default()
        }
    }
}

/// Arguments of `forget`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forget {
    pub(super) id: String,
    pub(super) idempotency_key: Option<String>,
}

/// The agent that forgets.
pub(super) fn actor(caller: Caller) -> ActorDto {
    let (tool, source_kind) = (Some(TOOL.to_owned()), Some(SOURCE_KIND.to_owned()));
    ActorDto { agent: caller.agent, tool, session: caller.session, source_kind }
}

/// Arguments of `get`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Get {
    pub(super) id: String,
    #[serde(default)]
    pub(super) history: bool,
}

/// Most facts that an agent gets by one recall.
const RECALL_FACTS_MAX: usize = 50;

/// Arguments of `recall`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recall {
    #[serde(default)]
    query: String,
    limit: Option<usize>,
    level: Option<Scalar>,
    domain: Option<String>,
    module: Option<String>,
    tag: Option<String>,
    author: Option<String>,
    since: Option<Scalar>,
    until: Option<Scalar>,
    as_of: Option<Scalar>,
    archived: Option<bool>,
    peers: Option<bool>,
}

impl Recall {
    pub(super) fn into_request(self) -> RecallRequestDto {
        let Self { query, level, domain, module, tag, author, since, until, as_of, archived, peers, .. } = self;
        let limit = self.limit.map(|limit| limit.min(RECALL_FACTS_MAX));
        RecallRequestDto {
            query,
            limit,
            level,
            domain,
            module,
            tag,
            author,
            since,
            until,
            as_of,
            archived,
            peers,
            ..RecallRequestDto::default()
        }
    }
}

/// Arguments of `status`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Status {
    pub(super) why: Option<String>,
    pub(super) peer: Option<String>,
}

/// Arguments of a tool that takes none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}
