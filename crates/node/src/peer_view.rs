//! A peer as it is shown: what the registry knows, what its session says, and both in words.

use antiphon_core::ids::NodeId;
use antiphon_protocol::reason::Reason;

use crate::api::PeerView;
use crate::event_loop::Engine;
use crate::reason_words::{Finder, Words, words};

impl Engine {
    /// The peer as it is shown.
    pub(crate) fn show_peer(&self, node: &NodeId) -> PeerView {
        let mut view = self.peers.view(node, &self.team.membership, &self.held.clock);
        let session = self.sessions.get(node);
        view.takes = session.and_then(|live| live.machine.peer_takes());
        view.equal_at = self.equal_at(node);
        let called = called(&view);
        let finder = if view.refused_by_peer { Finder::Peer } else { Finder::Us };
        let say = |reason: Reason, finder| words(reason, &called, &self.team.own.name, finder);
        view.words = view.reason.map(|reason| say(reason, finder));
        view.error_words = view.health.last_error.as_ref().map(|error| {
            // A refusal is the peer's only as long as it is the reason that is shown.
            say(error.reason, if view.reason == Some(error.reason) { finder } else { Finder::Us })
        });
        view.skew = view.agent_version.as_deref().and_then(|theirs| skew(&called, theirs, &self.agent_version));
        view
    }
}

/// What people call a peer.
pub(crate) fn called(peer: &PeerView) -> String {
    if peer.name.is_empty() { peer.peer_id.short() } else { peer.name.clone() }
}

/// That `peer` runs another version than this node, in words; nothing where either cannot be read.
fn skew(peer: &str, theirs: &str, ours: &str) -> Option<Words> {
    let ((their_parts, their_name), (our_parts, our_name)) = (version(theirs)?, version(ours)?);
    let older = match their_parts.cmp(&our_parts) {
        std::cmp::Ordering::Equal => return None,
        std::cmp::Ordering::Less => peer,
        std::cmp::Ordering::Greater => "this machine",
    };
    let what = format!("{peer} runs {their_name}, this node {our_name}");
    Some(Words { what, fix: format!("install the newest version of antiphon on {older}") })
}

/// The numbers of `antiphon/1.2.3`, and the text after the slash.
fn version(agent: &str) -> Option<([u64; 3], &str)> {
    let (program, version) = agent.split_once('/')?;
    let numbers = version.split(['-', '+']).next()?;
    let mut parts = numbers.split('.').map(|part| part.parse::<u64>().ok());
    let read = [parts.next()??, parts.next()??, parts.next()??];
    (program == "antiphon" && parts.next().is_none()).then_some((read, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_that_differ_are_said_and_the_older_one_is_to_be_mended() {
        let fix = |theirs| skew("bob", theirs, "antiphon/0.2.0").map(|words| words.fix);
        assert_eq!(fix("antiphon/0.2.0"), None);
        assert_eq!(fix("somebody/9.9.9"), None);
        assert_eq!(fix("antiphon/new"), None);
        assert_eq!(fix("antiphon/0.1.9").as_deref(), Some("install the newest version of antiphon on bob"));
        assert_eq!(fix("antiphon/0.10.0").as_deref(), Some("install the newest version of antiphon on this machine"));
        let said = skew("bob", "antiphon/0.1.0", "antiphon/0.2.0").unwrap();
        assert_eq!(said.what, "bob runs 0.1.0, this node 0.2.0");
    }
}
