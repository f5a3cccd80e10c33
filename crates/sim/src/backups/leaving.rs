//! An owner leaves its parts with the members it chose, whenever its local log has grown.

use std::collections::BTreeMap;

use antiphon_core::event::Event;
use antiphon_core::ids::StoreId;
use antiphon_core::log::{LogId, Stream};
use antiphon_protocol::backup::{Kept, Request, Response, Span, are_held, reach};
use antiphon_store::CopyHolder;
use antiphon_vault::sealed_copy::{self, PART_BYTES_MAX, PART_EVENTS_MAX, Part, Push, RawEvent};

use super::{Happening, REFUSED_MS};
use crate::exercised::Class;
use crate::failure::{Broken, Law, Step, need};
use crate::options::Sabotage;
use crate::seal;
use crate::world::World;

/// Wait before a member that is not known yet is chosen after all, in milliseconds.
const CHOOSE_AGAIN_MS: u64 = 2_000;
/// How often a removed member asks at each look, in permille.
const FORMER: u64 = 150;
/// Bytes of a part that are left for what stands around its events.
const ROOM_BYTES: usize = 1_024;

/// What an owner is at with one holder.
#[derive(Debug)]
pub(crate) struct Leaving {
    holder: usize,
    waits_for: Wait,
    /// Logs that are still to be looked at, with their last events.
    logs: Vec<(StoreId, u64)>,
    parts: Vec<Kept>,
    confirmed: BTreeMap<StoreId, u64>,
    refused: Option<&'static str>,
}

/// What it waits for.
#[derive(Debug, Clone, Copy)]
enum Wait {
    /// What is kept there.
    List,
    /// That it was dropped, since something in it was erased.
    Drop,
    /// That a part is kept: of this log, up to here, whose last event is that.
    Put { store: StoreId, last: u64, head: u64 },
}

impl World {
    /// A person chooses who is to keep a copy.
    pub(super) fn choose(&mut self, owner: usize, holders: Vec<usize>) -> Step {
        if !self.has_backups(owner) || self.calm {
            return Ok(());
        }
        let here = |node: &usize| {
            let id = self.nodes[*node].id;
            let held = self.in_acme_now(owner).and_then(|()| self.membership(owner));
            held.is_some_and(|held| held.member(&id).is_some())
        };
        let (chosen, others): (Vec<usize>, Vec<usize>) = holders.into_iter().partition(here);
        if !others.is_empty() {
            // They are chosen once they are members, as far as is known here.
            let again = Happening::Choose { owner, holders: others };
            self.agenda.put(self.at + CHOOSE_AGAIN_MS, crate::agenda::Event::Backup(again));
        }
        self.note_backup(owner, "chooses", || format!("{chosen:?}"));
        chosen.into_iter().try_for_each(|holder| self.choose_one(owner, holder))
    }

