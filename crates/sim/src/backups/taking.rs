//! A member that came back takes what others keep for it: part by part, into the logs they were cut from.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::event::Event;
use antiphon_core::ids::StoreId;
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_protocol::backup::{Offer, Offers, Refusal, Request, Response};
use antiphon_vault::sealed_copy;

use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::options::Sabotage;
use crate::world::World;

/// What a node is at that takes parts back.
#[derive(Debug, Default)]
pub(crate) struct Taking {
    /// Members that are still to be asked what they keep; the last is asked now.
    list: Vec<usize>,
    listing: bool,
    offers: BTreeMap<StoreId, Offers>,
    /// The part that was asked for.
    wanted: Option<(StoreId, Offer)>,
    /// Members that keep something.
    holders: BTreeSet<usize>,
    /// Members that could not be asked something.
    again: BTreeSet<usize>,
}

impl World {
    /// Asks the members that came since whether they keep something of a former store, also where none is known: whoever gave
    /// a member its place back may not have heard of it. Whether there were any.
    pub(super) fn begin_taking(&mut self, node: usize) -> Step<bool> {
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(false) };
        if up.team.is_none() {
            return Ok(false);
        }
        let here: BTreeSet<usize> = up.sessions.keys().copied().collect();
        up.backing.heard.retain(|peer| here.contains(peer));
        let fresh: Vec<usize> = here.into_iter().filter(|peer| up.backing.heard.insert(*peer)).collect();
        if fresh.is_empty() {
            return Ok(false);
        }
        self.take_next(node, Taking { list: fresh, ..Taking::default() })?;
        Ok(true)
    }

    /// A holder answered, or did not.
    pub(super) fn part_came(&mut self, node: usize, mut taking: Taking, response: Option<Response>) -> Step {
        if taking.listing {
            taking.listing = false;
            self.heard_list(node, &mut taking, response);
            return self.take_next(node, taking);
        }
        let Some((store, offer)) = taking.wanted.take() else { return Ok(()) };
        let holder = self.index.get(&offer.holder).copied().unwrap_or(usize::MAX);
        let why = match response {
            Some(Response::Part { sealed, .. }) => {
                let why = self.take_part(node, store, offer, &sealed)?;
                self.check_named(node, holder, (store, offer), why.is_some())?;
                why
            }
            Some(Response::Refused(Refusal::Failed)) | None => {
                taking.again.insert(holder);
                None
            }
            Some(other) => Some(format!("{other:?}")),
        };
        if let Some(why) = why {
            self.note_backup(node, "refuses", || format!("a part of {store} of n{holder}: {why}"));
            self.tally.exercised.add(Class::DamageNamed, 1);
            if !self.is_sabotaged(Sabotage::HideDamage) {
                self.backups.lost.iter_mut().for_each(|lost| {
                    lost.named.insert((holder, store, offer.first));
                });
            }
        }
        self.take_next(node, taking)
    }

    fn heard_list(&self, node: usize, taking: &mut Taking, response: Option<Response>) {
        let Some(holder) = taking.list.pop() else { return };
        let own = self.team(node).map(|team| team.own.store);
        match response {
            Some(Response::Copies(parts)) => {
                for part in parts.into_iter().filter(|part| Some(part.span.store) != own) {
                    taking.holders.insert(holder);
                    let offer = Offer { holder: self.nodes[holder].id, first: part.span.first, last: part.span.last };
                    taking.offers.entry(part.span.store).or_default().add(offer);
                }
            }
            Some(Response::Refused(refusal)) if refusal != Refusal::Failed => {}
            _ => {
                taking.again.insert(holder);
            }
        }
    }

    /// Asks the next member, or for the next part.
    fn take_next(&mut self, node: usize, mut taking: Taking) -> Step {
        if let Some(holder) = taking.list.last().copied() {
            taking.listing = true;
            self.go_on_taking(node, taking);
            self.ask_holder(node, holder, &Request::List);
            return Ok(());
        }
        while let Some((store, mut offers)) = taking.offers.pop_first() {
            let head = self.local_head(node, store)?;
            if let Some(offer) = offers.next(head.seq) {
                taking.offers.insert(store, offers);
                taking.wanted = Some((store, offer));
                let holder = self.index.get(&offer.holder).copied().unwrap_or(node);
                self.go_on_taking(node, taking);
                self.ask_holder(node, holder, &Request::Get { store, first: offer.first });
                return Ok(());
            }
            if offers.last() > head.seq {
                self.backups.lost.iter_mut().for_each(|lost| {
                    lost.gaps.insert(store);
                });
            }
        }
        let once = self.is_sabotaged(Sabotage::AskOnce);
        if let Some(backing) = self.backing(node).filter(|_| !once) {
            backing.heard.retain(|peer| !taking.again.contains(peer));
        }
        taking.holders.into_iter().try_for_each(|holder| self.choose_one(node, holder))
    }

    fn go_on_taking(&mut self, node: usize, taking: Taking) {
        if let Some(backing) = self.backing(node) {
            backing.taking = Some(taking);
        }
    }

    fn local_head(&self, node: usize, store: StoreId) -> Step<Head> {
        let log = LogId::new(store, Stream::Local);
        let logs = self.db(node)?.reader().logs()?;
        Ok(logs.into_iter().find(|view| view.log == log).map_or(Head::EMPTY, |view| view.head))
    }

    /// Takes what follows out of a part. Returns what is wrong with it, if anything is.
    fn take_part(&mut self, node: usize, store: StoreId, offer: Offer, sealed: &[u8]) -> Step<Option<String>> {
        let (head, now, id) = (self.local_head(node, store)?, self.nodes[node].clock(self.at), self.nodes[node].id);
        let (key, Some(team)) = (self.nodes[node].key.clone(), self.model.acme) else { return Ok(None) };
        let run = match sealed_copy::follow(&key, &team, (store, head), offer.first, sealed) {
            Ok(run) => run,
            Err(error) => return Ok(Some(error.to_string())),
        };
        let refused = run.refused.map(|refused| refused.reason.to_string());
        let Some(last) = run.verified.last().map(Event::head) else {
            return Ok(refused.or_else(|| Some("no signature covers its events".to_owned())));
        };
        let log = LogId::new(store, Stream::Local);
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(None) };
        match up.db.apply_run(log, id, run.verified, None, now) {
            Ok(_) => {}
            // It is tried again when somebody else comes, as what the disk has no room for.
            Err(error) if error.is_full() => {
                up.backing.heard.clear();
                return Ok(None);
            }
            Err(error) => return Ok(Some(error.to_string())),
        }
        self.committed(node)?;
        self.backups.lost.iter_mut().for_each(|lost| lost.events += last.seq - head.seq);
        self.tally.exercised.add(Class::PrivateBack, last.seq - head.seq);
        self.check_own_words(node, store, last.seq)?;
        Ok(refused)
    }

    /// What came back is what was written, event for event.
    fn check_own_words(&self, node: usize, store: StoreId, last: u64) -> Step {
        let known = self.backups.logs.get(&store);
        let log = LogId::new(store, Stream::Local);
        for seq in 1..=last {
            let held = self.db(node)?.reader().header_hash_at(log, seq)?;
            let wrote = known.and_then(|hashes| hashes.get(usize::try_from(seq - 1).ok()?)).copied();
            let same = held.is_some() && (held == wrote || wrote.is_none());
            need(same, Law::DamageIsNamed, || format!("n{node} took event {seq} of {log}, which it never wrote"))?;
        }
        Ok(())
    }

    /// A part that is not what was left is refused by name; of one that is less than was said, the rest is known to be missing.
    fn check_named(&self, node: usize, holder: usize, (store, offer): (StoreId, Offer), refused: bool) -> Step {
        let lost = self.backups.lost.as_ref();
        let Some(wholly) = lost.and_then(|lost| lost.was_spoiled(holder, store, offer.first)) else { return Ok(()) };
        let named = refused && !self.is_sabotaged(Sabotage::HideDamage);
        let short = self.local_head(node, store)?.seq < offer.last;
        need(named || (!wholly && short), Law::DamageIsNamed, || {
            format!("n{node} says nothing of the part of {store} that n{holder} spoiled")
        })
    }
}
