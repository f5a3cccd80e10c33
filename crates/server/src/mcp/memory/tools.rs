//! The nine tools as they are listed: the schemas of the original, described in own words.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use crate::mcp::tools::object;

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// Whether the schema is of what comes in or of what goes out: only the latter knows every key.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    In,
    Out,
}

/// What a tool does to the graph.
#[derive(Clone, Copy)]
enum Does {
    Reads,
    Adds,
    Deletes,
}

/// The tools, in the order of the original.
pub(in crate::mcp) fn all() -> Vec<Tool> {
    let list = |key: &'static str, items: fn(Way) -> Value, way| record(json!({ key: array(items(way)) }), way);
    let graph =
        || record(json!({"entities": array(entity(Way::Out)), "relations": array(relation(Way::Out))}), Way::Out);
    let done = || record(json!({"success": {"type": "boolean"}, "message": text_only()}), Way::Out);
    let one = |key: &'static str, value: Value| record(json!({ key: value }), Way::In);
    vec![
        tool(
            "create_entities",
            "Create Entities",
            "Add entities to the knowledge graph. A name that exists is skipped.",
            list("entities", entity, Way::In),
            list("entities", entity, Way::Out),
            Does::Adds,
        ),
        tool(
            "create_relations",
            "Create Relations",
            "Add relations between entities, in active voice. One that exists is skipped.",
            list("relations", relation, Way::In),
            list("relations", relation, Way::Out),
            Does::Adds,
        ),
        tool(
            "add_observations",
            "Add Observations",
            "Add observations to entities that exist.",
            list("observations", addition, Way::In),
            list("results", added, Way::Out),
            Does::Adds,
        ),
        tool(
            "delete_entities",
            "Delete Entities",
            "Delete entities, and every relation that touches one.",
            one("entityNames", described(array(text_only()), "Names of the entities")),
            done(),
            Does::Deletes,
        ),
        tool(
            "delete_observations",
            "Delete Observations",
            "Delete observations of entities.",
            list("deletions", deletion, Way::In),
            done(),
            Does::Deletes,
        ),
        tool(
            "delete_relations",
            "Delete Relations",
            "Delete relations.",
            one("relations", described(array(relation(Way::In)), "The relations")),
            done(),
            Does::Deletes,
        ),
        tool(
            "read_graph",
            "Read Graph",
            "Read the whole knowledge graph.",
            record(json!({}), Way::In),
            graph(),
            Does::Reads,
        ),
        tool(
            "search_nodes",
            "Search Nodes",
            "Find entities whose name, type or observations hold a text.",
            one("query", described(text_only(), "The text, in any case")),
            graph(),
            Does::Reads,
        ),
        tool(
            "open_nodes",
            "Open Nodes",
            "Get entities by their names.",
            one("names", described(array(text_only()), "Names of the entities")),
            graph(),
            Does::Reads,
        ),
    ]
}

fn tool(
    name: &'static str,
    title: &'static str,
    description: &'static str,
    input: Value,
    output: Value,
    does: Does,
) -> Tool {
    let mut tool = Tool::new(name, description, schema(input));
    tool.title = Some(title.to_owned());
    tool.output_schema = Some(Arc::new(schema(output)));
    let (reads, destructive, idempotent) = match does {
        Does::Reads => (true, false, true),
        Does::Adds => (false, false, false),
        Does::Deletes => (false, true, true),
    };
    let annotations = ToolAnnotations::new().read_only(reads).destructive(destructive);
    tool.annotations = Some(annotations.idempotent(idempotent).open_world(false));
    tool
}

fn schema(record: Value) -> JsonObject {
    let mut schema = object(json!({"$schema": DRAFT}));
    schema.extend(object(record));
    schema
}

fn entity(way: Way) -> Value {
    let observations = described(array(text_only()), "What is known of it");
    record(json!({"name": text("Its name"), "entityType": text("Its type"), "observations": observations}), way)
}

fn relation(way: Way) -> Value {
    let (from, to) = (text("Name of the entity it starts at"), text("Name of the entity it ends at"));
    record(json!({"from": from, "to": to, "relationType": text("What the one does to the other")}), way)
}

fn addition(way: Way) -> Value {
    let contents = described(array(text_only()), "What is to be added");
    record(json!({"entityName": text("Name of the entity"), "contents": contents}), way)
}

fn added(way: Way) -> Value {
    record(json!({"entityName": text_only(), "addedObservations": array(text_only())}), way)
}

fn deletion(way: Way) -> Value {
    let observations = described(array(text_only()), "What is to be deleted");
    record(json!({"entityName": text("Name of the entity"), "observations": observations}), way)
}

/// An object with these keys, all of them required.
fn record(properties: Value, way: Way) -> Value {
    let keys: Vec<String> = object(properties.clone()).keys().cloned().collect();
    let mut record = json!({"type": "object", "properties": properties});
    if !keys.is_empty() {
        record["required"] = json!(keys);
    }
    if way == Way::Out {
        record["additionalProperties"] = json!(false);
    }
    record
}

fn array(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn text_only() -> Value {
    json!({"type": "string"})
}

fn text(description: &'static str) -> Value {
    described(text_only(), description)
}

fn described(mut schema: Value, description: &'static str) -> Value {
    schema["description"] = json!(description);
    schema
}
