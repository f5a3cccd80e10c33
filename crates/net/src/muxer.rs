//! yamux with a bound on what a remote may send ahead.
//!
//! Every stream starts with a window of 256 KiB, and yamux widens the window of a stream that is read fast, by the time
//! that the other end takes to answer a ping: up to 1 GiB for one connection if nobody says otherwise. The other end
//! decides both, so it could have a window widened and then fill it while we do not read. libp2p's own adapter does not
//! show the setting, so this is its adapter again, with it, and with fewer streams that wait to be looked at.

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::io;
use std::iter;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready as ready_or_return};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::StreamMuxer;
use libp2p::core::muxing::StreamMuxerEvent;
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use yamux::{Connection, ConnectionError, Mode};

/// Most streams on one connection, in both directions; one more ends the connection. The hash table alone has up to 16
/// in each direction, see `dht`.
pub(crate) const STREAMS_PER_CONNECTION_MAX: usize = 64;
/// Most bytes that a remote may send ahead on one connection, over all its streams. yamux gives each of them 256 KiB,
/// and what is beyond that widens the windows of those that carry much.
pub(crate) const CONNECTION_WINDOW_BYTES_MAX: usize = 24 * 1024 * 1024;

const _: () = assert!(CONNECTION_WINDOW_BYTES_MAX >= STREAMS_PER_CONNECTION_MAX * 256 * 1024, "what yamux insists on");

/// Makes connections carry streams.
#[derive(Debug, Clone)]
pub(crate) struct Yamux(yamux::Config);

impl Default for Yamux {
    fn default() -> Self {
        let mut config = yamux::Config::default();
        // In this order: the window must have room for the streams at every step.
        config.set_max_num_streams(STREAMS_PER_CONNECTION_MAX);
        config.set_max_connection_receive_window(Some(CONNECTION_WINDOW_BYTES_MAX));
        Self(config)
    }
}

impl Yamux {
    fn over<C: AsyncRead + AsyncWrite + Send + Unpin + 'static>(self, io: C, mode: Mode) -> Muxer<C> {
        Muxer { connection: Connection::new(io, self.0, mode), inbound: VecDeque::new(), waker: None }
    }
}

impl UpgradeInfo for Yamux {
    type Info = &'static str;
    type InfoIter = iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        iter::once("/yamux/1.0.0")
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> InboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<Result<Muxer<C>, io::Error>>;

    fn upgrade_inbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(self.over(io, Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<Result<Muxer<C>, io::Error>>;

    fn upgrade_outbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(self.over(io, Mode::Client)))
    }
}

/// One connection.
pub(crate) struct Muxer<C> {
    connection: Connection<C>,
    /// Streams of the other end that came while something else was waited for.
    inbound: VecDeque<yamux::Stream>,
    waker: Option<Waker>,
}

impl<C: AsyncRead + AsyncWrite + Unpin + 'static> Muxer<C> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<yamux::Stream, ConnectionError>> {
        let next = ready_or_return!(self.connection.poll_next_inbound(cx));
        Poll::Ready(next.unwrap_or(Err(ConnectionError::Closed)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + 'static> StreamMuxer for Muxer<C> {
    type Substream = yamux::Stream;
    type Error = ConnectionError;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<yamux::Stream, ConnectionError>> {
        if let Some(stream) = self.inbound.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        if let Poll::Ready(next) = self.poll_next(cx) {
            return Poll::Ready(next);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<yamux::Stream, ConnectionError>> {
        self.connection.poll_new_outbound(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        self.connection.poll_close(cx)
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, ConnectionError>> {
        let this = self.get_mut();
        let stream = ready_or_return!(this.poll_next(cx))?;
        if this.inbound.len() >= STREAMS_PER_CONNECTION_MAX {
            tracing::debug!("more streams than are looked at, one is dropped");
        } else {
            this.inbound.push_back(stream);
            if let Some(waker) = this.waker.take() {
                waker.wake();
            }
        }
        // Others have their turn before the next stream.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
