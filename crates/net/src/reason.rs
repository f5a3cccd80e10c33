//! Why the network did not do what it should, in words that stay the same.

use std::error::Error;
use std::fmt;
use std::io;

use libp2p::core::transport::TransportError;
use libp2p::core::transport::timeout::TransportTimeoutError;
use libp2p::core::upgrade::{NegotiationError, ProtocolError};
use libp2p::relay::outbound::hop::ConnectError;
use libp2p::swarm::DialError;
use libp2p::{dns, noise, quic};

use crate::{reach, transport};

/// Most links of an error's chain of causes that are looked at.
const CHAIN_MAX: usize = 32;

/// The cause of a network failure. The names are part of stored health records and must not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NetworkReason {
    /// None of the others.
    Other,
    /// A name could not be resolved.
    Dns,
    /// Nobody answered in time, or there is no route.
    Timeout,
    /// The port is closed.
    Refused,
    /// The connection was reset or aborted.
    Reset,
    /// The other end closed before it was done.
    Eof,
    /// Noise or TLS failed: the other end does not speak our protocol, or has another key than it should.
    Tls,
}

impl NetworkReason {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "network_refused",
            Self::Timeout => "network_timeout",
            Self::Dns => "network_dns",
            Self::Tls => "network_tls",
            Self::Reset => "network_reset",
            Self::Eof => "network_eof",
            Self::Other => "other",
        }
    }

    /// The reason with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Other, Self::Dns, Self::Timeout, Self::Refused, Self::Reset, Self::Eof, Self::Tls];
        all.into_iter().find(|reason| reason.name() == name)
    }

    /// Finds the reason in an error of libp2p or of the operating system.
    ///
    /// A dial that tried several addresses gives the reason of the attempt that came furthest: that the machine
    /// answered with garbage says more than that its other address timed out.
    pub fn classify(error: &(dyn Error + 'static)) -> Self {
        if let Some(error) = error.downcast_ref::<DialError>() {
            return of_dial(error);
        }
        of_chain(error)
    }
}

impl fmt::Display for NetworkReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn of_dial(error: &DialError) -> NetworkReason {
    match error {
        DialError::Transport(attempts) => {
            // A peer on another machine names its loopback addresses too. Tried here they lead to this machine, and what
            // happens there says nothing about the peer.
            let elsewhere = attempts.iter().any(|(address, _)| !reach::is_here(address));
            let telling = attempts.iter().filter(|(address, _)| !elsewhere || !reach::is_here(address));
            // The order of the enum is how far an attempt came.
            telling.map(|(_, error)| of_transport(error)).max().unwrap_or(NetworkReason::Other)
        }
        // The channel proved a key, but not the expected one.
        DialError::WrongPeerId { .. } => NetworkReason::Tls,
        DialError::Aborted => NetworkReason::Reset,
        DialError::LocalPeerId { .. }
        | DialError::NoAddresses
        | DialError::DialPeerConditionFalse(_)
        | DialError::Denied { .. } => NetworkReason::Other,
    }
}

fn of_transport(error: &TransportError<io::Error>) -> NetworkReason {
    let TransportError::Other(error) = error else { return NetworkReason::Other };
    match error.get_ref().and_then(|error| error.downcast_ref::<transport::Error>()) {
        Some(TransportTimeoutError::Timeout) => NetworkReason::Timeout,
        Some(TransportTimeoutError::TimerError(_)) => NetworkReason::Other,
        Some(TransportTimeoutError::Other(error)) => of_named(error),
        None => of_chain(error),
    }
}

fn of_named(error: &dns::Error<transport::Failure>) -> NetworkReason {
    match error {
        dns::Error::Transport(failure) => failure.reason,
        dns::Error::ResolveError(_) | dns::Error::TooManyLookups => NetworkReason::Dns,
        dns::Error::MultiaddrNotSupported(_) => NetworkReason::Other,
        // One for each address the name stands for; a resolution that failed is alone here.
        dns::Error::Dial(errors) => errors.iter().map(of_named).max().unwrap_or(NetworkReason::Other),
    }
}

