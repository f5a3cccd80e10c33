//! The tools, resources and prompts that the suite asks for by name.
#![allow(deprecated, reason = "the older revision is tested too")]

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, CompleteRequestParams, CompleteResult,
    CompletionInfo, ContentBlock, ErrorData, GetPromptRequestParams, GetPromptResponse, GetPromptResult,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel,
    LoggingMessageNotificationParam, PaginatedRequestParams, ProgressNotificationParam, Prompt, PromptArgument,
    PromptMessage, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, ResourceTemplate, Role, ServerCapabilities, ServerConfig, ServerRequest, SetLevelRequestParams,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::inputs::{self, Given, needs, question, said};

/// A PNG of one red pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFAAH/q842iQAAAABJRU5ErkJggg==";
/// A WAV file without a sample.
const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
/// Time between two messages of one call.
const STEP: Duration = Duration::from_millis(50);
const LONG: &str = "test_input_required_result_";
const WATCHED: &str = "test://watched-resource";

/// What all handlers have in common: for the newer revision there is one for every request.
pub(super) struct Shared {
    secret: [u8; 32],
    tools: watch::Sender<u64>,
    prompts: watch::Sender<u64>,
}

impl Default for Shared {
    fn default() -> Self {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).unwrap();
        Self { secret, tools: watch::Sender::new(0), prompts: watch::Sender::new(0) }
    }
}

pub(super) struct Fixture {
    shared: Arc<Shared>,
    level: Mutex<LoggingLevel>,
    watched: Mutex<Vec<String>>,
    /// From before a subscription is acknowledged, so that no change is missed.
    tools: watch::Receiver<u64>,
    prompts: watch::Receiver<u64>,
}

impl Fixture {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (tools, prompts) = (shared.tools.subscribe(), shared.prompts.subscribe());
        Self { shared, level: Mutex::new(LoggingLevel::Debug), watched: Mutex::default(), tools, prompts }
    }

    async fn log(&self, context: &RequestContext<RoleServer>, text: &str) {
        let old = context.protocol_version().is_none_or(|version| version < ProtocolVersion::V_2026_07_28);
        let wanted = if old { Some(*self.level.lock().unwrap()) } else { context.meta.log_level() };
        let Some(from) = wanted else { return };
        if from as u8 <= LoggingLevel::Info as u8 {
            let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(text));
            context.peer.notify_logging_message(message).await.unwrap();
        }
    }

    async fn answer(&self, name: &str, arguments: &Value, context: &RequestContext<RoleServer>) -> Answer {
        let step = || tokio::time::sleep(STEP);
        Ok(match name {
            "test_simple_text" => said("A simple text."),
            "test_image_content" => blocks(vec![ContentBlock::image(PIXEL, "image/png")]),
            "test_audio_content" => blocks(vec![ContentBlock::audio(SILENCE, "audio/wav")]),
            "test_embedded_resource" => blocks(vec![embedded("test://embedded-resource", "text/plain", "Embedded.")]),
            "test_multiple_content_types" => blocks(vec![
                ContentBlock::text("Several kinds of content:"),
                ContentBlock::image(PIXEL, "image/png"),
                embedded("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
            ]),
            "test_error_handling" => CallToolResult::error(vec![ContentBlock::text("It fails on purpose.")]).into(),
            "test_tool_with_logging" => {
                for text in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                    self.log(context, text).await;
                    step().await;
                }
                said("logged")
            }
            "test_logging_tool" => {
                self.log(context, "it runs").await;
                said("done")
            }
            "test_tool_with_progress" => {
                for progress in [0.0, 50.0, 100.0] {
                    if let Some(token) = context.meta.get_progress_token() {
                        let progress = ProgressNotificationParam::new(token, progress).with_total(100.0);
                        context.peer.notify_progress(progress).await.unwrap();
                    }
                    step().await;
                }
                said("done")
            }
            "test_reconnection" => {
                step().await;
                said("done")
            }
            "test_header" => said(arguments["region"].as_str().unwrap_or_default()),
            "test_missing_capability" => {
                if context.client_capabilities().is_none_or(|can| can.sampling.is_none()) {
                    let needed: ClientCapabilities = serde_json::from_value(json!({"sampling": {}})).unwrap();
                    return Err(ErrorData::missing_required_client_capability(needed));
                }
                said("the client can sample")
            }
            "test_streaming_elicitation" => {
                needs(json!({"user_name": question("What is your name?", "name", "string")}), None).into()
            }
            "test_trigger_tool_change" => {
                self.shared.tools.send_modify(|count| *count += 1);
                said("the tools have changed")
            }
            "test_trigger_prompt_change" => {
                self.shared.prompts.send_modify(|count| *count += 1);
                said("the prompts have changed")
            }
            _ => return asked(name, arguments, context).await,
        })
    }
}

