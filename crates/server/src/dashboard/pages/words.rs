//! Values of fields as people read them.

use serde_json::Value;

/// A value of a field.
pub(super) fn value(value: &Value, deleted: bool, missing: bool) -> String {
    match value {
        _ if deleted => "(forgotten)".to_owned(),
        _ if missing => "(not held here)".to_owned(),
        Value::Null => "(cleared)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) => items.iter().map(|item| self::value(item, false, false)).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_like_words() {
        assert_eq!(value(&Value::Null, false, false), "(cleared)");
        assert_eq!(value(&serde_json::json!(["a", "b"]), false, false), "a, b");
        assert_eq!(value(&serde_json::json!(0.5), false, false), "0.5");
        assert_eq!(value(&serde_json::json!("x"), true, false), "(forgotten)");
    }
}
