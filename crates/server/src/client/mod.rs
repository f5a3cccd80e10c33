//! How local programs talk to the node: the HTTP API over its control socket.
//!
//! Every call has a connection of its own. A Unix socket costs microseconds, and a connection that is not kept needs
//! no task behind it, no pool and no care for a daemon that was restarted in between.

mod bundles;
mod calls;
mod content;
mod custody;
mod dashboard;
mod dht;
mod divergences;
mod doctor;
mod erasure;
mod error;
mod export;
mod federation;
mod history;
mod incidents;
mod messages;
mod outbox;
mod recall;
mod recovery;
mod replication;
mod resources;
mod settings;
mod stdio;
mod team;
mod trail;
mod trust;

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

pub use error::{ClientError, nobody_listens};

use crate::error::{Problem, ProblemBody};
use crate::routes::WRITE_BYTES_MAX;

/// Most bytes of one answer: a full page of the longest facts.
pub const ANSWER_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Longest wait for an answer, in seconds. Checking a large database takes minutes; a node that is gone is noticed at
/// once, because its socket closes.
pub const ANSWER_SECONDS_MAX: u64 = 900;
/// Longest wait for the socket to take a connection, in seconds.
const CONNECT_SECONDS_MAX: u64 = 5;

/// Talks to the node of one home.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the node that listens at `socket`; nothing is opened yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// Where the node listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    async fn connect(&self) -> Result<UnixStream, ClientError> {
        let wait = Duration::from_secs(CONNECT_SECONDS_MAX);
        match tokio::time::timeout(wait, UnixStream::connect(&self.socket)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(source)) => Err(ClientError::connect(&self.socket, source)),
            Err(_) => Err(ClientError::Silent { seconds: CONNECT_SECONDS_MAX }),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, Bytes::new()).await
    }

    async fn send<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|source| ClientError::Json { source })?;
        self.call(method, path, body.into()).await
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T, ClientError> {
        if body.len() > WRITE_BYTES_MAX {
            return Err(ClientError::Problem(Problem::too_large(WRITE_BYTES_MAX)));
        }
        self.transfer(method, path, body).await
    }

    /// The same, for a body whose route has a limit of its own.
    async fn transfer<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T, ClientError> {
        let request = request(method, path).body(Full::new(body)).map_err(|source| ClientError::Request { source })?;
        let wait = Duration::from_secs(ANSWER_SECONDS_MAX);
        let answer = tokio::time::timeout(wait, self.exchange(request)).await;
        let (status, bytes) = answer.map_err(|_| ClientError::Silent { seconds: ANSWER_SECONDS_MAX })??;
        read(status, &bytes)
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), ClientError> {
        let stream = TokioIo::new(self.connect().await?);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(|source| ClientError::Http { source })?;
        let answer = async move {
            let response = sender.send_request(request).await.map_err(|source| ClientError::Http { source })?;
            collect(response).await
        };
        // The connection ends by itself once the sender is gone, and its error is the answer's error too.
        let (answer, _) = tokio::join!(answer, connection);
        answer
    }
}

async fn collect(response: Response<Incoming>) -> Result<(StatusCode, Bytes), ClientError> {
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    body.map(|body| (status, body.to_bytes())).map_err(|source| ClientError::Body { reason: source.to_string() })
}

fn request(method: Method, path: &str) -> hyper::http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "localhost").header("content-type", "application/json")
}

fn read<T: DeserializeOwned>(status: StatusCode, bytes: &[u8]) -> Result<T, ClientError> {
    if status.is_success() {
        return serde_json::from_slice(bytes).map_err(|source| ClientError::Json { source });
    }
    match serde_json::from_slice::<ProblemBody>(bytes) {
        Ok(body) => Err(ClientError::Problem(body.error)),
        Err(_) => Err(ClientError::Status { status: status.as_u16() }),
    }
}
