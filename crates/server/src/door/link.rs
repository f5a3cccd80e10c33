//! How a request came in.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::Request;
use tokio::net::TcpStream;

/// The two ends of the connection that carries a request of the HTTP door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// The address of whoever sent it.
    pub(crate) peer: IpAddr,
    /// The address of ours that they used.
    pub(crate) reached: IpAddr,
    /// Whether it is encrypted.
    pub(crate) encrypted: bool,
}

impl Link {
    pub(super) fn of(stream: &TcpStream, encrypted: bool) -> io::Result<Self> {
        let (peer, reached) = (stream.peer_addr()?.ip(), stream.local_addr()?.ip());
        Ok(Self { peer: peer.to_canonical(), reached: reached.to_canonical(), encrypted })
    }

    /// That of a request. One without any did not come by the network.
    pub(crate) fn carrying(request: &Request) -> Self {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let none = Self { peer: here, reached: here, encrypted: false };
        request.extensions().get::<Option<Self>>().copied().flatten().unwrap_or(none)
    }
}
