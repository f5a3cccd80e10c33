//! What a client hears that comes to an encrypted door without encryption.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::{Code, Problem, ProblemBody};

/// Most bytes that are read of what such a client sends, and for how long, in milliseconds: if some of it were left,
/// the system would take the answer back before it is read.
const READ_BYTES_MAX: u64 = 64 * 1024;
const READ_MS_MAX: u64 = 2_000;

/// Says where the door is, and closes the connection.
pub(super) async fn refuse(mut stream: TcpStream, url: &str) -> io::Result<()> {
    let problem = Problem::new(Code::Refused, "this door can be reached from other machines, so it speaks TLS only")
        .why("without encryption the token and the memories could be read on the way")
        .hint(format!("use {url}; antiphon status shows the fingerprint of its certificate"));
    let body = serde_json::to_string(&ProblemBody { error: problem })?;
    let head = format!(
        "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(READ_BYTES_MAX);
    let mut thrown_away = tokio::io::sink();
    let reading = tokio::io::copy(&mut rest, &mut thrown_away);
    // Whoever goes on sending has had the answer.
    let _ = tokio::time::timeout(Duration::from_millis(READ_MS_MAX), reading).await;
    Ok(())
}
