//! Runs a tool.

use std::time::Duration;

use rmcp::model::{CallToolResult, ContentBlock, JsonObject};
use serde_json::{Value, json};

use super::args::{self, Forget, Get, Recall, Remember, Status, Update};
use super::more::{self, More};
use super::render::{self, Rendered, quoted};
use super::{ToolProfile, context, message, share};
use crate::error::{Code, Problem};
use crate::service::Service;

/// Longest time for a call, in seconds.
pub(super) const SECONDS_MAX: u64 = 60;

/// Who calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller {
    /// The agent's name and version.
    pub(super) agent: Option<String>,
    /// What tells its session from others.
    pub(super) session: Option<String>,
}

/// A tool that can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Remember,
    Recall,
    Get,
    Update,
    Forget,
    Context,
    Share,
    Message,
    Status,
    More(More),
}

impl Tool {
    /// The tool of a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "remember" => Self::Remember,
            "recall" => Self::Recall,
            "get" => Self::Get,
            "update" => Self::Update,
            "forget" => Self::Forget,
            "context" => Self::Context,
            "share" => Self::Share,
            "message" => Self::Message,
            "status" => Self::Status,
            _ => Self::More(More::ALL.into_iter().find(|more| more.name() == name)?),
        })
    }

    /// Whether it changes nothing.
    pub(super) const fn only_reads(self) -> bool {
        match self {
            Self::Recall | Self::Get | Self::Context | Self::Status => true,
            Self::Remember | Self::Update | Self::Forget | Self::Share | Self::Message => false,
            Self::More(more) => more.only_reads(),
        }
    }

    /// The actions that change nothing, of a tool that has others too. Of a document that is read a line stays in this
    /// machine's audit trail, whoever reads it and however; an inbox that is looked at stays as unread as it was.
    pub(super) const fn reading_actions(self) -> &'static [&'static str] {
        match self {
            Self::Share => &["get"],
            Self::Message => &["inbox"],
            _ => &[],
        }
    }

    /// Whether a profile may call it like this. Arguments that are no action at all are left to the tool.
    fn allowed(self, profile: ToolProfile, arguments: &JsonObject) -> Result<(), Problem> {
        let action = arguments.get("action").and_then(Value::as_str);
        let (Some(action), ToolProfile::ReadOnly, reading @ [_, ..]) = (action, profile, self.reading_actions()) else {
            return Ok(());
        };
        if reading.contains(&action) {
            return Ok(());
        }
        let (allowed, action) = (reading.join(" and "), quoted(action));
        Err(Problem::new(Code::Refused, format!("this agent may read only, and {action} is no action that only reads"))
            .why("it was started with the profile read-only")
            .hint(format!("use {allowed}; a person can start it with another profile: antiphon mcp --profile core")))
    }
}

/// Runs a tool. What goes wrong is a result too: one that says why and what to do.
pub(super) async fn run(
    service: &Service,
    profile: ToolProfile,
    tool: Tool,
    arguments: JsonObject,
    caller: Caller,
) -> CallToolResult {
    let work = async {
        tool.allowed(profile, &arguments)?;
        answer(service, tool, arguments, caller).await
    };
    let answer = match tokio::time::timeout(Duration::from_secs(SECONDS_MAX), work).await {
        Ok(answer) => answer,
        Err(_) => Err(Problem::timed_out(SECONDS_MAX)),
    };
    match answer {
        Ok(Rendered { text, structured }) => {
            result(CallToolResult::success(vec![ContentBlock::text(text)]), structured)
        }
        Err(problem) => {
            let text = vec![ContentBlock::text(problem.to_string())];
            result(CallToolResult::error(text), json!({ "error": problem }))
        }
    }
}

fn result(mut result: CallToolResult, structured: Value) -> CallToolResult {
    result.structured_content = Some(structured);
    result
}

async fn answer(service: &Service, tool: Tool, arguments: JsonObject, caller: Caller) -> Result<Rendered, Problem> {
    match tool {
        Tool::Remember => {
            let fact = args::read::<Remember>(arguments)?.into_fact(caller);
            render::written("remembered", service.remember(fact).await?)
        }
        Tool::Recall => {
            let request = args::read::<Recall>(arguments)?.into_request();
            render::recall(service.recall(request).await?, service.now())
        }
        Tool::Get => get(service, args::read(arguments)?).await,
        Tool::Update => update(service, args::read(arguments)?, caller).await,
        Tool::Forget => forget(service, args::read(arguments)?, caller).await,
        Tool::Context => context::run(service, arguments).await,
        Tool::Status => status(service, args::read(arguments)?).await,
        Tool::Share => share::run(service, arguments, caller).await,
        Tool::Message => message::run(service, arguments, caller).await,
        Tool::More(tool) => more::run(service, tool, arguments, caller).await,
    }
}

/// The state of the node, or what stands between an item, or this node, and a peer.
async fn status(service: &Service, Status { why, peer }: Status) -> Result<Rendered, Problem> {
    match (why, peer) {
        (item, Some(peer)) => more::why(&service.why(item.as_deref(), &peer).await?),
        (None, None) => render::status(service.status().await?),
        (Some(_), None) => {
            Err(Problem::new(Code::Invalid, "why needs a peer").hint("name the peer that lacks it; status lists them"))
        }
    }
}

async fn get(service: &Service, Get { id, history }: Get) -> Result<Rendered, Problem> {
    let fact = service.fact(&id).await?;
    let history = if history { Some(service.history(&fact.id).await?) } else { None };
    render::fact(fact, history, service.now())
}

async fn update(service: &Service, mut update: Update, caller: Caller) -> Result<Rendered, Problem> {
    let (id, key) = (update.id.clone(), update.idempotency_key.take());
    render::written("updated", service.edit_once(&id, update.into_edit(caller), key).await?)
}

async fn forget(service: &Service, forget: Forget, caller: Caller) -> Result<Rendered, Problem> {
    let Forget { id, idempotency_key } = forget;
    render::written("forgot", service.forget_once(&id, args::actor(caller), idempotency_key).await?)
}
