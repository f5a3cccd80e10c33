//! The one form in which a document is signed: no spaces, keys in the order of their bytes, whole numbers only.

use serde_json::Value;

use super::Error;

/// The canonical bytes of a document, without its signature.
pub(super) fn bytes(document: &Value) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    match document {
        Value::Object(map) => object(&mut out, map.iter().filter(|(key, _)| *key != "signature"))?,
        _ => return Err(Error::Malformed("it is no object".to_owned())),
    }
    Ok(out)
}

fn write(out: &mut Vec<u8>, value: &Value) -> Result<(), Error> {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(flag) => out.extend(if *flag { "true" } else { "false" }.as_bytes()),
        Value::Number(number) if number.is_u64() || number.is_i64() => out.extend(number.to_string().as_bytes()),
        Value::Number(number) => return Err(Error::Malformed(format!("{number} is no whole number"))),
        Value::String(text) => string(out, text)?,
        Value::Array(list) => {
            out.push(b'[');
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(out, item)?;
            }
            out.push(b']');
        }
        Value::Object(map) => object(out, map.iter())?,
    }
    Ok(())
}

fn object<'v>(out: &mut Vec<u8>, entries: impl Iterator<Item = (&'v String, &'v Value)>) -> Result<(), Error> {
    // Not every build of the JSON crate keeps its maps in order.
    let mut entries: Vec<(&String, &Value)> = entries.collect();
    entries.sort_by_key(|(key, _)| key.as_str());
    out.push(b'{');
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(out, key)?;
        out.push(b':');
        write(out, value)?;
    }
    out.push(b'}');
    Ok(())
}

fn string(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    serde_json::to_writer(out, text).map_err(|error| Error::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_spaces_do_not_matter_and_everything_else_does() {
        let of = |text: &str| bytes(&serde_json::from_str(text).unwrap()).unwrap();
        let one = of(r#"{"b": [1, {"y": null, "x": true}], "a": "\u00e9\n", "signature": "s"}"#);
        assert_eq!(one, "{\"a\":\"é\\n\",\"b\":[1,{\"x\":true,\"y\":null}]}".as_bytes());
        assert_eq!(one, of(r#"{"a":"é\n","b":[1,{"x":true,"y":null}]}"#));
        assert_ne!(one, of(r#"{"a":"é\n","b":[1,{"x":true,"y":null}],"c":1}"#));
        assert!(bytes(&serde_json::json!({"a": 0.5})).is_err());
        assert!(bytes(&serde_json::json!([])).is_err());
    }
}
