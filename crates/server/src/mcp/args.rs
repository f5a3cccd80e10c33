//! Arguments of the tools. An agent says what it wants written; who it is and how it came by it is filled in here,
//! not by the agent.

use rmcp::model::JsonObject;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::call::Caller;
use crate::dto::{ActorDto, Change, EditDto, NewFactDto, RecallRequestDto, Scalar};
use crate::error::{Code, Problem};

/// The name of the kind of source that every write of an agent has.
pub(super) const SOURCE_KIND: &str = "agent";
/// What writes of an agent come through.
pub(super) const TOOL: &str = "mcp";

/// Reads arguments; wrong ones are a problem that the agent can mend. Some models fill in null for whatever they leave
/// out, so it counts as left out.
pub(super) fn read<T: DeserializeOwned>(mut arguments: JsonObject) -> Result<T, Problem> {
    arguments.retain(|_, value| !value.is_null());
    let arguments = Value::Object(arguments);
    T::deserialize(&arguments).map_err(|error| wrong::<T>(arguments, &error))
}

/// What is wrong with arguments. A reader stops at the first value that it cannot use and does not say whose it is, so
/// each is tried alone: then whatever else fails is that others are missing.
fn wrong<T: DeserializeOwned>(arguments: Value, error: &serde_json::Error) -> Problem {
    let Value::Object(arguments) = arguments else { return Problem::bad_json(error) };
    let alone = |(key, value): (String, Value)| {
        let said = T::deserialize(Value::Object([(key.clone(), value)].into_iter().collect())).err()?.to_string();
        let is_its_own = !said.starts_with("missing field") && !said.starts_with("unknown field");
        is_its_own.then(|| format!("{key}: {}", in_words(&said)))
    };
    let wrong: Vec<String> = arguments.into_iter().filter_map(alone).collect();
    if wrong.is_empty() {
        return Problem::bad_json(error);
    }
    Problem::new(Code::Invalid, format!("the request cannot be read: {}", wrong.join("; ")))
        .hint("the tool list says what each argument is")
}

/// What a reader says, without the names of numbers in Rust.
fn in_words(said: &str) -> String {
    let Some((what, expected)) = said.rsplit_once(", expected ") else { return said.to_owned() };
    let expected = match expected {
        "usize" | "u64" | "u32" | "i64" => "a whole number",
        "f64" => "a number",
        other => other,
    };
    format!("{what}, expected {expected}")
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
    origin: Option<String>,
    since: Option<Scalar>,
    until: Option<Scalar>,
    as_of: Option<Scalar>,
    source_kind: Option<String>,
    diverged: Option<bool>,
    archived: Option<bool>,
    explain: Option<bool>,
    peers: Option<bool>,
}

impl Recall {
    pub(super) fn into_request(self) -> RecallRequestDto {
        RecallRequestDto {
            query: self.query,
            limit: self.limit.map(|limit| limit.min(RECALL_FACTS_MAX)),
            level: self.level,
            domain: self.domain,
            module: self.module,
            tag: self.tag,
            author: self.author,
            origin: self.origin,
            since: self.since,
            until: self.until,
            as_of: self.as_of,
            source_kind: self.source_kind,
            diverged: self.diverged,
            archived: self.archived,
            explain: self.explain,
            peers: self.peers,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mcp::tools::object;

    fn said<T: DeserializeOwned + std::fmt::Debug>(arguments: Value) -> String {
        read::<T>(object(arguments)).unwrap_err().what
    }

    #[test]
    fn every_wrong_argument_is_named_by_its_key() {
        let recall = said::<Recall>(json!({"query": 7, "limit": "many", "tag": "db", "since": [], "peers": 1}));
        for part in [
            "query: invalid type: integer `7`, expected a string",
            "limit: invalid type: string \"many\", expected a whole number",
            "since: invalid type: sequence, expected a text or a whole number",
            "peers: invalid type: integer `1`, expected a boolean",
        ] {
            assert!(recall.contains(part), "{part} is missing in {recall}");
        }
        assert!(!recall.contains("tag"), "{recall}");
        let remember = said::<Remember>(json!({"tags": ["a", 1], "confidence": "high"}));
        assert!(remember.contains("tags: invalid type: integer `1`"), "{remember}");
        assert!(remember.contains("confidence: invalid type: string \"high\", expected a number"), "{remember}");
    }

    #[test]
    fn what_is_missing_or_unknown_is_named_too() {
        assert!(said::<Remember>(json!({"tags": ["a"]})).contains("missing field `content`"));
        assert!(said::<Remember>(json!({"content": "x", "colour": 1})).contains("unknown field `colour`"));
        assert!(read::<Remember>(object(json!({"content": "x", "level": null}))).is_ok());
    }
}
