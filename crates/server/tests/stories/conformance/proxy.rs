//! Adds the door's token to what the suite sends, and changes nothing else.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(super) struct Proxy {
    pub(super) url: String,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Door {
    authority: String,
    bearer: HeaderValue,
}

impl Proxy {
    pub(super) async fn to(authority: &str, bearer: &str) -> Self {
        let door = Door { authority: authority.to_owned(), bearer: bearer.parse().unwrap() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(door);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, server }
    }

    pub(super) fn stop(self) {
        self.server.abort();
    }
}

async fn pass(State(door): State<Door>, mut request: Request) -> Response {
    let stream = TcpStream::connect(&door.authority).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    // It ends with the answer, or when the suite goes away.
    tokio::spawn(connection);
    request.headers_mut().insert(header::AUTHORIZATION, door.bearer.clone());
    let response = sender.send_request(request).await.unwrap();
    // The connection to the door lives as long as its sender, and the answer may be a stream.
    let (parts, body) = response.into_parts();
    let mut response = Response::from_parts(parts, Body::new(body));
    response.extensions_mut().insert(std::sync::Arc::new(sender));
    response
}