type Answer = Result<CallToolResponse, ErrorData>;

fn blocks(blocks: Vec<ContentBlock>) -> CallToolResponse {
    CallToolResult::success(blocks).into()
}

fn embedded(uri: &str, kind: &str, text: &str) -> ContentBlock {
    ContentBlock::resource(ResourceContents::text(text, uri).with_mime_type(kind))
}

/// Tools that ask the client in the middle of a call, as the older revision does it.
async fn asked(name: &str, arguments: &Value, context: &RequestContext<RoleServer>) -> Answer {
    let request = match name {
        "test_sampling" => json!({"method": "sampling/createMessage", "params": {"maxTokens": 100,
            "messages": [{"role": "user", "content": {"type": "text", "text": arguments["prompt"]}}]}}),
        "test_elicitation" => form(
            arguments["message"].as_str().unwrap_or_default(),
            json!({"username": {"type": "string"}, "email": {"type": "string", "format": "email"}}),
        ),
        "test_elicitation_sep1034_defaults" => form("Check these values", defaults()),
        "test_elicitation_sep1330_enums" => form("Choose", choices()),
        _ => return Err(ErrorData::invalid_params(format!("there is no tool {name}"), None)),
    };
    let request: ServerRequest = serde_json::from_value(request).expect("a request of a known kind");
    match context.peer.send_request(request).await {
        Ok(result) => Ok(said(format!("the client said {}", serde_json::to_string(&result).unwrap()))),
        Err(error) => Ok(CallToolResult::error(vec![ContentBlock::text(error.to_string())]).into()),
    }
}

fn form(message: &str, properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    let schema = json!({"type": "object", "properties": properties, "required": required});
    json!({"method": "elicitation/create",
        "params": {"mode": "form", "message": message, "requestedSchema": schema}})
}

fn defaults() -> Value {
    json!({
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": true},
    })
}

