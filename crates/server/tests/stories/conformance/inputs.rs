//! Tools that ask the client for something before they answer, as the newer revision does it: the answer says what is
//! needed, and the call comes again with it.

use antiphon_core::ids::Hash;
use rmcp::model::{
    CallToolResponse, CallToolResult, ClientCapabilities, ContentBlock, ErrorData, InputRequests, InputRequiredResult,
    InputResponses,
};
use serde_json::{Value, json};

/// What the client sent along with a call.
pub(super) struct Given {
    pub(super) responses: Option<InputResponses>,
    pub(super) state: Option<String>,
    pub(super) can: ClientCapabilities,
}

type Answer = Result<CallToolResponse, ErrorData>;

/// One text, as a whole answer.
pub(super) fn said(text: impl Into<String>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

/// A question to the person, for one text field.
pub(super) fn question(message: &str, field: &str, kind: &str) -> Value {
    let schema = json!({"type": "object", "properties": {field: {"type": kind}}, "required": [field]});
    json!({"method": "elicitation/create",
        "params": {"mode": "form", "message": message, "requestedSchema": schema}})
}

fn completion(text: &str, most: u32) -> Value {
    let message = json!({"role": "user", "content": {"type": "text", "text": text}});
    json!({"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": most}})
}

fn roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}

/// What is needed, and the state that comes back with it.
pub(super) fn needs(requests: Value, state: Option<String>) -> InputRequiredResult {
    let requests: InputRequests = serde_json::from_value(requests).expect("the requests are of known kinds");
    InputRequiredResult::new(Some(requests), state)
}

impl Given {
    /// The answer to a question, if it is one.
    pub(super) fn content(&self, key: &str, field: &str) -> Option<&Value> {
        self.responses.as_ref()?.get(key)?.get("content")?.get(field)
    }

    fn has(&self, key: &str) -> bool {
        self.responses.as_ref().and_then(|all| all.get(key)).is_some_and(Value::is_object)
    }
}

/// A state that nobody but who has the secret can make.
pub(super) fn sealed(secret: &[u8; 32], state: &str) -> String {
    let tag = Hash::of(&[secret.as_slice(), state.as_bytes(), secret.as_slice()].concat());
    format!("{state}.{tag}")
}

fn opened<'a>(secret: &[u8; 32], given: Option<&'a str>) -> Result<Option<&'a str>, ErrorData> {
    let Some(given) = given else { return Ok(None) };
    let state = given.rsplit_once('.').map(|(state, _)| state).filter(|state| sealed(secret, state) == given);
    let state = state.ok_or_else(|| ErrorData::invalid_params("the request state is not one of this server", None))?;
    Ok(Some(state))
}

/// Runs a tool of this kind.
pub(super) fn call(name: &str, given: &Given, secret: &[u8; 32]) -> Option<Answer> {
    Some(match name {
        "elicitation" => elicitation(given),
        "sampling" => Ok(if given.has("capital_question") {
            said("the model answered")
        } else {
            needs(json!({"capital_question": completion("What is the capital of France?", 100)}), None).into()
        }),
        "list_roots" => Ok(if given.has("client_roots") {
            said("the client has roots")
        } else {
            needs(json!({"client_roots": roots()}), None).into()
        }),
        "request_state" | "tampered_state" => confirmed(given, secret),
        "multiple_inputs" => multiple(given, secret),
        "multi_round" => rounds(given, secret),
        "capabilities" => Ok(capable(&given.can).into()),
        _ => return None,
    })
}

fn elicitation(given: &Given) -> Answer {
    let malformed = given.responses.as_ref().and_then(|all| all.get("user_name")).is_some_and(|one| !one.is_object());
    if malformed {
        return Err(ErrorData::invalid_params("user_name is no answer to a question", None));
    }
    Ok(match given.content("user_name", "name").and_then(Value::as_str) {
        Some(name) => said(format!("Hello, {name}!")),
        None => needs(json!({"user_name": question("What is your name?", "name", "string")}), None).into(),
    })
}

fn confirmed(given: &Given, secret: &[u8; 32]) -> Answer {
    let state = opened(secret, given.state.as_deref())?;
    Ok(if given.has("confirm") && state == Some("confirm") {
        said("state-ok")
    } else {
        let asked = json!({"confirm": question("Please confirm", "ok", "boolean")});
        needs(asked, Some(sealed(secret, "confirm"))).into()
    })
}

fn multiple(given: &Given, secret: &[u8; 32]) -> Answer {
    let state = opened(secret, given.state.as_deref())?;
    let all = ["user_name", "greeting", "client_roots"].iter().all(|key| given.has(key));
    if all && state == Some("three") {
        return Ok(said("all three came"));
    }
    let asked = json!({
        "user_name": question("What is your name?", "name", "string"),
        "greeting": completion("Generate a greeting", 50),
        "client_roots": roots(),
    });
    Ok(needs(asked, Some(sealed(secret, "three"))).into())
}

fn rounds(given: &Given, secret: &[u8; 32]) -> Answer {
    let state = opened(secret, given.state.as_deref())?;
    Ok(match state {
        Some("second") if given.has("step2") => said("both rounds are done"),
        Some("first") if given.has("step1") => {
            let asked = json!({"step2": question("Step 2: What is your favorite color?", "color", "string")});
            needs(asked, Some(sealed(secret, "second"))).into()
        }
        _ => {
            let asked = json!({"step1": question("Step 1: What is your name?", "name", "string")});
            needs(asked, Some(sealed(secret, "first"))).into()
        }
    })
}

/// Asks for what the client can give, and nothing else.
fn capable(can: &ClientCapabilities) -> InputRequiredResult {
    let mut asked = serde_json::Map::new();
    if can.elicitation.is_some() {
        asked.insert("name".to_owned(), question("What is your name?", "name", "string"));
    }
    if can.sampling.is_some() {
        asked.insert("greeting".to_owned(), completion("Generate a greeting", 50));
    }
    if can.roots.is_some() {
        asked.insert("roots".to_owned(), roots());
    }
    needs(Value::Object(asked), None)
}
