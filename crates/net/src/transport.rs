//! TCP with Noise and yamux, and QUIC, under names and a deadline.
//!
//! Put together by hand and not by libp2p's builder, because the builder nests its errors in types that hide their
//! causes; here each part's error is classified where its type is still known.

use std::fmt;
use std::time::Duration;

use either::Either;
use futures::{AsyncRead, AsyncWrite};
use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use libp2p::core::ConnectedPoint;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::transport::timeout::{TransportTimeout, TransportTimeoutError};
use libp2p::core::upgrade::Version;
use libp2p::multiaddr::Protocol;
use libp2p::{PeerId, Transport, dns, identity, noise, quic, relay, tcp};

use crate::muxer::{STREAMS_PER_CONNECTION_MAX, Yamux};
use crate::reason::NetworkReason;

/// Most bytes that a QUIC peer may send ahead on one stream.
const QUIC_STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Most bytes that a QUIC peer may send ahead on one connection.
const QUIC_CONNECTION_WINDOW_BYTES: u32 = 6 * 1024 * 1024;

/// A connection whose other end is proven.
type Secured = (PeerId, StreamMuxerBox);

/// What the transport below fails with.
pub(crate) type Error = TransportTimeoutError<dns::Error<Failure>>;

/// A connection that was not made, or a listener that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: NetworkReason,
    /// For the log.
    text: String,
}

impl Failure {
    fn new<E: std::error::Error + 'static>(error: &E) -> Self {
        Self { reason: NetworkReason::classify(error), text: error.to_string() }
    }

    /// The channel proved a key, but not the expected one.
    fn somebody_else(wanted: &PeerId, found: &PeerId) -> Self {
        Self { reason: NetworkReason::Tls, text: format!("{found} answers where {wanted} should be") }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// Builds the transport; an attempt to connect ends after `timeout`, name resolution included. `circuits` dials and
/// listens through relays.
pub(crate) fn build(
    key: &identity::Keypair,
    timeout: Duration,
    circuits: relay::client::Transport,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let noise = noise::Config::new(key)?;
    let circuits = secured(circuits, noise.clone());
    let tcp = secured(tcp::tokio::Transport::new(tcp::Config::default().nodelay(true)), noise);
    let quic = quic::tokio::Transport::new(quic_config(key, timeout))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .map_err(|error| Failure::new(&error));
    // Circuits first: their addresses begin like those of TCP.
    let direct = tcp.or_transport(quic).map(|either, _| either.into_inner()).map_err(Either::into_inner);
    let either = circuits.or_transport(direct).map(|either, _| either.into_inner()).map_err(Either::into_inner);
    let either = either.and_then(whom_it_should_be).map_err(Either::into_inner);
    let (names, options) = resolver();
    let named = dns::tokio::Transport::custom(either, names, options);
    Ok(TransportTimeout::new(named, timeout).boxed())
}

/// Whoever answers at an address must be whom the address names; otherwise the attempt at this address has failed, and the
/// peer's other addresses are tried as after any failure.
///
/// The swarm checks this as well, but only after it has let go of the other addresses. That would cost the peer each time
/// somebody else is quicker to answer at one of them: every member names its loopback addresses too, and on a machine
/// whose nodes listen at the same port those lead to whoever dials.
async fn whom_it_should_be((peer, muxer): Secured, at: ConnectedPoint) -> Result<Secured, Failure> {
    match at {
        ConnectedPoint::Dialer { address, .. } => match address.iter().last() {
            Some(Protocol::P2p(wanted)) if wanted != peer => Err(Failure::somebody_else(&wanted, &peer)),
            _ => Ok((peer, muxer)),
        },
        ConnectedPoint::Listener { .. } => Ok((peer, muxer)),
    }
}

/// Noise and yamux over a transport of bytes.
fn secured<T>(
    bytes: T,
    noise: noise::Config,
) -> impl Transport<Output = Secured, Error = Failure, Dial: Send, ListenerUpgrade: Send> + Send + Unpin
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send,
    T::ListenerUpgrade: Send,
{
    bytes
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(Yamux::default())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .map_err(|error| match error {
            Either::Left(Either::Left(socket)) => Failure::new(&socket),
            Either::Left(Either::Right(noise)) => Failure::new(&noise),
            Either::Right(yamux) => Failure::new(&yamux),
        })
}

fn quic_config(key: &identity::Keypair, handshake_timeout: Duration) -> quic::Config {
    let mut config = quic::Config::new(key);
    config.handshake_timeout = handshake_timeout;
    config.max_concurrent_stream_limit = u32::try_from(STREAMS_PER_CONNECTION_MAX).unwrap_or(u32::MAX);
    config.max_stream_data = QUIC_STREAM_WINDOW_BYTES;
    config.max_connection_data = QUIC_CONNECTION_WINDOW_BYTES;
    config
}

/// The machine's resolver; without a configuration no name resolves, which an offline machine can live with.
fn resolver() -> (ResolverConfig, ResolverOpts) {
    hickory_resolver::system_conf::read_system_conf().unwrap_or_else(|error| {
        tracing::warn!(%error, "the resolver's configuration cannot be read, names will not resolve");
        (ResolverConfig::from_parts(None, Vec::new(), Vec::new()), ResolverOpts::default())
    })
}
