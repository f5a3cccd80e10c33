//! Puts the document together.

use serde_json::{Map, Value, json};

use super::describe::Draft;
use super::table::{Operation, Routes};
use crate::error::{Code, ProblemBody};

/// The version of OpenAPI that the document follows.
const OPENAPI_VERSION: &str = "3.1.0";
/// The prefix of every address.
const PREFIX: &str = "/api/v1/";
/// What the document says of the API as a whole.
const ABOUT: &str = "What a node of Antiphon can be asked and told. The same routes are at the loopback HTTP door, \
    which takes the bearer token of the file `http.token` in the node's home, and at the control socket there, which \
    its file mode guards. Ids are texts, times are RFC 3339 in UTC. Requests are strict: an unknown key is a problem \
    that names it. Answers may get new keys in later versions.";

/// The document of a table.
pub(crate) fn document(routes: &Routes) -> Value {
    let mut draft = Draft::new();
    let mut paths = Map::new();
    for (path, operations) in routes.operations() {
        let described = operations.iter().map(|operation| {
            let value = operation_object(&mut draft, path, operation);
            (operation.method.to_owned(), value)
        });
        let described: Map<String, Value> = described.collect();
        paths.insert((*path).to_owned(), described.into());
    }
    let problem = draft.schemas.answer::<ProblemBody>();
    let mut document = json!({
        "openapi": OPENAPI_VERSION,
        "info": { "title": "Antiphon", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "responses": { "Problem": {
                "description": problems(),
                "content": { "application/json": { "schema": problem } },
            } },
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "The text of the file `http.token` in the node's home.",
            } },
        },
    });
    let schemas = draft.schemas.finish(&mut document);
    document["components"]["schemas"] = schemas.into();
    document
}

/// Which status a problem of each code has.
fn problems() -> String {
    let codes = Code::ALL.map(|code| format!("{} `{}`", code.status(), code.name()));
    format!(
        "What went wrong, why, and what to do next. The status follows from the code: {}. A method that an address \
         does not take is 405 `{}`.",
        codes.join(", "),
        Code::Invalid.name()
    )
}

fn operation_object(draft: &mut Draft, path: &str, operation: &Operation) -> Value {
    draft.parameters.clear();
    draft.answers.clear();
    draft.body = None;
    draft.path_parts = 0;
    (operation.describe)(draft);
    let mut parameters: Vec<Value> = parts(path).map(path_parameter).collect();
    debug_assert_eq!(parameters.len(), draft.path_parts, "{path}");
    parameters.append(&mut draft.parameters);
    let mut responses = std::mem::take(&mut draft.answers);
    responses.insert("default".to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
    let mut object = json!({
        "operationId": operation_id(path, operation.method),
        "summary": operation.summary,
        "tags": [tag(path)],
        "responses": responses,
    });
    if !parameters.is_empty() {
        object["parameters"] = parameters.into();
    }
    if let Some(body) = draft.body.take() {
        object["requestBody"] = body;
    }
    if operation.control_only {
        object["description"] = "On the control socket only: it is for the owner of the home.".into();
        object["security"] = json!([]);
    }
    object
}

/// The names of the parts of an address that stand for something.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Value {
    let about = match name {
        "id" => "Its id, or the beginning of it where no other begins so.",
        "peer" => "Its peer id or its name, or the beginning of either where no other begins so.",
        _ => "What is meant.",
    };
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": { "type": "string" } })
}

/// What belongs together: the first word of the address.
fn tag(path: &str) -> &str {
    let rest = path.strip_prefix(PREFIX).unwrap_or(path);
    rest.split(['/', '.']).next().unwrap_or(rest)
}

/// A name that no other operation has: the method and the words of the address, as in `get_facts_id_history`.
fn operation_id(path: &str, method: &str) -> String {
    let rest = path.strip_prefix(PREFIX).unwrap_or(path);
    let words = rest.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_by_what_they_do_where() {
        assert_eq!(operation_id("/api/v1/facts/{id}/history", "get"), "get_facts_id_history");
        assert_eq!(operation_id("/api/v1/wipe-check", "get"), "get_wipe_check");
        assert_eq!(tag("/api/v1/facts/{id}/history"), "facts");
        assert_eq!(tag("/api/v1/openapi.json"), "openapi");
        assert_eq!(parts("/api/v1/a/{id}/b/{peer}").collect::<Vec<_>>(), ["id", "peer"]);
    }
}
