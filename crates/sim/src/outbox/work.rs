//! What the databases are given to do for the outbox, and what comes of it. As with everything that is written, a crash
//! can come before the commit, in it, between commit and answer, or after both.

use antiphon_core::ids::StoreId;
use antiphon_core::outbox::{Bounds, Level, Place};
use antiphon_protocol::outbox::message::Items;
use antiphon_protocol::outbox::{Item, Outcome, Page, Source, delivery, reception};
use antiphon_protocol::reason::Reason;
use antiphon_store::{Error, OutboxPage, Settled};

use super::ledger::{Side, Untold};
use super::{Happening, Inside};
use crate::agenda::Event;
use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::options::Sabotage;
use crate::world::World;

/// Work for a database.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Put items down.
    Put { items: Vec<usize> },
    /// Read for a delivery what the peer took last.
    Known { peer: usize, epoch: u64 },
    /// Read for a delivery what waits.
    Load { peer: usize, epoch: u64, after_n: u64, most: (usize, usize) },
    /// Note what a peer said.
    Settle { peer: usize, epoch: u64, outcomes: Vec<(Place, Outcome)> },
    /// Look up whether this database gave an item this place.
    CheckLast { peer: usize, place: Place },
    /// Set aside what waits for a removed member.
    Withhold { peer: usize },
    /// Look up for a reception what was taken.
    Look { peer: usize, epoch: u64, store: StoreId, delivered: Option<Place> },
    /// Take items.
    Take { peer: usize, epoch: u64, store: StoreId, items: Items },
}

impl Work {
    /// Whether it is a transaction that a crash may tear apart.
    pub(crate) const fn writes(&self) -> bool {
        matches!(self, Self::Put { .. } | Self::Settle { .. } | Self::Withhold { .. } | Self::Take { .. })
    }
}

impl World {
    /// Gives a node's database something to do.
    pub(super) fn give_work(&mut self, node: usize, work: Work) {
        let (life, mut at) = (self.nodes[node].life, self.at + self.outbox.random.below(self.outbox.slow_ms));
        let Some(outbox) = self.outbox_of(node) else { return };
        if work.writes() {
            at = at.max(outbox.free_at);
            outbox.free_at = at;
        }
        self.agenda.put(at, Event::Outbox(Happening::Inside { node, life, what: Inside::Work(work) }));
    }

    pub(super) fn tell_sender(&mut self, node: usize, peer: usize, epoch: u64, input: delivery::Input) {
        self.tell_outbox(node, Inside::Sender { peer, epoch, input });
    }

    pub(super) fn tell_receiver(&mut self, node: usize, peer: usize, epoch: u64, input: reception::Input) {
        self.tell_outbox(node, Inside::Receiver { peer, epoch, input });
    }

    pub(super) fn do_work(&mut self, node: usize, work: Work) -> Step {
        match work {
            Work::Put { items } => {
                if let Some(Untold::Put(items, pushes)) = self.put_items(node, items)? {
                    self.outbox.ledger.put(&items, &pushes)?;
                    self.note_item(node, "put", &[], || format!("{items:?}: {pushes:?}"));
                    self.tell_outbox(node, Inside::Put(items));
                }
                Ok(())
            }
            Work::Known { peer, epoch } => self.known(node, peer, epoch),
            Work::Load { peer, epoch, after_n, most } => self.load_items(node, peer, epoch, after_n, most),
            Work::Settle { peer, epoch, outcomes } => {
                let settled = self.settle_items(node, peer, &outcomes)?;
                let input = if settled { delivery::Input::Settled } else { delivery::Input::Close };
                self.tell_sender(node, peer, epoch, input);
                Ok(())
            }
            Work::CheckLast { peer, place } => self.check_last(node, peer, place),
            Work::Withhold { peer } => self.refuse_waiting(node, peer),
            Work::Look { peer, epoch, store, delivered } => self.look(node, peer, epoch, store, delivered),
            Work::Take { peer, epoch, store, items } => {
                let outcomes = self.take_items(node, peer, store, items)?;
                self.tell_receiver(node, peer, epoch, reception::Input::Took(outcomes));
                Ok(())
            }
        }
    }

    /// Does something without telling anybody: the node is killed in it, or right after.
    pub(super) fn do_untold(&mut self, node: usize, work: Work) -> Step {
        let untold = match work {
            Work::Put { items } => self.put_items(node, items)?,
            Work::Settle { peer, outcomes, .. } => {
                self.settle_items(node, peer, &outcomes)?;
                None
            }
            Work::Take { peer, store, items, .. } => {
                let (_, places) = self.run_take(node, peer, store, items)?;
                Some(Untold::Took { from: peer, places })
            }
            _ => None,
        };
        self.outbox.ledger.untold.entry(node).or_default().extend(untold);
        Ok(())
    }

