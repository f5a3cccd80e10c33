//! A real node with open doors, on loopback, in a directory of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

mod contract;

use std::sync::Arc;

use antiphon_node::{Config, Handle, Home, Node};
use antiphon_server::client::Client;
use antiphon_server::door::{DoorOptions, HttpSettings, Running, serve};
use antiphon_server::dto::NewFactDto;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use contract::{Between, Contract, Exchange};

pub(crate) struct Alice {
    pub(crate) home: Home,
    pub(crate) handle: Handle,
    /// Its way leads through the socket in between.
    pub(crate) client: Client,
    pub(crate) between: Arc<Between>,
    reading_along: JoinHandle<()>,
    pub(crate) url: String,
    pub(crate) token: String,
    node: Node,
    running: Running,
    close: oneshot::Sender<()>,
    _dir: tempfile::TempDir,
}

impl Alice {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0", HttpSettings::default()).await
    }

    /// In a team that is founded with this gene.
    pub(crate) async fn founded_with(id: &str, text: &str) -> Self {
        Self::found("127.0.0.1:0", HttpSettings::default(), vec![(id.to_owned(), text.to_owned())]).await
    }

    /// With an HTTP door of this kind.
    pub(crate) async fn start_at(http: &str, http_settings: HttpSettings) -> Self {
        Self::found(http, http_settings, Vec::new()).await
    }

    async fn found(http: &str, http_settings: HttpSettings, founding: Vec<(String, String)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        let mut config = Config::new(home.clone());
        config.name = Some("alice".into());
        config.team = Some("acme".into());
        config.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
        config.mdns = false;
        config.founding = founding;
        let node = Node::start(config).await.unwrap();
        let handle = node.handle();
        let (close, closed) = oneshot::channel::<()>();
        let options = DoorOptions { http_settings, ..DoorOptions::new(home.clone(), Some(http.into())) };
        let shutdown = async {
            let _ = closed.await;
        };
        let running = serve(handle.clone(), options, shutdown).await.unwrap();
        let token = antiphon_node::http_token(&home).unwrap().to_string();
        let url = running.http_url.clone().unwrap();
        let (between, socket, reading_along) = Between::open(&home, dir.path()).await;
        let client = Client::new(socket);
        Self { client, between, reading_along, home, handle, url, token, node, running, close, _dir: dir }
    }

    /// Sends one HTTP request to the TCP door, with nothing in it but what is given.
    pub(crate) async fn http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let stream = TcpStream::connect(self.authority()).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response =
            sender.send_request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.into_body().collect().await.unwrap().to_bytes();
        drop(sender);
        connection.await.unwrap().unwrap();
        let exchange = Exchange { method, target: path, sent: body.as_bytes(), status, headers: &headers, got: &text };
        self.between.look(&exchange);
        Answer { status, headers, text: String::from_utf8(text.to_vec()).unwrap() }
    }

    /// Sends one request to the control socket, through the socket in between.
    pub(crate) async fn control(&self, method: &str, path: &str, body: &str) -> Answer {
        let stream = UnixStream::connect(self.client.socket()).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let response =
            sender.send_request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.into_body().collect().await.unwrap().to_bytes();
        drop(sender);
        connection.await.unwrap().unwrap();
        Answer { status, headers, text: String::from_utf8(text.to_vec()).unwrap() }
    }

    pub(crate) fn authority(&self) -> &str {
        self.url.strip_prefix("http://").or_else(|| self.url.strip_prefix("https://")).unwrap()
    }

    /// SHA-256 of its HTTP door's certificate.
    pub(crate) fn certificate(&self) -> Option<String> {
        self.running.http_certificate.clone()
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    pub(crate) async fn remember(&self, content: &str) -> String {
        self.client.remember(&fact(content)).await.unwrap().id
    }

    /// Closes the doors, then the node; returns once both are gone.
    pub(crate) async fn stop(self) {
        self.between.settle();
        self.reading_along.abort();
        self.close.send(()).unwrap();
        self.running.finished().await;
        self.handle.shutdown().await;
        self.node.stopped().await;
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

pub(crate) fn fact(content: &str) -> NewFactDto {
    NewFactDto { content: content.to_owned(), ..NewFactDto::default() }
}
