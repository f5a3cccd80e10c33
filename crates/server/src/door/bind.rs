//! The port of the HTTP door.
//!
//! Two nodes on one machine both want the usual port. The second one takes another if nobody asked for this one, because
//! a person who asked nothing of ports should not have to learn of them to see the dashboard. It keeps what it took:
//! agents and bookmarks go by it. Should even that be taken at a later start, the usual one is tried again, then any.
//! A port that a person named is that one or none, since whoever named it goes there.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;

use antiphon_node::home::Home;
use tokio::net::TcpListener;

/// A port that is held, and its address.
pub(super) type Bound = (TcpListener, SocketAddr);

/// Holds the port of `at`, or with `elsewhere` any other where that one is taken.
pub(super) async fn bind(at: SocketAddr, home: &Home, elsewhere: bool) -> io::Result<Bound> {
    if !elsewhere {
        return listen(at).await;
    }
    let path = home.http_port();
    if let Some(port) = kept(&path)
        && let Ok(bound) = listen(SocketAddr::new(at.ip(), port)).await
    {
        return Ok(bound);
    }
    match listen(at).await {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {}
        found => return found,
    }
    let (listener, found) = listen(SocketAddr::new(at.ip(), 0)).await?;
    tracing::info!(usual = %at, at = %found, "the usual port is taken; the HTTP door is at another one");
    if let Err(error) = fs::write(&path, found.port().to_string()) {
        tracing::warn!(%error, "the port of the HTTP door could not be noted; another start may pick another one");
    }
    Ok((listener, found))
}

async fn listen(at: SocketAddr) -> io::Result<Bound> {
    let listener = TcpListener::bind(at).await?;
    let at = listener.local_addr()?;
    Ok((listener, at))
}

/// The port that was taken at an earlier start. A file that says something else is no port.
fn kept(path: &Path) -> Option<u16> {
    fs::read_to_string(path).ok()?.trim().parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener as Taker};

    use super::*;

    #[tokio::test]
    async fn who_finds_the_usual_port_taken_takes_another_and_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let taker = Taker::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let usual = taker.local_addr().unwrap();
        let (first, at) = bind(usual, &home, true).await.unwrap();
        assert!(at.ip() == usual.ip() && at.port() != usual.port());
        drop(first);
        let (again, kept) = bind(usual, &home, true).await.unwrap();
        assert_eq!(kept, at, "it is where it was");
        // The usual one is free now; what was taken stays as long as it can be had.
        drop((again, taker));
        assert_eq!(bind(usual, &home, true).await.unwrap().1, at);
        let other = Taker::bind(at).unwrap();
        assert_eq!(bind(usual, &home, true).await.unwrap().1, usual);
        drop(other);
        fs::write(home.http_port(), "no port").unwrap();
        assert_eq!(bind(usual, &home, true).await.unwrap().1, usual);
    }

    #[tokio::test]
    async fn a_port_that_was_asked_for_is_that_one_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let taker = Taker::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = taker.local_addr().unwrap();
        assert_eq!(bind(taken, &home, false).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(!home.http_port().exists());
    }
}