    fn put_items(&mut self, node: usize, items: Vec<usize>) -> Step<Option<Untold>> {
        if self.is_sabotaged(Sabotage::LoseItems) && self.outbox.random.chance(250) {
            self.outbox.ledger.acknowledged(&items);
            let era = self.outbox.random.next();
            let place = |n: usize| Place { era, n: 1 + n as u64 };
            let queued = |n: usize| antiphon_store::Push::Queued { id: u64::MAX >> 2, place: place(n) };
            let pushes = (0..items.len()).map(queued).collect();
            return Ok(Some(Untold::Put(items, pushes)));
        }
        let (now, own) = (self.nodes[node].clock(self.at), self.outbox.bounds);
        let bounds = if self.is_sabotaged(Sabotage::NoBounds) { Bounds::default() } else { own };
        let out: Vec<_> = items.iter().map(|number| self.outgoing(*number)).collect();
        let Some(sealer) = self.outbox.sealers.get(&node).cloned() else { return Ok(None) };
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(None) };
        let put = up.db.enqueue(&out, Level::Critical, sealer.as_ref(), &bounds, now);
        let again = sealer.again();
        need(again.is_none(), Law::NoncesDiffer, || {
            format!("n{node} sealed row and era {again:?} twice with one nonce")
        })?;
        match put {
            Ok(pushes) => {
                let merged = pushes.iter().filter(|push| matches!(push, antiphon_store::Push::Merged { .. })).count();
                self.exercise(Class::ItemMerged, merged as u64);
                self.check_bounds(node)?;
                Ok(Some(Untold::Put(items, pushes)))
            }
            Err(Error::OutboxFull(full)) => {
                self.note_item(node, "full", &[], || full.to_string());
                self.exercise(Class::ItemFull, 1);
                Ok(None)
            }
            Err(error) if error.is_full() => {
                self.exercise(Class::ItemDiskFull, 1);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn known(&mut self, node: usize, peer: usize, epoch: u64) -> Step {
        let (id, store) = (self.nodes[peer].id, self.team(node).map(|team| team.own.store));
        let (Some(up), Some(store)) = (self.nodes[node].up.as_ref(), store) else { return Ok(()) };
        let delivered = up.db.reader().outbox_peer(&id)?.delivered.map(|(place, _)| place);
        self.tell_sender(node, peer, epoch, delivery::Input::Opened { store, delivered });
        Ok(())
    }

    fn load_items(&mut self, node: usize, peer: usize, epoch: u64, after_n: u64, most: (usize, usize)) -> Step {
        let id = self.nodes[peer].id;
        let Some(sealer) = self.outbox.sealers.get(&node).cloned() else { return Ok(()) };
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let page = up.db.reader().outbox_page(&id, after_n, most.0, most.1, sealer.as_ref())?;
        let broken = page.broken.first().copied();
        need(broken.is_none(), Law::ItemsArrive, || format!("row {broken:?} of n{node} does not open"))?;
        self.tell_sender(node, peer, epoch, delivery::Input::Page(Source::Disk, page_of(page, after_n)));
        Ok(())
    }

    /// Whether it could be noted what became of items.
    fn settle_items(&mut self, node: usize, peer: usize, outcomes: &[(Place, Outcome)]) -> Step<bool> {
        let (now, id) = (self.nodes[node].clock(self.at), self.nodes[peer].id);
        let said: Vec<(Place, Settled)> =
            outcomes.iter().filter_map(|(place, outcome)| said(*place, outcome)).collect();
        for (place, settled) in &said {
            let refused = matches!(settled, Settled::Refused(_));
            // Beside the database: what is told is true or not, whether it can be noted or not.
            self.check_settled((node, peer, *place), refused)?;
        }
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(false) };
        match up.db.settle_outbox(&id, &said, now) {
            Ok(_) => {
                for (place, settled) in said {
                    let refused = matches!(settled, Settled::Refused(_));
                    self.exercise(Class::ItemRefused, u64::from(refused));
                    self.outbox.ledger.settled((node, peer, place), refused)?;
                }
                self.note_item(node, "settled", &[], || format!("of n{peer}: {outcomes:?}"));
                Ok(true)
            }
            Err(error) if error.is_full() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn check_settled(&self, key: (usize, usize, Place), refused: bool) -> Step {
        let there = refused || self.outbox.ledger.was_taken(&key);
        need(there, Law::ItemsArrive, || format!("n{} is told that n{} took {}, which it did not", key.0, key.1, key.2))
    }

    /// What the peer took last must be something that this database sent.
    fn check_last(&mut self, node: usize, peer: usize, place: Place) -> Step {
        let id = self.nodes[peer].id;
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        if !up.db.reader().knows_place(&id, place)? && !self.is_sabotaged(Sabotage::HideRestore) {
            self.note_item(node, "is older", &[], || format!("n{peer} has {place}"));
            self.exercise(Class::ItemRestored, 1);
            self.outbox.ledger.reported(node, peer, Side::OwnSent)?;
        }
        Ok(())
    }

    fn refuse_waiting(&mut self, node: usize, peer: usize) -> Step {
        let id = self.nodes[peer].id;
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        match up.db.refuse_waiting(&id, Reason::Revoked.name()) {
            Ok(refused) => {
                self.note_item(node, "withholds", &[], || format!("{refused} items for n{peer}"));
                self.exercise(Class::ItemWithheld, refused as u64);
                self.outbox.ledger.withheld(node, peer, Level::Critical);
                Ok(())
            }
            Err(error) if error.is_full() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A page as the machine reads it.
fn page_of(page: OutboxPage, after_n: u64) -> Page {
    let OutboxPage { floor, items, more_after, .. } = page;
    let last = items.last().map_or(after_n, |waiting| waiting.place.n);
    let items = items.into_iter().map(|waiting| Item {
        place: waiting.place,
        protocol: u64::from(waiting.item.protocol.number()),
        schema: waiting.item.schema,
        subject: waiting.item.subject,
        body: waiting.item.body,
    });
    Page { floor, items: items.collect(), through: more_after.unwrap_or(last), more: more_after.is_some() }
}

/// What the database keeps of an answer.
fn said(place: Place, outcome: &Outcome) -> Option<(Place, Settled)> {
    let settled = match outcome {
        Outcome::Taken => Settled::Taken,
        Outcome::Had => Settled::Had,
        Outcome::Refused(refusal) => Settled::Refused(refusal.name().to_owned()),
        Outcome::Busy => return None,
    };
    Some((place, settled))
}