fn choices() -> Value {
    let titled = json!([{"const": "value1", "title": "First"}, {"const": "value2", "title": "Second"}]);
    let options = ["option1", "option2", "option3"];
    json!({
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["One", "Two"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    })
}

fn tools() -> Vec<Tool> {
    let empty = || json!({"type": "object"});
    let text = |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name]});
    let plain = [
        "test_simple_text",
        "test_image_content",
        "test_audio_content",
        "test_embedded_resource",
        "test_multiple_content_types",
        "test_error_handling",
        "test_tool_with_logging",
        "test_logging_tool",
        "test_tool_with_progress",
        "test_reconnection",
        "test_missing_capability",
        "test_streaming_elicitation",
        "test_trigger_tool_change",
        "test_trigger_prompt_change",
        "test_elicitation_sep1034_defaults",
        "test_elicitation_sep1330_enums",
    ];
    let needing = ["elicitation", "sampling", "list_roots", "request_state", "tampered_state", "multiple_inputs"]
        .into_iter()
        .chain(["multi_round", "capabilities"])
        .map(|name| (format!("{LONG}{name}"), empty()));
    let others = [
        ("test_sampling", text("prompt")),
        ("test_elicitation", text("message")),
        (
            "test_header",
            json!({"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}),
        ),
        ("json_schema_2020_12_tool", schema_2020_12()),
    ];
    let named = plain.into_iter().map(|name| (name.to_owned(), empty())).chain(needing);
    let named = named.chain(others.map(|(name, schema)| (name.to_owned(), schema)));
    let tool = |(name, schema): (String, Value)| {
        let Value::Object(schema) = schema else { unreachable!("every schema is an object") };
        Tool::new(name, "A fixture of the conformance suite.", schema)
    };
    named.map(tool).collect()
}

fn schema_2020_12() -> Value {
    let phone = json!({"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {"$anchor": "addressDef", "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": phone,
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}

fn prompts() -> Vec<Prompt> {
    let prompt = |name: &str, arguments: &[&str]| {
        let arguments = arguments.iter().map(|name| PromptArgument::new(*name).with_required(true)).collect();
        Prompt::new(name, Some("A fixture of the conformance suite."), Some(arguments))
    };
    vec![
        prompt("test_simple_prompt", &[]),
        prompt("test_prompt_with_arguments", &["arg1", "arg2"]),
        prompt("test_prompt_with_embedded_resource", &["resourceUri"]),
        prompt("test_prompt_with_image", &[]),
        prompt("test_input_required_result_prompt", &[]),
    ]
}

fn prompt(request: &GetPromptRequestParams, given: &Given) -> Result<GetPromptResponse, ErrorData> {
    let arguments = request.arguments.clone().unwrap_or_default();
    let argument = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
    let user = |text: String| PromptMessage::new_text(Role::User, text);
    let messages = match request.name.as_str() {
        "test_simple_prompt" => vec![user("A simple prompt.".to_owned())],
        "test_prompt_with_arguments" => {
            vec![user(format!("One is {}, two is {}.", argument("arg1"), argument("arg2")))]
        }
        "test_prompt_with_embedded_resource" => vec![
            PromptMessage::new(Role::User, embedded(argument("resourceUri"), "text/plain", "Embedded.")),
            user("Read what is embedded above.".to_owned()),
        ],
        "test_prompt_with_image" => vec![
            PromptMessage::new(Role::User, ContentBlock::image(PIXEL, "image/png")),
            user("Look at the image above.".to_owned()),
        ],
        "test_input_required_result_prompt" => match given.content("user_context", "context").and_then(Value::as_str) {
            Some(context) => vec![user(format!("The context is {context}."))],
            None => {
                let asked = question("What context should the prompt use?", "context", "string");
                return Ok(needs(json!({ "user_context": asked }), None).into());
            }
        },
        name => return Err(ErrorData::invalid_params(format!("there is no prompt {name}"), None)),
    };
    Ok(GetPromptResult::new(messages).into())
}

fn read(uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let one = |contents| Ok(ReadResourceResult::new(vec![contents]));
    match uri {
        "test://static-text" | WATCHED => one(ResourceContents::text("A static text.", uri)),
        "test://static-binary" => one(ResourceContents::blob(PIXEL, uri).with_mime_type("image/png")),
        _ => match uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data")) {
            Some(id) => {
                let data = json!({"id": id, "templateTest": true}).to_string();
                one(ResourceContents::text(data, uri).with_mime_type("application/json"))
            }
            None => Err(ErrorData::resource_not_found("there is no such resource", Some(json!({ "uri": uri })))),
        },
    }
}

impl ServerHandler for Fixture {
    fn get_info(&self) -> ServerConfig {
        let can = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_completions()
            .enable_logging();
        ServerConfig::new(can.build())
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Owned(vec![ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28])
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Answer {
        let can = context.client_capabilities().unwrap_or_default();
        let given = Given { responses: request.input_responses, state: request.request_state, can };
        if let Some(name) = request.name.strip_prefix(LONG)
            && let Some(answer) = inputs::call(name, &given, &self.shared.secret)
        {
            return answer;
        }
        self.answer(&request.name, &Value::Object(request.arguments.unwrap_or_default()), &context).await
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let all = ["test://static-text", "test://static-binary", WATCHED];
        let all = all.map(|uri| Resource::new(uri, uri).with_description("A fixture of the conformance suite."));
        Ok(ListResourcesResult::with_all_items(all.to_vec()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let template =
            ResourceTemplate::new("test://template/{id}/data", "template").with_mime_type("application/json");
        Ok(ListResourceTemplatesResult::with_all_items(vec![template]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(read(&request.uri)?.into())
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        read(&request.uri)?;
        self.watched.lock().unwrap().push(request.uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.watched.lock().unwrap().retain(|uri| *uri != request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let (mut tools, mut prompts) = (self.tools.clone(), self.prompts.clone());
        let accepted = context.accepted().clone();
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                changed = tools.changed(), if accepted.tools_list_changed == Some(true) => {
                    changed.unwrap();
                    context.sink().notify_tool_list_changed().await.unwrap();
                }
                changed = prompts.changed(), if accepted.prompts_list_changed == Some(true) => {
                    changed.unwrap();
                    context.sink().notify_prompt_list_changed().await.unwrap();
                }
            }
        }
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let can = context.client_capabilities().unwrap_or_default();
        let (responses, state) = (request.input_responses.clone(), request.request_state.clone());
        prompt(&request, &Given { responses, state, can })
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let words = ["test", "testing", "paris"].into_iter().filter(|word| word.starts_with(&request.argument.value));
        let info = CompletionInfo::with_all_values(words.map(str::to_owned).collect()).unwrap();
        Ok(CompleteResult::new(info))
    }

    async fn set_level(&self, request: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        *self.level.lock().unwrap() = request.level;
        Ok(())
    }
}
