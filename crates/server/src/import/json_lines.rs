//! Lines of an export, and of whoever writes facts in the same form.

use antiphon_core::fact::escape;
use serde_json::Value;

use super::id_of;
use crate::dto::{EXPORT_VERSION, ExportBeginDto, ExportEndDto, NewFactDto};

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonLine {
    /// An export begins.
    Begin(ExportBeginDto),
    /// A fact, and whether characters of it had to be written in a visible form.
    Fact(Box<NewFactDto>, bool),
    /// An export ends.
    End(ExportEndDto),
}

/// Reads a line: one of an export, or a fact by itself.
///
/// # Errors
/// Why it is none, in words.
pub fn json_line(line: &str) -> Result<JsonLine, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let Value::Object(mut object) = value else { return Err("the line is no JSON object".to_owned()) };
    let kind = match object.remove("type") {
        None => "fact".to_owned(),
        Some(Value::String(kind)) => kind,
        Some(_) => return Err("type is no text".to_owned()),
    };
    let words = |error: serde_json::Error| error.to_string();
    match kind.as_str() {
        "begin" => {
            let begin: ExportBeginDto = serde_json::from_value(Value::Object(object)).map_err(words)?;
            match begin.version {
                EXPORT_VERSION => Ok(JsonLine::Begin(begin)),
                version => Err(format!("the export is of version {version}, this program reads {EXPORT_VERSION}")),
            }
        }
        "end" => serde_json::from_value(Value::Object(object)).map(JsonLine::End).map_err(words),
        "fact" => {
            // What was recorded is the history of another log.
            object.remove("recorded");
            let fact = serde_json::from_value(Value::Object(object)).map_err(words)?;
            let (fact, escaped) = ready(fact);
            Ok(JsonLine::Fact(Box::new(fact), escaped))
        }
        "entity" | "relation" => {
            Err("the file is that of the MCP memory server: antiphon import memory-server FILE".to_owned())
        }
        other => Err(format!("type {:?} is unknown", other.chars().take(40).collect::<String>())),
    }
}

/// A fact as it is sent: with an id, so that reading the same again adds nothing.
pub(crate) fn ready(mut fact: NewFactDto) -> (NewFactDto, bool) {
    if fact.id.is_none() {
        let label = |text: &Option<String>| text.clone().unwrap_or_default();
        let key = format!("{}\0{}\0{}", label(&fact.domain), label(&fact.module), fact.content);
        fact.id = Some(id_of("jsonl", &key));
    }
    fact.source_kind.get_or_insert_with(|| "import".to_owned());
    fact.escape = true;
    fact.idempotency_key = None;
    let escaped = escape(&fact.content) != fact.content;
    (fact, escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(line: &str) -> NewFactDto {
        match json_line(line) {
            Ok(JsonLine::Fact(fact, _)) => *fact,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_fact_keeps_what_an_export_says_of_it() {
        let line = r#"{"type":"fact","id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","content":"a","level":"0","stale":true,
            "source_kind":"human","recorded":{"author":"bob","more":1}}"#;
        let fact = fact(line);
        assert_eq!((fact.id.as_deref(), fact.stale), (Some("01ARZ3NDEKTSV4RRFFQ69G5FAV"), true));
        assert_eq!(fact.source_kind.as_deref(), Some("human"));
    }

    #[test]
    fn a_fact_of_anybody_gets_an_id_that_follows_from_it() {
        let (one, two) = (fact(r#"{"content":"a"}"#), fact(r#"{"type":"fact","content":"a"}"#));
        assert_eq!((&one.id, one.source_kind.as_deref()), (&two.id, Some("import")));
        assert_ne!(one.id, fact(r#"{"content":"a","domain":"d"}"#).id);
    }

    #[test]
    fn what_is_no_line_says_why() {
        let check = |line: &str, word: &str| {
            let why = json_line(line).unwrap_err();
            assert!(why.contains(word), "{line}: {why}");
        };
        check("[]", "no JSON object");
        check("{", "EOF");
        check(r#"{"content":"a","colour":1}"#, "colour");
        check(r#"{"type":"begin","version":2,"team":"t","node":"n","at":"x","held":1}"#, "version 2");
        check(r#"{"type":"entity","name":"n"}"#, "memory-server");
        check(r#"{"type":7}"#, "no text");
        check(r#"{"type":"cat"}"#, "cat");
        check(&"[".repeat(100_000), "recursion limit");
    }
}
