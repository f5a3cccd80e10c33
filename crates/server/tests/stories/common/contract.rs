//! Whether what goes over the wire is what the API's document says.
//!
//! The client of the tests talks to the node through a socket in between that reads along: every answer must have
//! the shape that the document gives it, and every request that is answered well must have the one it asks for. So
//! each test of the API is a test of the document too.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use antiphon_node::Home;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{HeaderMap, StatusCode};
use hyper_util::rt::TokioIo;
use jsonschema::Validator;
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// The document, the same for every node of the process.
static CONTRACT: OnceLock<Contract> = OnceLock::new();

/// The document and what was compiled of it.
pub(crate) struct Contract {
    pub(crate) document: Value,
    compiled: Mutex<BTreeMap<String, Arc<Validator>>>,
}

/// What went over the wire.
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) sent: &'a [u8],
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) got: &'a [u8],
}

impl Contract {
    fn new(document: Value) -> Self {
        Self { document, compiled: Mutex::default() }
    }

    /// The operation at an address. Of two that fit, the one with fewer parts that stand for anything.
    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let paths = self.document["paths"].as_object().unwrap();
        let fitting = paths.iter().filter(|(template, _)| fits(template, path));
        let (template, item) = fitting.min_by_key(|(template, _)| template.matches('{').count())?;
        Some((template, item.get(method.to_lowercase())?))
    }

    /// What is wrong with an exchange, if anything is.
    pub(crate) fn complaint(&self, exchange: &Exchange<'_>) -> Option<String> {
        let Exchange { method, target, status, .. } = exchange;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if !path.starts_with("/api/v1/") || [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(status) {
            return None;
        }
        let Some((template, operation)) = self.operation(method, path) else {
            let unknown = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(status);
            return (!unknown).then(|| format!("{method} {path} is not in the document and answered {status}"));
        };
        let wrong = |what: String| Some(format!("{method} {template} ({status}): {what}"));
        if let Err(what) = self.answer(operation, exchange) {
            return wrong(what);
        }
        if let (true, Err(what)) = (status.is_success(), self.request(operation, query, exchange.sent)) {
            return wrong(what);
        }
        None
    }

    fn answer(&self, operation: &Value, exchange: &Exchange<'_>) -> Result<(), String> {
        let responses = &operation["responses"];
        let response = responses.get(exchange.status.as_str()).unwrap_or(&responses["default"]);
        let response = match response["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')).unwrap(),
            None => response,
        };
        let kind = exchange.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let Some(described) = response["content"].get(kind) else {
            return Err(format!("the answer is {kind:?}, which is not in the document"));
        };
        match described.get("schema").filter(|_| kind == "application/json") {
            Some(schema) => self.check("the answer", schema, exchange.got),
            None => Ok(()),
        }
    }

    fn request(&self, operation: &Value, query: &str, sent: &[u8]) -> Result<(), String> {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let names: Vec<&str> =
            parameters.filter(|one| one["in"] == "query").map(|one| one["name"].as_str().unwrap()).collect();
        for name in query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty()) {
            if !names.contains(&name) {
                return Err(format!("the parameter {name} is not in the document"));
            }
        }
        let Some(body) = operation.get("requestBody") else { return Ok(()) };
        match body["content"].get("application/json") {
            Some(_) if sent.is_empty() && body["required"] == false => Ok(()),
            Some(json) => self.check("the request", &json["schema"], sent),
            None => Ok(()),
        }
    }

    fn check(&self, what: &str, schema: &Value, text: &[u8]) -> Result<(), String> {
        let value: Value = serde_json::from_slice(text).map_err(|error| format!("{what}: {error}"))?;
        let validator = self.compiled(schema);
        match validator.iter_errors(&value).next() {
            None => Ok(()),
            Some(error) => Err(format!("{what} at {}: {error}", error.instance_path())),
        }
    }

    /// The validator of a schema in the document.
    pub(crate) fn compiled(&self, schema: &Value) -> Arc<Validator> {
        let key = schema.to_string();
        let mut compiled = self.compiled.lock().unwrap();
        let make = || {
            let mut whole = schema.clone();
            whole["components"] = json!({ "schemas": self.document["components"]["schemas"] });
            let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012);
            Arc::new(options.build(&whole).unwrap_or_else(|error| panic!("{key}: {error}")))
        };
        compiled.entry(key.clone()).or_insert_with(make).clone()
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len() && template.iter().zip(path).all(|(want, got)| want.starts_with('{') || *want == got)
}

/// The socket in between.
pub(crate) struct Between {
    node: PathBuf,
    complaints: Mutex<Vec<String>>,
}

impl Between {
    /// Opens it for a node; returns where it listens, too.
    pub(crate) async fn open(home: &Home, directory: &std::path::Path) -> (Arc<Self>, PathBuf, JoinHandle<()>) {
        let between = Arc::new(Self { node: home.socket(), complaints: Mutex::default() });
        if CONTRACT.get().is_none() {
            let (_, _, text) = between.forward("GET", "/api/v1/openapi.json", &HeaderMap::new(), Bytes::new()).await;
            let document = serde_json::from_slice(&text).unwrap();
            CONTRACT.get_or_init(|| Contract::new(document));
        }
        let path = directory.join("between.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let router = Router::new().fallback(read_along).with_state(between.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (between, path, task)
    }

    /// The document.
    pub(crate) fn contract() -> &'static Contract {
        CONTRACT.get().unwrap()
    }

    /// Notes what is wrong with an exchange.
    pub(crate) fn look(&self, exchange: &Exchange<'_>) {
        self.complaints.lock().unwrap().extend(Self::contract().complaint(exchange));
    }

    /// Fails if something was wrong.
    pub(crate) fn settle(&self) {
        let complaints = self.complaints.lock().unwrap();
        assert!(complaints.is_empty(), "not as the document says:\n{}", complaints.join("\n"));
    }

    async fn forward(
        &self,
        method: &str,
        target: &str,
        headers: &HeaderMap,
        sent: Bytes,
    ) -> (StatusCode, HeaderMap, Bytes) {
        let stream = UnixStream::connect(&self.node).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = hyper::Request::builder().method(method).uri(target).header("host", "localhost");
        request.headers_mut().unwrap().extend(headers.clone());
        let response = sender.send_request(request.body(Full::new(sent)).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        (head.status, head.headers, body.collect().await.unwrap().to_bytes())
    }
}

async fn read_along(State(between): State<Arc<Between>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let sent = body.collect().await.unwrap().to_bytes();
    let mut headers = head.headers;
    for name in ["host", "content-length", "transfer-encoding"] {
        headers.remove(name);
    }
    let target = head.uri.path_and_query().unwrap().to_string();
    let (status, headers, got) = between.forward(head.method.as_str(), &target, &headers, sent.clone()).await;
    let method = head.method.as_str();
    between.look(&Exchange { method, target: &target, sent: &sent, status, headers: &headers, got: &got });
    let mut response = Response::new(Body::from(got));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    for name in ["content-length", "transfer-encoding"] {
        response.headers_mut().remove(name);
    }
    response
}
