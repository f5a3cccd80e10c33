//! Takes connections and serves HTTP on them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::tasks::Tasks;

/// Most connections of one door at the same time; the next one waits until one of them ends.
const CONNECTIONS_MAX: usize = 256;
/// Longest wait for the head of a request, in seconds, so that silent connections do not take all places.
const HEAD_SECONDS_MAX: u64 = 30;

/// Serves every connection of `listener` until the doors close.
pub(super) async fn accept<L: Listener>(mut listener: L, router: Router, tasks: Tasks) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.ok()?;
            Some((listener.accept().await.0, place))
        };
        let taken = tokio::select! {
            () = tasks.stop().cancelled() => None,
            taken = next => taken,
        };
        let Some((io, place)) = taken else { return };
        tasks.spawn(serve(io, router.clone(), tasks.stop().clone(), place));
    }
}

async fn serve<I>(io: I, router: Router, stop: CancellationToken, place: OwnedSemaphorePermit)
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(router))
        .with_upgrades();
    tokio::pin!(connection);
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
    drop(place);
}
