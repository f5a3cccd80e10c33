//! The members' streams of one kind as a libp2p behaviour. Each kind has an instance of its own, with its own limits.
//!
//! libp2p-stream would do the same, but it drops inbound streams silently when two come at once, keeps a channel for
//! every connection there ever was, and waits for ever for a peer it does not know. This one hands every stream over
//! as an event, forgets what is gone, and answers every request to open a stream.

mod behaviour;
mod handler;

pub(crate) use behaviour::{Behaviour, Event, OpenId};
pub(crate) use handler::OpenFailure;
