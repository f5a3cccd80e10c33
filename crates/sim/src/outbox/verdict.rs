//! When the outboxes have come to rest, and what must be true then.

use antiphon_core::outbox::Level;
use antiphon_protocol::outbox::schedule;
use antiphon_protocol::reason::Reason;
use antiphon_store::{OutboxFilter, OutboxState, Retried};

use super::ledger::Fate;
use crate::failure::{Broken, Law, Step, need};
use crate::world::World;

/// Rows that a person looks at; no world has more.
const ROWS_MAX: usize = 100_000;

impl World {
    /// Everything healed: a person has everything tried again.
    pub(crate) fn heal_outboxes(&mut self) -> Step {
        let sent = self.outbox.lanes.heal(self.at);
        self.deliver_items(sent);
        for node in 0..self.plan.nodes {
            if self.has_outbox(node) {
                self.search_files(node)?;
                // As a node does now and then: what could not be set aside while the disk was full is tried again.
                self.rescan(node)?;
                for peer in 0..self.plan.nodes {
                    let id = self.nodes[peer].id;
                    let waits =
                        self.outbox_of(node).is_some_and(|outbox| outbox.schedule.peers().any(|known| known == id));
                    if waits {
                        self.plan_delivery(node, schedule::Input::Retry(self.nodes[peer].id))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether what one member has for another one must come to it.
    fn is_reachable(&self, from: usize, to: usize) -> bool {
        let honest = self.honest();
        honest.contains(&from) && honest.contains(&to) && self.network.has_link(from, to)
    }

    /// Whether nothing waits any more that can be delivered, or given up.
    pub(crate) fn outboxes_rest(&mut self) -> Step<bool> {
        self.try_refused_again()?;
        Ok(!self.agenda.works_in_outbox() && self.unrest_of_items()?.is_none())
    }

    /// What is still to be done: sender, receiver, and what.
    fn unrest_of_items(&self) -> Step<Option<(usize, usize, &'static str)>> {
        for node in self.honest() {
            let Some(up) = self.nodes[node].up.as_ref() else { continue };
            let Some(outbox) = up.outbox.as_deref() else { continue };
            if let Some(peer) = outbox.moderate.peers().next().and_then(|id| self.number_of(&id)) {
                return Ok(Some((node, peer, "is remembered and neither delivered nor given up")));
            }
            for known in up.db.reader().outbox_peers()? {
                let Some(peer) = self.number_of(&known.node).filter(|_| known.waiting() > 0) else { continue };
                if self.is_reachable(node, peer) {
                    return Ok(Some((node, peer, "waits and is not delivered")));
                }
                if self.plan.trust.is_out(peer) && self.is_removed(node, peer) {
                    return Ok(Some((node, peer, "waits for a removed member and is not set aside")));
                }
            }
        }
        Ok(None)
    }

    /// The law that is broken when the outboxes do not come to rest.
    pub(crate) fn restless_items(&self) -> Broken {
        match self.unrest_of_items() {
            Ok(Some((node, peer, what))) => {
                let law = if what.starts_with("is remembered") { Law::ItemsEnd } else { Law::ItemsArrive };
                Broken(law, format!("something of n{node} for n{peer} {what}"))
            }
            Ok(None) => Broken(Law::ItemsArrive, "the outboxes are busy for ever".to_owned()),
            Err(broken) => broken,
        }
    }

    /// A member that was taken for removed turned out to be none: a person has what was refused tried again.
    fn try_refused_again(&mut self) -> Step {
        let refused = OutboxFilter { state: Some(OutboxState::Refused), ..OutboxFilter::default() };
        for node in self.honest() {
            let Some(sealer) = self.outbox.sealers.get(&node).cloned() else { continue };
            let Some(up) = self.nodes[node].up.as_ref() else { continue };
            for row in up.db.reader().outbox_list(&refused, 0, ROWS_MAX, None)? {
                let Some(peer) = row.peer.and_then(|id| self.number_of(&id)) else { continue };
                let revoked = row.reason.as_deref() == Some(Reason::Revoked.name());
                if !revoked || !self.is_reachable(node, peer) || self.is_removed(node, peer) {
                    continue;
                }
                let Some(up) = self.nodes[node].up.as_mut() else { continue };
                let retried = up.db.retry_outbox(row.id, sealer.as_ref())?;
                let waits = matches!(retried, Retried::Waits { place, .. } if place == row.place);
                need(waits, Law::ItemsArrive, || format!("n{node} tries row {} again: {retried:?}", row.id))?;
                self.outbox.ledger.retried(&(node, peer, row.place));
                self.plan_delivery(node, schedule::Input::Retry(self.nodes[peer].id))?;
            }
        }
        Ok(())
    }

    /// All laws about items that can only be judged in the end.
    pub(crate) fn judge_outboxes(&mut self) -> Step {
        let honest = self.honest();
        let owed = self
            .outbox
            .ledger
            .owed
            .iter()
            .find(|(who, with, side)| !self.outbox.ledger.is_reported(*who, *with, *side));
        need(owed.is_none(), Law::RestoreShows, || format!("{owed:?} was never said"))?;
        for (number, item) in self.outbox.ledger.items() {
            if !honest.contains(&item.from) {
                continue;
            }
            let key = item.place.map(|place| (item.from, item.to, place));
            if item.level != Level::Critical {
                let ended = item.fate != Fate::Waits;
                need(ended, Law::ItemsEnd, || format!("item {number} of n{} waits for ever", item.from))?;
                continue;
            }
            let taken = key.is_some_and(|key| self.outbox.ledger.was_taken(&key));
            if !taken && self.outbox.ledger.is_owed(item) {
                self.check_shown(number)?;
            }
        }
        honest.into_iter().try_for_each(|node| self.search_files(node))
    }

    /// What was not taken is shown: that it waits, or why not, and it opens.
    fn check_shown(&self, number: usize) -> Step {
        let item = self.outbox.ledger.item(number);
        let (from, to) = (item.from, item.to);
        let lost = |why: &str| {
            Broken(Law::ItemsArrive, format!("item {number}, {:?} of n{from} for n{to}, {why}", item.place))
        };
        let (Some(up), Some(sealer)) = (self.nodes[from].up.as_ref(), self.outbox.sealers.get(&from)) else {
            return Err(lost("is on a node that is down"));
        };
        let filter = OutboxFilter { peer: Some(self.nodes[to].id), ..OutboxFilter::default() };
        let rows = up.db.reader().outbox_list(&filter, 0, ROWS_MAX, None)?;
        let row = rows.into_iter().find(|row| Some(row.place) == item.place).ok_or_else(|| lost("is lost"))?;
        let opened = up.db.reader().outbox_item(row.id, sealer.as_ref())?.and_then(|(_, opened)| opened);
        if opened.is_none_or(|opened| opened.body != item.body) {
            return Err(lost("does not open as what it was"));
        }
        let said = match row.state {
            OutboxState::Waits => !self.is_reachable(from, to),
            OutboxState::Refused => row.reason.is_some() && (item.unwanted || !self.is_reachable(from, to)),
            OutboxState::Broken => false,
        };
        if said { Ok(()) } else { Err(lost(&format!("is not sent: {:?}, {:?}", row.state, row.reason))) }
    }
}
