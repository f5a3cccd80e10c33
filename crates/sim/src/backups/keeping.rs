//! The holder's side: keeping for members what only they can read, giving it back, and lying about it.

use antiphon_core::ids::{NodeId, StoreId};
use antiphon_protocol::backup::{Kept, PARTS_PER_OWNER_MAX, Refusal, Request, Response, Span};
use antiphon_store::{CopyLimits, CopyPart, Keeping};

use super::{Happening, Lie};
use crate::agenda::Event;
use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::model::STAYS;
use crate::network::{Body, Packet};
use crate::options::Sabotage;
use crate::world::World;

/// Most bytes that are kept for all owners together.
const TOTAL_BYTES: u64 = 2 << 30;
/// Longest time that a database needs for it, in milliseconds.
const SLOW_MS: u64 = 60;

impl World {
    pub(super) fn lie_of(&self, node: usize) -> Option<Lie> {
        self.plan.backups.as_ref()?.liars.get(&node).copied()
    }

    fn quota(&self, node: usize) -> u64 {
        let quotas = self.plan.backups.as_ref().map(|plan| plan.quotas.as_slice());
        quotas.and_then(|quotas| quotas.get(node)).copied().unwrap_or(u64::MAX)
    }

    /// Somebody asks something about what is kept for it.
    pub(super) fn answer_backup(&mut self, node: usize, from: usize, id: u64, bytes: &[u8]) -> Step {
        let (now, owner) = (self.nodes[node].clock(self.at), self.nodes[from].id);
        let open = bytes.windows(STAYS.len()).any(|part| part == STAYS.as_bytes());
        need(!open, Law::PrivateIsSealed, || format!("n{from} sends n{node} something private in the clear"))?;
        let checked = self.in_acme_now(node).and_then(|()| self.membership(node));
        let member = checked.is_some_and(|held| held.check(&owner, now).is_ok());
        let response = if member || self.is_sabotaged(Sabotage::ServeFormer) {
            match Request::decode(bytes) {
                Ok(request) => self.keep_or_give(node, from, owner, request)?,
                Err(_) => Response::Refused(Refusal::Malformed),
            }
        } else {
            self.tally.exercised.add(Class::FormerRefused, u64::from(self.is_removed(node, from)));
            Response::Refused(Refusal::NotAMember)
        };
        let gives = !matches!(response, Response::Refused(_));
        need(!gives || !self.is_removed(node, from), Law::FormerGetNothing, || {
            format!("n{node} answers the removed n{from} with {response:?}")
        })?;
        let packet = Packet { from: node, to: from, body: Body::Response { id, bytes: response.encode() } };
        let (life, at) = (self.nodes[node].life, self.at + 1 + self.backups.random.below(SLOW_MS));
        self.agenda.put(at, Event::Backup(Happening::Answer { node, life, packet }));
        Ok(())
    }

