//! MCP over standard input and output: a byte pipe to the node, so that several agents share one node.
//!
//! Every call of an agent goes through it twice. A thread that waits for bytes and passes them on is woken once for them;
//! a runtime, which reads and writes pipes of other programs by threads anyway, would wake three one after the other.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::upgrade::{self, Parts, Upgraded};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;

use super::{Client, ClientError, read};
use crate::door::MCP_PROTOCOL;
use crate::mcp::ToolProfile;

/// Most bytes of a refusal that are read.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// Most bytes that are carried at once: what a pipe holds.
const CARRIED_BYTES_MAX: usize = 64 * 1024;

impl Client {
    /// Carries bytes between an agent and the node until the agent closes its end and the last answer came, or the
    /// node closes. Then a thread may still wait for `stdin`, and ends with it or with the process.
    ///
    /// # Errors
    /// [`ClientError`] when the node cannot be reached or a pipe breaks.
    pub async fn mcp_stdio<R, W>(&self, profile: ToolProfile, stdin: R, stdout: W) -> Result<(), ClientError>
    where
        R: Read + Send + 'static,
        W: Write + Send + 'static,
    {
        let (node, first) = into_std(self.upgrade(profile).await?)?;
        let carried = tokio::task::spawn_blocking(move || carry(node, &first, stdin, stdout)).await;
        carried.map_err(io::Error::from).flatten().map_err(|source| ClientError::Io { source })
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

/// The socket beneath, which waits, and what was read from it already.
fn into_std(upgraded: Upgraded) -> Result<(UnixStream, Bytes), ClientError> {
    let other = |_| io::Error::other("the connection to the node is no socket");
    let stream = upgraded.downcast::<TokioIo<tokio::net::UnixStream>>().map_err(other);
    let waiting = stream.and_then(|Parts { io, read_buf, .. }| {
        let stream = io.into_inner().into_std()?;
        stream.set_nonblocking(false)?;
        Ok((stream, read_buf))
    });
    waiting.map_err(|source| ClientError::Io { source })
}

/// The end of the agent's input is passed on as the end of ours; what the node still has to say is carried out
/// before this returns. When the node closes first, nothing more can be answered, so the agent's input is left.
fn carry<R, W>(mut node: UnixStream, first: &[u8], stdin: R, mut stdout: W) -> io::Result<()>
where
    R: Read + Send + 'static,
    W: Write,
{
    let upward = upward(node.try_clone()?, stdin)?;
    let down = stdout.write_all(first).and_then(|()| copy(&mut node, &mut stdout));
    // It is there before the node's end came, if it is why that came.
    down.and(upward.try_recv().unwrap_or(Ok(()))).or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) })
}

/// Carries the agent's input to the node, beside. What it came to is told before the node's end is closed.
fn upward<R: Read + Send + 'static>(mut node: UnixStream, mut stdin: R) -> io::Result<Receiver<io::Result<()>>> {
    let (ended, upward) = channel();
    thread::Builder::new().name("agent's input".to_owned()).spawn(move || {
        let carried = copy(&mut stdin, &mut node);
        let end = if carried.is_ok() { Shutdown::Write } else { Shutdown::Both };
        // Nobody listens where the node has closed before, and then there is nothing to be closed either.
        let _ = ended.send(carried);
        let _ = node.shutdown(end);
    })?;
    Ok(upward)
}

/// Passes on what comes as it comes, until there is no more.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; CARRIED_BYTES_MAX];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(buffer.get(..read).unwrap_or_default())?;
        to.flush()?;
    }
}

/// A side that is gone has closed its end, be it with bytes unread.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}