/// Walks from the outermost error to its cause; the first link that is known decides.
fn of_chain(error: &(dyn Error + 'static)) -> NetworkReason {
    let mut link = error;
    for _ in 0..CHAIN_MAX {
        if let Some(reason) = of_link(link) {
            return reason;
        }
        // An io error hides the error it wraps from `source`, which skips to that one's cause.
        let wrapped = link.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let Some(next) = wrapped.map(|error| error as &(dyn Error + 'static)).or_else(|| link.source()) else { break };
        link = next;
    }
    of_text(&link.to_string())
}

fn of_link(link: &(dyn Error + 'static)) -> Option<NetworkReason> {
    if let Some(error) = link.downcast_ref::<noise::Error>() {
        return Some(of_channel(match error {
            noise::Error::Io(error) => Some(error),
            _ => None,
        }));
    }
    if let Some(error) = link.downcast_ref::<NegotiationError>() {
        return Some(of_channel(match error {
            NegotiationError::ProtocolError(ProtocolError::IoError(error)) => Some(error),
            _ => None,
        }));
    }
    if let Some(quic::Error::HandshakeTimedOut) = link.downcast_ref() {
        return Some(NetworkReason::Timeout);
    }
    // The relay answered, and knows no way on.
    if let Some(ConnectError::NoReservation | ConnectError::ConnectionFailed) = link.downcast_ref() {
        return Some(NetworkReason::Timeout);
    }
    if link.is::<dns::ResolveError>() {
        return Some(NetworkReason::Dns);
    }
    of_io(link.downcast_ref::<io::Error>()?)
}

/// The secure channel was not made: because of the socket, or because of what came over it.
fn of_channel(socket: Option<&io::Error>) -> NetworkReason {
    socket.and_then(of_io).unwrap_or(NetworkReason::Tls)
}

fn of_io(error: &io::Error) -> Option<NetworkReason> {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => Some(NetworkReason::Refused),
        Kind::TimedOut | Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
            Some(NetworkReason::Timeout)
        }
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::NotConnected => {
            Some(NetworkReason::Reset)
        }
        Kind::UnexpectedEof => Some(NetworkReason::Eof),
        _ => None,
    }
}

/// The last resort: errors of QUIC and yamux, whose types libp2p does not show, by their words.
fn of_text(text: &str) -> NetworkReason {
    let text = text.to_ascii_lowercase();
    let table = [
        ("timed out", NetworkReason::Timeout),
        ("reset", NetworkReason::Reset),
        ("crypt", NetworkReason::Tls),
        ("tls", NetworkReason::Tls),
        ("certificate", NetworkReason::Tls),
        ("closed", NetworkReason::Eof),
    ];
    table.iter().find(|(word, _)| text.contains(word)).map_or(NetworkReason::Other, |(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_and_read_back() {
        let names = [
            (NetworkReason::Refused, "network_refused"),
            (NetworkReason::Timeout, "network_timeout"),
            (NetworkReason::Dns, "network_dns"),
            (NetworkReason::Tls, "network_tls"),
            (NetworkReason::Reset, "network_reset"),
            (NetworkReason::Eof, "network_eof"),
            (NetworkReason::Other, "other"),
        ];
        for (reason, name) in names {
            assert_eq!(reason.to_string(), name);
            assert_eq!(NetworkReason::from_name(name), Some(reason));
        }
        assert_eq!(NetworkReason::from_name("network_gremlins"), None);
    }

    #[test]
    fn the_attempt_that_came_furthest_gives_the_reason() {
        let failed = |kind: io::ErrorKind| {
            let address = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
            (address, TransportError::Other(io::Error::other(io::Error::from(kind))))
        };
        let attempts = vec![failed(io::ErrorKind::TimedOut), failed(io::ErrorKind::ConnectionRefused)];
        assert_eq!(NetworkReason::classify(&DialError::Transport(attempts)), NetworkReason::Refused);
    }

    #[test]
    fn an_attempt_that_leads_to_this_very_machine_says_nothing_of_a_peer_elsewhere() {
        let failed = |address: &str, kind: io::ErrorKind| {
            (address.parse().unwrap(), TransportError::Other(io::Error::other(io::Error::from(kind))))
        };
        let here = || failed("/ip4/127.0.0.1/tcp/1", io::ErrorKind::ConnectionRefused);
        let there = failed("/ip4/10.0.0.7/tcp/1", io::ErrorKind::TimedOut);
        assert_eq!(NetworkReason::classify(&DialError::Transport(vec![here(), there])), NetworkReason::Timeout);
        assert_eq!(NetworkReason::classify(&DialError::Transport(vec![here()])), NetworkReason::Refused);
        assert_eq!(NetworkReason::classify(&DialError::NoAddresses), NetworkReason::Other);
    }

    #[test]
    fn an_endless_chain_of_causes_ends() {
        let deep = (0..100).fold(io::Error::from(io::ErrorKind::ConnectionReset), |error, _| io::Error::other(error));
        assert_eq!(NetworkReason::classify(&deep), NetworkReason::Reset);
    }
}