    pub(super) fn choose_one(&mut self, owner: usize, holder: usize) -> Step {
        let node = self.nodes[holder].id;
        let Some(up) = self.nodes[owner].up.as_mut() else { return Ok(()) };
        let mut holders = up.db.reader().copy_holders()?;
        if holders.iter().any(|known| known.node == node) {
            return Ok(());
        }
        holders.push(CopyHolder { node, confirmed: BTreeMap::new(), confirmed_at: None, refused: None });
        match up.db.keep_copy_holders(&holders) {
            Err(error) if !error.is_full() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// A removed member asks for what it left, whether it knows that it is out or not.
    pub(super) fn ask_as_former(&mut self, node: usize) {
        if self.plan.trust.is_out(node) && self.backups.random.chance(FORMER) {
            let holder = self.backups.random.index(self.plan.nodes);
            let store = self.team(node).map(|team| team.own.store);
            let get = store.filter(|_| self.backups.random.chance(500)).map(|store| Request::Get { store, first: 1 });
            self.ask_holder(node, holder, &get.unwrap_or(Request::List));
        }
    }

    /// Begins with the first chosen member that is here and lacks something.
    pub(super) fn begin_leaving(&mut self, node: usize) -> Step {
        let at = self.at;
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        up.backing.left_alone.retain(|_, until| *until > at);
        let reader = up.db.reader();
        let (holders, logs, stale) = (reader.copy_holders()?, reader.own_local_logs()?, reader.must_reseal()?);
        let due = holders.into_iter().find_map(|holder| {
            let index = *self.index.get(&holder.node)?;
            let lacks = logs.iter().any(|(store, head)| holder.confirmed.get(store).is_none_or(|seq| seq < head));
            let waits = up.backing.left_alone.contains_key(&index) || !up.sessions.contains_key(&index);
            ((lacks || stale.contains(&holder.node)) && !waits).then_some(index)
        });
        let Some(holder) = due else { return Ok(()) };
        up.backing.leaving = Some(Leaving {
            holder,
            waits_for: Wait::List,
            logs: logs.into_iter().collect(),
            parts: Vec::new(),
            confirmed: BTreeMap::new(),
            refused: None,
        });
        self.ask_holder(node, holder, &Request::List);
        Ok(())
    }

    /// The holder answered, or did not.
    pub(super) fn left(&mut self, node: usize, mut leaving: Leaving, response: Option<Response>) -> Step {
        match (leaving.waits_for, response) {
            (Wait::List, Some(Response::Copies(parts))) => {
                let id = self.nodes[leaving.holder].id;
                let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
                let stale = up.db.reader().must_reseal()?.contains(&id);
                let logs = leaving.logs.iter().copied().collect();
                if stale && are_held(&parts, &logs) {
                    leaving.waits_for = Wait::Drop;
                    // From now on nobody may rely on what was kept there.
                    self.backups.kept.remove(&(node, leaving.holder));
                    self.ask_again(node, leaving, &Request::Drop);
                    return Ok(());
                }
                leaving.parts = parts;
                self.leave_next(node, leaving, None)
            }
            (Wait::Drop, Some(Response::Dropped(_))) => {
                let id = self.nodes[leaving.holder].id;
                let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
                match up.db.resealed(&id) {
                    Err(error) if !error.is_full() => return Err(error.into()),
                    _ => {}
                }
                self.leave_next(node, leaving, None)
            }
            (Wait::Put { store, last, head }, Some(Response::Stored)) => {
                leaving.confirmed.insert(store, last);
                self.note_kept(node, leaving.holder, store, last)?;
                self.leave_next(node, leaving, Some((store, last, head)))
            }
            (_, other) => {
                leaving.refused = Some(match other {
                    Some(Response::Refused(refusal)) => refusal.name(),
                    Some(_) => "malformed",
                    None => "not answered",
                });
                self.leave_off(node, leaving)
            }
        }
    }

    fn ask_again(&mut self, node: usize, leaving: Leaving, request: &Request) {
        let holder = leaving.holder;
        if let Some(backing) = self.backing(node) {
            backing.leaving = Some(leaving);
        }
        self.ask_holder(node, holder, request);
    }

    /// Puts the next part, of the log that is under way or of the next one.
    fn leave_next(&mut self, node: usize, mut leaving: Leaving, under_way: Option<(StoreId, u64, u64)>) -> Step {
        let mut under_way = under_way.map(|(store, last, head)| (store, last, last, head));
        loop {
            let (store, mut held, mut after, head) = match under_way.take() {
                Some(log) => log,
                None => {
                    let Some((store, head)) = leaving.logs.pop() else { return self.leave_off(node, leaving) };
                    let (held, after) = reach(&leaving.parts, store);
                    leaving.confirmed.insert(store, held.min(head));
                    (store, held, after, head)
                }
            };
            while held < head {
                let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
                let most = PART_BYTES_MAX - ROOM_BYTES;
                let events = up.db.reader().local_events(store, after, PART_EVENTS_MAX, most)?;
                let Some(last) = events.last().map(|event| event.header().seq) else { break };
                if last > held {
                    let part = part_of(store, after, &events)?;
                    let sealed = self.seal_part(node, leaving.holder, &part)?;
                    let span = Span { store, first: after + 1, last };
                    leaving.waits_for = Wait::Put { store, last, head };
                    self.ask_again(node, leaving, &Request::Put { span, sealed });
                    return Ok(());
                }
                (held, after) = (held.max(last), last);
            }
        }
    }

    /// Seals a part to its owner, by the seed's own randomness; a broken node does not, or to somebody else.
    fn seal_part(&mut self, node: usize, holder: usize, part: &Part) -> Step<Vec<u8>> {
        let plain = sealed_copy::encode(part).map_err(|error| Broken(Law::StoreWorks, error.to_string()))?;
        if self.is_sabotaged(Sabotage::LeaveOpen) {
            return Ok(plain.to_vec());
        }
        let to = if self.is_sabotaged(Sabotage::SealToHolder) { holder } else { node };
        let recipient = self.nodes[to].key.age_recipient();
        seal::seal_bytes(&recipient, &plain, &mut self.backups.random)
    }

    /// Notes what came of it, as the node does.
    fn leave_off(&mut self, node: usize, leaving: Leaving) -> Step {
        let (id, now) = (self.nodes[leaving.holder].id, self.nodes[node].clock(self.at));
        let Leaving { holder, confirmed, refused, .. } = leaving;
        if refused.is_some() {
            let until = self.at + REFUSED_MS;
            self.backing(node).into_iter().for_each(|backing| {
                backing.left_alone.insert(holder, until);
            });
        }
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        let holders = up.db.reader().copy_holders()?;
        let Some(mut known) = holders.into_iter().find(|known| known.node == id) else { return Ok(()) };
        known.refused = refused.map(str::to_owned);
        if refused.is_none() || !confirmed.is_empty() {
            (known.confirmed, known.confirmed_at) = (confirmed, Some(now));
        }
        match up.db.note_copy_holder(&known) {
            Err(error) if !error.is_full() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// An owner was told that a part is kept: from now on it may be lost with its disk.
    fn note_kept(&mut self, owner: usize, holder: usize, store: StoreId, last: u64) -> Step {
        let Some(up) = self.nodes[owner].up.as_ref() else { return Ok(()) };
        let log = LogId::new(store, Stream::Local);
        let known = self.backups.logs.entry(store).or_default();
        for seq in known.len() as u64 + 1..=last {
            let hash = up.db.reader().header_hash_at(log, seq)?;
            let hash = hash.ok_or_else(|| Broken(Law::StoreWorks, format!("n{owner} left what it has not: {log}")))?;
            known.push(hash);
        }
        let upto = self.backups.kept.entry((owner, holder)).or_default().entry(store).or_insert(0);
        *upto = last.max(*upto);
        self.tally.exercised.add(Class::PartKept, 1);
        Ok(())
    }
}

fn part_of(store: StoreId, after: u64, events: &[Event]) -> Step<Part> {
    let mut part = Part::new(store, after + 1);
    for event in events {
        let raw = RawEvent {
            header: event.header_bytes().to_vec(),
            payload: event.payload().map(<[u8]>::to_vec),
            signature: event.signature().copied(),
        };
        let pushed = part.push(raw).map_err(|error| Broken(Law::StoreWorks, error.to_string()))?;
        need(pushed == Push::Taken, Law::StoreWorks, || format!("a part of {store} is full before its last event"))?;
    }
    Ok(part)
}
