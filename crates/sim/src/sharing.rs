//! What a person sets about sharing while the node runs: peers that are paused, and domains that some peers get.

use antiphon_core::event::Event;
use antiphon_core::log::LogId;
use antiphon_store::Domains;

use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::plan::Policy;
use crate::world::World;

/// Time in which a page that was read before a change may still leave, in milliseconds.
const LATE_MS: u64 = 100;
/// Stands in the text of every fact of the domain that some peers do not get.
pub(crate) const PAY: &str = "of the domain pay";

impl World {
    /// A node exchanges nothing shared with a peer, or does again.
    pub(crate) fn pause(&mut self, node: usize, peer: usize, pauses: bool) -> Step {
        let id = self.nodes[peer].id;
        let changed = if pauses { self.nodes[node].paused.insert(id) } else { self.nodes[node].paused.remove(&id) };
        let live = self.nodes[node].up.as_ref().is_some_and(|up| up.sessions.contains_key(&peer));
        self.tally.exercised.add(Class::Paused, u64::from(pauses && changed && live));
        self.set_mode_with(node, id)
    }

    /// A node shares some domains with a peer from now on.
    pub(crate) fn share(&mut self, node: usize, peer: usize, policy: Policy) -> Step {
        let (id, at) = (self.nodes[peer].id, self.at);
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let domains = match policy {
            Policy::All => Domains::default(),
            Policy::ExceptPay => Domains { except: vec!["pay".to_owned()], ..Domains::default() },
            Policy::OnlyWeb => Domains { only: vec!["web".to_owned()], ..Domains::default() },
        };
        match up.db.set_peer_domains(&id, domains) {
            Ok(()) => {
                self.nodes[node].shares.insert(peer, (policy, at));
                self.model.narrowed |= policy != Policy::All;
                Ok(())
            }
            Err(error) if error.is_full() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A page was read for a peer: how much of it is withheld.
    pub(crate) fn count_withheld(&mut self, node: usize, peer: usize, events: &[Event]) {
        let narrows = self.nodes[node].shares.get(&peer).is_some_and(|(policy, _)| *policy != Policy::All);
        let bare = events.iter().filter(|event| event.payload().is_none()).count() as u64;
        self.tally.exercised.add(Class::Withheld, if narrows { bare } else { 0 });
    }

    /// The text of a fact does not go to whom its domain is not shared with.
    pub(crate) fn check_shared(&self, node: usize, peer: usize, (log, seq): (LogId, u64), payload: &[u8]) -> Step {
        let Some((policy, since)) = self.nodes[node].shares.get(&peer) else { return Ok(()) };
        let withheld = !policy.allows(Some("pay")) && self.at > since + LATE_MS;
        let pays = withheld && payload.windows(PAY.len()).any(|part| part == PAY.as_bytes());
        need(!pays, Law::DomainStays, || {
            format!("n{node} sends n{peer} event {seq} of {log}, of a domain that it does not share since {since} ms")
        })
    }
}
