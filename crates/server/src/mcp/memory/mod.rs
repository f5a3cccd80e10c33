//! The profile `memory-server`: the nine tools of the official MCP memory server, over this node's facts.
//!
//! Prompts and habits that grew with that server go on working: names, schemas, results and their edges are its own, as
//! a recorded session shows (`tests/data/memory_session.json`). So results are not framed as elsewhere; they are the JSON
//! that its clients read. What differs: characters that deceive come back in their visible form, and names have a limit.

pub(super) mod input;
mod tools;

use std::time::Duration;

use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Resource, ResourceContents};
use serde::Serialize;
use serde_json::{Value, json};

use super::args;
use super::call::{Caller, SECONDS_MAX};
use super::render::to_json;
use crate::error::{Code, Problem};
use crate::graph::{Changes, Graph, Shown};
use crate::service::Service;
use input::Input;
pub(super) use tools::all as tools;

/// Longest text of an answer, in bytes; it goes out twice, as text and structured, and a line may have 16 MiB.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// The address of the graph as a resource, as in the original.
pub(super) const GRAPH: &str = "memory://knowledge-graph";
/// What the graph is written in.
const JSON: &str = "application/json";

/// A result before it is put into the shape of the protocol.
struct Answer {
    text: String,
    structured: Value,
}

/// Names of the tools.
pub(super) const NAMES: [&str; 9] = [
    "create_entities",
    "create_relations",
    "add_observations",
    "delete_entities",
    "delete_observations",
    "delete_relations",
    "read_graph",
    "search_nodes",
    "open_nodes",
];

/// Whether there is a tool of this name.
pub(super) fn has(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Runs a tool of the memory server. Its results say nothing more than those of the original.
pub(super) async fn call(service: &Service, name: &str, arguments: JsonObject, caller: Caller) -> CallToolResult {
    let input = match Input::read(name, arguments) {
        Ok(input) => input,
        Err(said) => return CallToolResult::error(vec![ContentBlock::text(said)]),
    };
    let work = answer(service, input, caller);
    let answer = match tokio::time::timeout(Duration::from_secs(SECONDS_MAX), work).await {
        Ok(answer) => answer,
        Err(_) => Err(Problem::timed_out(SECONDS_MAX)),
    };
    match answer {
        Ok(Answer { text, structured }) => {
            let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
            result.structured_content = Some(structured);
            // The original leaves it out where all went well.
            result.is_error = None;
            result
        }
        Err(problem) => CallToolResult::error(vec![ContentBlock::text(problem.to_string())]),
    }
}

async fn answer(service: &Service, input: Input, caller: Caller) -> Result<Answer, Problem> {
    let actor = args::actor(caller);
    let done = |changes: Changes| Ok(((), changes));
    match input {
        Input::CreateEntities(entities) => {
            list("entities", &service.change_graph(actor, |graph| graph.create_entities(entities)).await?)
        }
        Input::CreateRelations(relations) => {
            list("relations", &service.change_graph(actor, |graph| graph.create_relations(relations)).await?)
        }
        Input::AddObservations(additions) => {
            list("results", &service.change_graph(actor, |graph| graph.add_observations(additions)).await?)
        }
        Input::DeleteEntities(names) => {
            service.change_graph(actor, |graph| done(graph.delete_entities(&names))).await?;
            Ok(deleted("Entities"))
        }
        Input::DeleteObservations(deletions) => {
            service.change_graph(actor, |graph| done(graph.delete_observations(&deletions)?)).await?;
            Ok(deleted("Observations"))
        }
        Input::DeleteRelations(relations) => {
            service.change_graph(actor, |graph| done(graph.delete_relations(&relations))).await?;
            Ok(deleted("Relations"))
        }
        Input::ReadGraph => part(service, Graph::shown).await,
        Input::SearchNodes(query) => part(service, |graph| graph.search(&query)).await,
        Input::OpenNodes(names) => part(service, |graph| graph.open(&names)).await,
    }
}

/// The graph as a resource is listed.
pub(super) fn resource() -> Resource {
    Resource::new(GRAPH, "knowledge-graph")
        .with_title("Knowledge Graph")
        .with_description("Every entity and relation.")
        .with_mime_type(JSON)
}

/// The graph as it is read.
pub(super) async fn contents(service: &Service, uri: &str) -> Result<ResourceContents, Problem> {
    let Answer { text, structured: _ } = part(service, Graph::shown).await?;
    Ok(ResourceContents::text(text, uri).with_mime_type(JSON))
}

/// What was made: as a bare list in the text, under its name in the structure.
fn list(name: &str, items: &impl Serialize) -> Result<Answer, Problem> {
    Ok(Answer { text: pretty(items)?, structured: json!({ name: to_json(items)? }) })
}

fn deleted(what: &str) -> Answer {
    let message = format!("{what} deleted successfully");
    Answer { structured: json!({ "success": true, "message": message }), text: message }
}

async fn part(service: &Service, part: impl FnOnce(&Graph) -> Shown) -> Result<Answer, Problem> {
    let shown = service.graph(part).await?;
    Ok(Answer { text: pretty(&shown)?, structured: to_json(&shown)? })
}

/// JSON with two spaces for every level, as the original writes it.
fn pretty(value: &impl Serialize) -> Result<String, Problem> {
    let failed = |error| Problem::new(Code::Failed, format!("the result cannot be written: {error}"));
    let text = serde_json::to_string_pretty(value).map_err(failed)?;
    if text.len() > ANSWER_BYTES_MAX {
        let what = format!("the answer would have {} bytes, the limit is {ANSWER_BYTES_MAX}", text.len());
        return Err(Problem::new(Code::TooLarge, what).hint("use search_nodes with more of a text, or open_nodes"));
    }
    Ok(text)
}
