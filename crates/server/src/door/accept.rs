//! Takes connections and serves HTTP on them.
//!
//! Whoever connects costs a place until the head of a request is there, so that has to be soon, and short. So does
//! whoever has asked until the answer is gone, so it has to take some of it now and then.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::Layer;

use super::link::Link;
use super::places::{CONNECTIONS_MAX, Shares};
use super::tasks::Tasks;
use super::tls::Tls;

/// Most bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;

/// What all connections of a door share.
#[derive(Clone)]
pub(super) struct Reception {
    pub(super) router: Router,
    pub(super) tasks: Tasks,
    /// Longest wait for the head of a request, and for the encryption before it, so that silent connections do not
    /// take all places.
    pub(super) head: Duration,
    /// Longest wait for a client to take some more of an answer.
    pub(super) stalled: Duration,
}

/// Serves every connection of the control socket until the doors close.
pub(super) async fn accept_local(listener: UnixListener, reception: Reception) {
    let each = {
        let reception = reception.clone();
        move |io| speak_http(io, reception.clone(), None)
    };
    accept(listener, &reception, each).await;
}

/// Serves every connection of the HTTP door until the doors close.
pub(super) async fn accept_tcp(listener: TcpListener, tls: Option<Arc<Tls>>, reception: Reception) {
    let shares = Shares::default();
    let each = {
        let reception = reception.clone();
        move |stream| greet(stream, tls.clone(), shares.clone(), reception.clone())
    };
    accept(listener, &reception, each).await;
}

async fn accept<L, F>(mut listener: L, reception: &Reception, each: impl Fn(L::Io) -> F)
where
    L: Listener,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.ok()?;
            Some((listener.accept().await.0, place))
        };
        let taken = tokio::select! {
            () = reception.tasks.stop().cancelled() => None,
            taken = next => taken,
        };
        let Some((io, place)) = taken else { return };
        reception.tasks.spawn(held(each(io), place));
    }
}

async fn held(task: impl Future<Output = ()>, place: OwnedSemaphorePermit) {
    task.await;
    drop(place);
}

/// A connection of the HTTP door, from its first byte.
async fn greet(stream: TcpStream, tls: Option<Arc<Tls>>, shares: Shares, reception: Reception) {
    let served = async {
        let link = Link::of(&stream, tls.is_some())?;
        let Some(_share) = shares.take(link.peer) else {
            tracing::debug!(peer = %link.peer, "a connection beyond its address's share is closed");
            return Ok(());
        };
        let Some(tls) = tls else {
            speak_http(stream, reception, Some(link)).await;
            return Ok(());
        };
        let greeting = tokio::time::timeout(reception.head, tls.greet(stream));
        let greeted = tokio::select! {
            greeted = greeting => greeted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??,
            () = reception.tasks.stop().cancelled() => None,
        };
        if let Some(stream) = greeted {
            speak_http(stream, reception, Some(link)).await;
        }
        io::Result::Ok(())
    };
    if let Err(error) = served.await {
        // A client that hangs up, or that does not trust our certificate, is no failure of ours.
        tracing::debug!(%error, "a connection broke before its first request");
    }
}

async fn speak_http<I>(io: I, reception: Reception, link: Option<Link>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Reception { router, tasks, head, stalled } = reception;
    let mut io = TimeoutStream::new(io);
    io.set_write_timeout(Some(stalled));
    let service = TowerToHyperService::new(Extension(link).layer(router));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_header_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(Box::pin(io)), service)
        .with_upgrades();
    tokio::pin!(connection);
    let stop: &CancellationToken = tasks.stop();
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A client that hangs up is no failure of ours.
        tracing::debug!(%error, "a connection broke");
    }
}
