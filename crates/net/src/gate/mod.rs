//! Members only: protocols that a stranger cannot even see.
//!
//! Every protocol but ping, identify, handshake and join is for members, and who is a member shows only after the
//! handshake, on a connection that already exists. Redialling would cost twice the time and a second chance to
//! fail; libp2p's `Toggle` is decided when a connection is made. So [`Gate`] wraps the members' behaviours and is
//! opened on the living connection:
//!
//! * Closed, a connection's handler offers no protocols, and the wrapped behaviour does not know the peer.
//! * Opening asks the wrapped behaviour for its handler late, ships it to the connection, and only then tells the
//!   wrapped behaviour that the peer is connected. Every opening has its own epoch, so that an event which was under
//!   way when the gate closed cannot reach the next opening.
//! * The connection acknowledges. Who answers a handshake before that loses first streams: the other side is
//!   faster than our own connection task.
//! * Closing ends the peer's streams and connections at once: a revoked member must not keep what it has.
//! * Who is not let in within the deadline is disconnected, however busily it pings.
//!
//! A peer, not a connection, is let in: the transport has proven the key, so a second connection of a peer that is in
//! opens by itself, and with the last connection the peer is out again.

mod behaviour;
mod handler;
#[cfg(test)]
mod tests;

pub(crate) use behaviour::{Event, Gate, Opening};
