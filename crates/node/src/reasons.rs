//! What the network and the database say, in the stable reasons that are stored and shown, and how they get into the
//! health record of the peer they are about.

use antiphon_core::event::HeaderError;
use antiphon_core::ids::NodeId;
use antiphon_net::{NetworkReason, RequestError};
use antiphon_protocol::reason::{About, Reason};
use antiphon_store::{Cause, Error as StoreError, Trouble};

use crate::clock::now;
use crate::event_loop::Engine;

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

/// The reason of an event that is kept and not, or not fully, applied.
pub(crate) fn of_cause(cause: Cause) -> Reason {
    Reason::from_name(cause.name()).unwrap_or(Reason::Other)
}

/// The reason of events that the database did not take.
pub(crate) fn of_replay(error: &StoreError) -> Reason {
    match error {
        StoreError::TooManyStores(_) | StoreError::TooManyLogs | StoreError::CharterFull(_) => Reason::Quota,
        StoreError::NotASteward(_) => Reason::NotAMember,
        StoreError::OtherLog(_) => Reason::IdentityMismatch,
        StoreError::Header(HeaderError::TooLarge(_) | HeaderError::PayloadTooLarge { .. }) => Reason::TooLarge,
        StoreError::Header(HeaderError::PayloadMismatch) => Reason::MissingPayload,
        StoreError::Header(_) | StoreError::Payload(_) => Reason::InvalidFrontmatter,
        _ => Reason::Other,
    }
}

impl Engine {
    /// Says in the health record which event the failure is about that was just noted.
    pub(crate) fn note_about(&mut self, peer: &NodeId, about: Option<About>) {
        if let (Some(entry), Some(about)) = (self.peers.get_mut(peer), about) {
            entry.is_about(about);
        }
        self.keep_peer(peer);
    }

    /// Says in the health record what is wrong with an event that the peer handed over. The event is held and the peer
    /// did what it should, so this is no failure of it, and nothing waits for it.
    pub(crate) fn note_trouble(&mut self, peer: &NodeId, trouble: Option<&Trouble>) {
        let (Some(entry), Some(trouble)) = (self.peers.get_mut(peer), trouble) else { return };
        let reason = of_cause(trouble.cause);
        tracing::warn!(%peer, event = %trouble.event, reason = reason.name(), "an event is not, or not fully, applied");
        entry.observed(reason, About { event: trouble.event, fact: trouble.subject.fact() }, now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_called_like_a_reason() {
        for cause in Cause::ALL {
            assert_eq!(of_cause(cause).name(), cause.name());
            assert_eq!(of_cause(cause).is_schema_widening(), cause.is_schema_widening(), "{cause:?}");
        }
    }

    #[test]
    fn a_page_that_was_not_taken_has_a_reason() {
        let key = NodeId([1; 32]);
        let cases = [
            (StoreError::TooManyStores(key), Reason::Quota),
            (StoreError::TooManyLogs, Reason::Quota),
            (StoreError::CharterFull(1), Reason::Quota),
            (StoreError::NotASteward(key), Reason::NotAMember),
            (StoreError::Header(HeaderError::TooLarge(1)), Reason::TooLarge),
            (StoreError::Header(HeaderError::SeqZero), Reason::InvalidFrontmatter),
            (StoreError::Header(HeaderError::PayloadMismatch), Reason::MissingPayload),
            (StoreError::Closed, Reason::Other),
        ];
        for (error, reason) in cases {
            assert_eq!(of_replay(&error), reason, "{error}");
        }
    }
}
