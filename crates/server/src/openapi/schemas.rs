//! The schemas of what comes in and of what goes out, and how they become one list.
//!
//! Two generators are asked, one for each direction, and their references lead to two places. In the end both lists
//! are put together: a name that means the same in both directions is there once.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value};

/// Where references of requests lead until the lists are one.
const REQUESTS: &str = "#/requests/";
/// Where references of answers lead until the lists are one.
const ANSWERS: &str = "#/answers/";
/// Where they lead in the document.
const SCHEMAS: &str = "#/components/schemas/";
/// What the name of a shape gets where it is another one in requests than in answers.
const INPUT_SUFFIX: &str = "Input";

/// See the module.
#[derive(Debug)]
pub(super) struct Schemas {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = |path: &'static str| {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = path.into();
                settings.meta_schema = None;
            })
        };
        Self {
            requests: settings("/requests").for_deserialize().into_generator(),
            answers: settings("/answers").for_serialize().into_generator(),
        }
    }

    /// The schema of something that comes in, without a name.
    pub(super) fn request_in_place<T: JsonSchema>(&mut self) -> Value {
        T::json_schema(&mut self.requests).to_value()
    }

    /// The schema of something that comes in.
    pub(super) fn request<T: JsonSchema>(&mut self) -> Value {
        self.requests.subschema_for::<T>().to_value()
    }

    /// The schema of something that goes out.
    pub(super) fn answer<T: JsonSchema>(&mut self) -> Value {
        self.answers.subschema_for::<T>().to_value()
    }

    /// Makes one list of both, and has the references in `document` lead there.
    pub(super) fn finish(mut self, document: &mut Value) -> Map<String, Value> {
        let requests = self.requests.take_definitions(true);
        let answers = self.answers.take_definitions(true);
        let apart = apart(&requests, &answers);
        let lead = |reference: &str| {
            if let Some(name) = reference.strip_prefix(REQUESTS) {
                return Some(format!("{SCHEMAS}{}", input_name(name, &apart)));
            }
            reference.strip_prefix(ANSWERS).map(|name| format!("{SCHEMAS}{}", plain(name)))
        };
        redirect(document, &lead);
        let requests = requests.into_iter().map(|(name, schema)| (input_name(&name, &apart), schema));
        let answers = answers.into_iter().map(|(name, schema)| (plain(&name).to_owned(), schema));
        let mut all: BTreeMap<String, Value> = requests.chain(answers).collect();
        all.values_mut().for_each(|schema| redirect(schema, &lead));
        all.into_iter().collect()
    }
}

/// The names that mean different things in the two directions, be it by what they refer to.
fn apart(requests: &Map<String, Value>, answers: &Map<String, Value>) -> BTreeSet<String> {
    let neutral = |schema: &Value| {
        let mut schema = schema.clone();
        redirect(&mut schema, &|reference: &str| reference.rsplit('/').next().map(|name| format!("{SCHEMAS}{name}")));
        schema
    };
    let common: Vec<&String> = requests.keys().filter(|name| answers.contains_key(*name)).collect();
    let differs = |name: &&&String| neutral(&requests[**name]) != neutral(&answers[**name]);
    let mut apart: BTreeSet<String> = common.iter().filter(differs).map(|name| (**name).clone()).collect();
    loop {
        let refers = |name: &&&String| {
            let mut found = false;
            each_reference(&requests[**name], &mut |reference| {
                found |= reference.strip_prefix(REQUESTS).is_some_and(|name| apart.contains(name));
            });
            found
        };
        let more: Vec<String> =
            common.iter().filter(|name| !apart.contains(**name)).filter(refers).map(|name| (**name).clone()).collect();
        if more.is_empty() {
            return apart;
        }
        apart.extend(more);
    }
}

/// Names in the document say what a thing is, not how the code calls it.
fn plain(name: &str) -> &str {
    name.strip_suffix("Dto").unwrap_or(name)
}

fn input_name(name: &str, apart: &BTreeSet<String>) -> String {
    let suffix = if apart.contains(name) { INPUT_SUFFIX } else { "" };
    format!("{}{suffix}", plain(name))
}

/// Replaces every reference that `lead` knows a better place for.
fn redirect(value: &mut Value, lead: &impl Fn(&str) -> Option<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str().filter(|_| key == "$ref").and_then(lead) {
                    Some(place) => *value = place.into(),
                    None => redirect(value, lead),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| redirect(value, lead)),
        _ => {}
    }
}

fn each_reference(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str().filter(|_| key == "$ref") {
                    Some(reference) => found(reference),
                    None => each_reference(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| each_reference(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct SameDto {
        text: String,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct OtherDto {
        #[serde(default)]
        count: u64,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct HolderDto {
        same: SameDto,
        other: OtherDto,
    }

    #[test]
    fn a_shape_is_listed_twice_only_where_its_directions_differ() {
        let mut schemas = Schemas::new();
        let mut document = json!({ "in": schemas.request::<HolderDto>(), "out": schemas.answer::<HolderDto>() });
        let all = schemas.finish(&mut document);
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        assert_eq!(names, ["Holder", "HolderInput", "Other", "OtherInput", "Same"]);
        assert_eq!(document["in"]["$ref"], "#/components/schemas/HolderInput");
        assert_eq!(document["out"]["$ref"], "#/components/schemas/Holder");
        assert_eq!(all["HolderInput"]["properties"]["other"]["$ref"], "#/components/schemas/OtherInput");
        assert_eq!(all["HolderInput"]["properties"]["same"]["$ref"], "#/components/schemas/Same");
        assert_eq!(all["Other"]["required"], json!(["count"]));
        assert_eq!(all["OtherInput"].get("required"), None);
    }
}