    fn keep_or_give(&mut self, node: usize, from: usize, owner: NodeId, request: Request) -> Step<Response> {
        match request {
            Request::Put { span, sealed } => self.keep_part(node, from, owner, span, &sealed),
            Request::List => {
                let Some(up) = self.nodes[node].up.as_ref() else { return Ok(Response::Refused(Refusal::Failed)) };
                let kept = |part: CopyPart| {
                    let CopyPart { store, first, last, bytes } = part;
                    Kept { span: Span { store, first, last }, bytes }
                };
                let mut parts: Vec<Kept> = up.db.reader().copy_parts(&owner)?.into_iter().map(kept).collect();
                if self.lie_of(node) == Some(Lie::Boasts) {
                    parts.iter_mut().for_each(|part| part.span.last += 3);
                }
                Ok(Response::Copies(parts))
            }
            Request::Get { store, first } => self.give_part(node, from, owner, store, first),
            Request::Drop => {
                let Some(up) = self.nodes[node].up.as_mut() else { return Ok(Response::Refused(Refusal::Failed)) };
                match up.db.drop_copies(&owner) {
                    Ok(parts) => Ok(Response::Dropped(parts)),
                    Err(error) if error.is_full() => Ok(Response::Refused(Refusal::Failed)),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    fn keep_part(&mut self, node: usize, from: usize, owner: NodeId, span: Span, sealed: &[u8]) -> Step<Response> {
        let (now, quota) = (self.nodes[node].clock(self.at), self.quota(node));
        let owner_bytes = if self.is_sabotaged(Sabotage::KeepTooMuch) { u64::MAX } else { quota };
        let limits = CopyLimits { owner_bytes, total_bytes: TOTAL_BYTES, owner_parts: PARTS_PER_OWNER_MAX };
        let first = (node, from, span.store, span.first);
        self.backups.old.entry(first).or_insert_with(|| (span.last, sealed.to_vec()));
        if self.lie_of(node) == Some(Lie::Forgets) || self.is_sabotaged(Sabotage::ForgetParts) {
            return Ok(Response::Stored);
        }
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(Response::Refused(Refusal::Failed)) };
        let kept = match up.db.put_copy(&owner, (span.store, span.first, span.last), sealed, limits, now) {
            Ok(kept) => kept,
            Err(error) if error.is_full() => {
                self.tally.exercised.add(Class::PartDiskFull, 1);
                return Ok(Response::Refused(Refusal::Failed));
            }
            Err(error) => return Err(error.into()),
        };
        let owners = up.db.reader().copy_owners()?;
        let bytes = owners.iter().find(|known| known.node == owner).map_or(0, |known| known.bytes);
        need(bytes <= quota, Law::QuotaHolds, || format!("n{node} keeps {bytes} bytes for n{from}, of {quota}"))?;
        Ok(match kept {
            Keeping::Kept => Response::Stored,
            Keeping::Full { held, limit } => {
                self.tally.exercised.add(Class::PartFull, 1);
                Response::Refused(Refusal::Full { held, limit })
            }
            Keeping::TooManyParts => Response::Refused(Refusal::TooManyParts),
            Keeping::NotAMember => Response::Refused(Refusal::NotAMember),
        })
    }

    fn give_part(&mut self, node: usize, from: usize, owner: NodeId, store: StoreId, first: u64) -> Step<Response> {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(Response::Refused(Refusal::Failed)) };
        let Some((last, mut sealed)) = up.db.reader().copy_part(&owner, &store, first)? else {
            return Ok(Response::Refused(Refusal::NotFound));
        };
        let mut span = Span { store, first, last };
        let spoils = match self.lie_of(node) {
            Some(Lie::Damages) => {
                let at = self.backups.random.index(sealed.len());
                sealed.get_mut(at).into_iter().for_each(|byte| *byte ^= 1);
                true
            }
            Some(Lie::Swaps) => {
                let other = self.backups.old.iter().find(|((of, whose, part, begins), _)| {
                    *of == node && (*whose, *part, *begins) != (from, store, first)
                });
                let other = other.map(|(_, (_, part))| part.clone());
                other.map(|part| sealed = part).is_some()
            }
            Some(Lie::Ages) => {
                let old = self.backups.old.get(&(node, from, store, first)).cloned();
                let old = old.filter(|(upto, _)| *upto < last);
                old.map(|(_, part)| sealed = part).is_some()
            }
            Some(Lie::Boasts) => {
                span.last += 3;
                true
            }
            Some(Lie::Forgets) | None => false,
        };
        self.tally.exercised.add(Class::PartSpoiled, u64::from(spoils));
        let wholly = matches!(self.lie_of(node), Some(Lie::Damages | Lie::Swaps));
        if spoils {
            self.backups.lost.iter_mut().for_each(|lost| lost.spoiled(node, store, first, wholly));
        }
        self.tally.exercised.add(Class::PartGiven, 1);
        Ok(Response::Part { span, sealed })
    }

    /// What is kept for those who are no members any more is dropped.
    pub(super) fn drop_strangers(&mut self, node: usize) -> Step {
        let Some(members) = self.membership(node) else { return Ok(()) };
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(()) };
        // Counting them would not do: one may have come since the last look while another one went.
        if up.backing.is_settled(&members) {
            return Ok(());
        }
        up.backing.members = Some(members);
        match up.db.drop_copies_of_strangers() {
            Ok(gone) => {
                self.tally.exercised.add(Class::PartsDropped, gone.len() as u64);
                Ok(())
            }
            Err(error) if error.is_full() => {
                // It is tried again with the next look.
                up.backing.members = None;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
