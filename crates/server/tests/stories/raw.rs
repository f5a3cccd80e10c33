//! Requests as bytes, so that nothing on the way mends what is wrong with them.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// A request that closes its connection: its first line, and its other lines.
pub(crate) fn request(line: &str, headers: &[String], body: &str) -> String {
    let mut text = format!("{line}\r\nconnection: close\r\n");
    for header in headers {
        text.push_str(&format!("{header}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    format!("{text}\r\n{body}")
}

/// Sends a text and reads until the connection ends.
pub(crate) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, text: &str) -> Reply {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    // A server that closes without the farewell of TLS has said everything all the same.
    if let Err(error) = stream.read_to_end(&mut got).await {
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{text}: {error}");
    }
    let got = String::from_utf8(got).unwrap();
    let (head, body) = got.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?} was answered {got:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}

/// Addresses of this machine to come from, each a neighbour of its own as far as a door can tell.
#[derive(Debug, Default)]
pub(crate) struct Neighbours(u16);

impl Neighbours {
    /// A connection from an address that was not used before.
    pub(crate) async fn connect(&mut self, to: SocketAddr) -> TcpStream {
        self.0 += 1;
        let [high, low] = self.0.to_be_bytes();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 77, high, low], 0))).unwrap();
        socket.connect(to).await.unwrap()
    }
}
