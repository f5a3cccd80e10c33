//! MCP over standard input and output: a byte pipe to the node, so that several agents share one node.

use std::io;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::upgrade::{self, Upgraded};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, split};

use super::{Client, ClientError, read};
use crate::door::MCP_PROTOCOL;
use crate::mcp::ToolProfile;

/// Most bytes of a refusal that are read.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

impl Client {
    /// Carries bytes between an agent and the node until the agent closes its end and the last answer came, or the
    /// node closes.
    ///
    /// # Errors
    /// [`ClientError`] when the node cannot be reached or a pipe breaks.
    pub async fn mcp_stdio<R, W>(&self, profile: ToolProfile, stdin: R, stdout: W) -> Result<(), ClientError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let upgraded = self.upgrade(profile).await?;
        pipe(TokioIo::new(upgraded), stdin, stdout).await.map_err(|source| ClientError::Io { source })
    }

    async fn upgrade(&self, profile: ToolProfile) -> Result<Upgraded, ClientError> {
        let stream = TokioIo::new(self.connect().await?);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(|source| ClientError::Http { source })?;
        let request = super::request(Method::GET, &format!("/api/v1/mcp?profile={}", profile.name()))
            .header("connection", "upgrade")
            .header("upgrade", MCP_PROTOCOL)
            .body(Empty::<Bytes>::new())
            .map_err(|source| ClientError::Request { source })?;
        let answer = async move { negotiate(&mut sender, request).await };
        let (answer, _) = tokio::join!(answer, connection.with_upgrades());
        answer
    }
}

async fn negotiate(
    sender: &mut http1::SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
) -> Result<Upgraded, ClientError> {
    let response = sender.send_request(request).await.map_err(|source| ClientError::Http { source })?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return upgrade::on(response).await.map_err(|source| ClientError::Http { source });
    }
    let status = response.status();
    let body = Limited::new(response.into_body(), REFUSAL_BYTES_MAX).collect().await;
    let body = body.map_err(|source| ClientError::Body { reason: source.to_string() })?.to_bytes();
    match read::<serde_json::Value>(status, &body) {
        Err(error) => Err(error),
        Ok(_) => Err(ClientError::Status { status: status.as_u16() }),
    }
}

/// The end of the agent's input is passed on as the end of ours; what the node still has to say is carried out
/// before this returns. When the node closes first, nothing more can be answered, so the agent's input is left.
async fn pipe<R, W>(node: TokioIo<Upgraded>, mut stdin: R, mut stdout: W) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (mut from_node, mut to_node) = split(node);
    let up = async {
        copy(&mut stdin, &mut to_node).await?;
        to_node.shutdown().await
    };
    let down = async {
        copy(&mut from_node, &mut stdout).await?;
        stdout.flush().await
    };
    tokio::pin!(up, down);
    let ended = tokio::select! {
        ended = &mut down => ended,
        ended = &mut up => match ended {
            Ok(()) => down.await,
            Err(error) => Err(error),
        },
    };
    // A side that is gone has closed its end, be it with bytes unread.
    ended.or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) })
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}
