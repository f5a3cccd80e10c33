//! What the network says, in the stable reasons that are stored and shown.

use antiphon_net::{NetworkReason, RequestError};
use antiphon_protocol::reason::Reason;

/// The reason of a network failure.
pub(crate) fn of_network(reason: NetworkReason) -> Reason {
    Reason::from_name(reason.name()).unwrap_or(Reason::Other)
}

/// The reason of a request that got no answer.
pub(crate) fn of_request(error: &RequestError) -> Reason {
    error.reason().map_or(Reason::Other, of_network)
}

/// The reason of a failed network operation.
pub(crate) fn of_net(error: &antiphon_net::Error) -> Reason {
    error.reason().map_or(Reason::Other, of_network)
}
