//! Arguments, checked as the original checks them. Its schemas are loose about what they do not know and strict about
//! the rest, and agents mend their calls by its words.

use std::fmt::Write as _;

use antiphon_core::fact::escape;
use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::graph::{Additions, Deletion, Entity, Relation};

/// A call with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::mcp) enum Input {
    CreateEntities(Vec<Entity>),
    CreateRelations(Vec<Relation>),
    AddObservations(Vec<Additions>),
    DeleteEntities(Vec<String>),
    DeleteObservations(Vec<Deletion>),
    DeleteRelations(Vec<Relation>),
    ReadGraph,
    SearchNodes(String),
    OpenNodes(Vec<String>),
}

/// What a value must be.
enum Shape {
    Text,
    List(&'static Self),
    Record(&'static [(&'static str, Self)]),
}

const TEXTS: Shape = Shape::List(&Shape::Text);
const ENTITIES: Shape =
    Shape::List(&Shape::Record(&[("name", Shape::Text), ("entityType", Shape::Text), ("observations", TEXTS)]));
const RELATIONS: Shape =
    Shape::List(&Shape::Record(&[("from", Shape::Text), ("to", Shape::Text), ("relationType", Shape::Text)]));
const ADDITIONS: Shape = Shape::List(&Shape::Record(&[("entityName", Shape::Text), ("contents", TEXTS)]));
const DELETIONS: Shape = Shape::List(&Shape::Record(&[("entityName", Shape::Text), ("observations", TEXTS)]));

impl Input {
    /// Reads the arguments of a tool.
    ///
    /// # Errors
    /// What is wrong with them, in the words of the original.
    pub(in crate::mcp) fn read(tool: &str, mut arguments: JsonObject) -> Result<Self, String> {
        let mut read = |key, shape| checked(tool, key, shape, arguments.remove(key));
        Ok(match tool {
            "create_entities" => Self::CreateEntities(parse(tool, read("entities", &ENTITIES)?)?),
            "create_relations" => Self::CreateRelations(parse(tool, read("relations", &RELATIONS)?)?),
            "add_observations" => Self::AddObservations(parse(tool, read("observations", &ADDITIONS)?)?),
            "delete_entities" => Self::DeleteEntities(parse(tool, read("entityNames", &TEXTS)?)?),
            "delete_observations" => Self::DeleteObservations(parse(tool, read("deletions", &DELETIONS)?)?),
            "delete_relations" => Self::DeleteRelations(parse(tool, read("relations", &RELATIONS)?)?),
            "read_graph" => Self::ReadGraph,
            "search_nodes" => Self::SearchNodes(parse(tool, read("query", &Shape::Text)?)?),
            "open_nodes" => Self::OpenNodes(parse(tool, read("names", &TEXTS)?)?),
            _ => return Err(format!("MCP error -32602: Tool {tool} not found")),
        })
    }
}

fn checked(tool: &str, key: &str, shape: &Shape, value: Option<Value>) -> Result<Value, String> {
    let mut issues = Vec::new();
    check(shape, value.as_ref(), key, &mut issues);
    match value {
        Some(value) if issues.is_empty() => Ok(visible(value)),
        _ => Err(refusal(tool, &issues.join("\n"))),
    }
}

fn refusal(tool: &str, issues: &str) -> String {
    format!("MCP error -32602: Input validation error: Invalid arguments for tool {tool}: {issues}")
}

fn parse<T: DeserializeOwned>(tool: &str, value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| refusal(tool, &error.to_string()))
}

fn check(shape: &Shape, value: Option<&Value>, path: &str, issues: &mut Vec<String>) {
    match (shape, value) {
        (Shape::Text, Some(Value::String(_))) => {}
        (Shape::List(shape), Some(Value::Array(items))) => {
            for (number, item) in items.iter().enumerate() {
                check(shape, Some(item), &format!("{path}[{number}]"), issues);
            }
        }
        (Shape::Record(fields), Some(Value::Object(object))) => {
            for (key, shape) in *fields {
                check(shape, object.get(*key), &format!("{path}.{key}"), issues);
            }
        }
        (shape, value) => {
            let mut issue = format!("Invalid input: expected {}, received {}", shape.name(), name_of(value));
            // Writing into a String cannot fail.
            let _ = write!(issue, " at {path}");
            issues.push(issue);
        }
    }
}

impl Shape {
    const fn name(&self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::List(_) => "array",
            Self::Record(_) => "object",
        }
    }
}

const fn name_of(value: Option<&Value>) -> &'static str {
    match value {
        None => "undefined",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
    }
}

/// The value with every text in the form in which a fact may hold it, so that what is asked for is found as it was
/// stored.
fn visible(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(escape(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(visible).collect()),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(key, value)| (key, visible(value))).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(tool: &str, arguments: Value) -> Result<Input, String> {
        let Value::Object(arguments) = arguments else { panic!("{arguments}") };
        Input::read(tool, arguments)
    }

    #[test]
    fn every_wrong_argument_is_named_with_its_place() {
        let wrong = json!({"entities": [{"name": 1, "observations": "x"}, null, [1]]});
        let said = read("create_entities", wrong).unwrap_err();
        let (_, issues) = said.split_once("tool create_entities: ").unwrap();
        let want = [
            "Invalid input: expected string, received number at entities[0].name",
            "Invalid input: expected string, received undefined at entities[0].entityType",
            "Invalid input: expected array, received string at entities[0].observations",
            "Invalid input: expected object, received null at entities[1]",
            "Invalid input: expected object, received array at entities[2]",
        ];
        assert_eq!(issues.lines().collect::<Vec<_>>(), want);
        assert_eq!(read("nope", json!({})).unwrap_err(), "MCP error -32602: Tool nope not found");
    }

    #[test]
    fn what_is_not_known_is_dropped_and_what_deceives_becomes_visible() {
        let entity = json!({"name": "a\u{202E}b", "entityType": "t", "observations": ["x\0"], "extra": [1]});
        let want =
            Entity { name: "a\\u{202E}b".into(), entity_type: "t".into(), observations: vec!["x\\u{0000}".into()] };
        let input = read("create_entities", json!({"entities": [entity], "more": 1}));
        assert_eq!(input, Ok(Input::CreateEntities(vec![want])));
        assert_eq!(read("read_graph", json!({"x": 1})), Ok(Input::ReadGraph));
    }
}
