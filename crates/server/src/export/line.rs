//! A line of an export as it comes from a node.

use serde_json::Value;

use crate::dto::{ExportLineDto, ExportedFactDto};

/// Reads a line that a node wrote.
///
/// # Errors
/// Why it is none, in words.
pub fn line(text: &[u8]) -> Result<ExportLineDto, String> {
    let words = |error: serde_json::Error| error.to_string();
    let value: Value = serde_json::from_slice(text).map_err(words)?;
    let Value::Object(mut object) = value else { return Err("a line is no JSON object".to_owned()) };
    let kind = object.remove("type");
    let kind = kind.as_ref().and_then(Value::as_str).unwrap_or_default();
    match kind {
        "begin" => serde_json::from_value(Value::Object(object)).map(ExportLineDto::Begin).map_err(words),
        "end" => serde_json::from_value(Value::Object(object)).map(ExportLineDto::End).map_err(words),
        "fact" => {
            let recorded = serde_json::from_value(object.remove("recorded").unwrap_or_default()).map_err(words)?;
            let fact = serde_json::from_value(Value::Object(object)).map_err(words)?;
            Ok(ExportLineDto::Fact(Box::new(ExportedFactDto { fact, recorded })))
        }
        other => Err(format!("a line of type {other:?} is unknown")),
    }
}
