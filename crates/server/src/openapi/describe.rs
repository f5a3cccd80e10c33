//! What a handler takes and gives, told by the types of its arguments and of its result.

use std::future::Future;

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::schemas::Schemas;

/// What is known of one operation, and the schemas of all.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Schemas of everything that was described until now.
    pub(super) schemas: Schemas,
    /// Parameters behind the `?`.
    pub(super) parameters: Vec<Value>,
    /// The request's body.
    pub(super) body: Option<Value>,
    /// How many parts of the address the handler reads.
    pub(super) path_parts: usize,
    /// The answers that are no problems, by their status.
    pub(super) answers: Map<String, Value>,
}

impl Draft {
    pub(super) fn new() -> Self {
        let (parameters, answers) = (Vec::new(), Map::new());
        Self { schemas: Schemas::new(), parameters, body: None, path_parts: 0, answers }
    }

    /// The handler reads a part of the address.
    pub(crate) fn reads_path(&mut self) {
        self.path_parts += 1;
    }

    /// The handler reads the part of the address after `?`: a parameter for every key of `T`.
    pub(crate) fn reads_query<T: JsonSchema>(&mut self) {
        let schema = self.schemas.request_in_place::<T>();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let mut schema = schema.clone();
            let about = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            forbid_null(&mut schema);
            let needed = required.contains(&name.as_str());
            let mut parameter = json!({ "name": name, "in": "query", "required": needed, "schema": schema });
            if let Some(about) = about {
                parameter["description"] = about;
            }
            self.parameters.push(parameter);
        }
    }

    /// The handler reads JSON. A body that may be empty in every key may be missing.
    pub(crate) fn reads_json<T: JsonSchema>(&mut self) {
        let required = self.schemas.request_in_place::<T>()["required"].as_array().is_some_and(|keys| !keys.is_empty());
        let schema = self.schemas.request::<T>();
        self.body = Some(json!({ "required": required, "content": { "application/json": { "schema": schema } } }));
    }

    /// The handler reads bytes as they are.
    pub(crate) fn reads_bytes(&mut self) {
        self.body = Some(json!({ "required": true, "content": { "application/octet-stream": {} } }));
    }

    /// The handler answers with JSON.
    pub(crate) fn gives_json<T: JsonSchema>(&mut self) {
        let schema = self.schemas.answer::<T>();
        let content = json!({ "application/json": { "schema": schema } });
        self.gives(200, "The answer.", json!({ "content": content }));
    }

    /// The schema of something within an answer of a form of its own.
    pub(crate) fn schema_of<T: JsonSchema>(&mut self) -> Value {
        self.schemas.answer::<T>()
    }

    /// The handler answers in a form of its own: what of an OpenAPI response object is beyond the description.
    pub(crate) fn gives(&mut self, status: u16, description: &str, mut response: Value) {
        response["description"] = description.into();
        self.answers.insert(status.to_string(), response);
    }
}

/// A text cannot say `null`: who means nothing leaves the parameter out.
fn forbid_null(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    let Some(types) = schema.get_mut("type") else { return };
    if let Some(several) = types.as_array_mut() {
        several.retain(|name| name != "null");
        if let [one] = several.as_slice() {
            *types = one.clone();
        }
    }
}

/// An argument of a handler.
pub(crate) trait Input {
    /// Adds what it reads.
    fn describe(draft: &mut Draft);
}

/// The result of a handler.
pub(crate) trait Output {
    /// Adds what is answered.
    fn describe(draft: &mut Draft);
}

/// A handler whose arguments and result tell what it does. `D` is the tuple of its arguments: without it the
/// implementations for functions of different length would overlap.
pub(crate) trait Described<D> {
    /// Adds what it takes and gives.
    fn describe(draft: &mut Draft);
}

macro_rules! functions {
    ($(($($argument:ident),*))*) => {$(
        impl<F, Fut, R, $($argument),*> Described<($($argument,)*)> for F
        where
            F: FnOnce($($argument),*) -> Fut,
            Fut: Future<Output = R>,
            R: Output,
            $($argument: Input,)*
        {
            fn describe(draft: &mut Draft) {
                $($argument::describe(draft);)*
                R::describe(draft);
            }
        }
    )*};
}

functions! { () (A) (A, B) (A, B, C) (A, B, C, D) }
