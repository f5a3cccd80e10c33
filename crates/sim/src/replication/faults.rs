//! What happens to a world from outside.

use super::disk::Slot;
use super::library::News;
use super::plan::Fault;
use super::{Copies, Event, State};
use crate::exercised::Class;
use crate::failure::Step;
use antiphon_core::ids::Hash;

impl Copies {
    /// Something happens from outside.
    pub(super) fn fault(&mut self, fault: Fault) -> Step {
        self.note(0, "fault", &[], || format!("{fault:?}"));
        match fault {
            Fault::Block(from, to) => {
                self.network.block(from, to);
                self.lose_later(from, to);
            }
            Fault::Unblock(from, to) => {
                for (at, event) in self.network.unblock(self.at, from, to) {
                    self.agenda.put(at, event);
                }
                self.meet_later(from, to);
            }
            Fault::Cut(a, b) => self.cut(a, b),
            Fault::Crash { node, dark, down_ms } => self.crash(node, dark, Some(down_ms)),
            Fault::Restart(node) => self.restart(node)?,
            Fault::Die(node) => self.die(node),
            Fault::Remove(node) => self.remove(node)?,
            Fault::LoseBlock(node) => self.hurt(node, Slot::Empty)?,
            Fault::DamageBlock(node) => self.hurt(node, Slot::Damaged)?,
            Fault::LoseBlobs(node) => self.lose_blobs(node),
            Fault::Quota(node, bytes) => {
                self.members[node].quota_bytes = bytes;
                self.tally.exercised.add(Class::QuotaChanged, 1);
            }
            Fault::FillDisk(node) => self.members[node].disk.capacity = self.members[node].disk.bytes(),
            Fault::FreeDisk(node) => self.members[node].disk.capacity = u64::MAX,
            Fault::Offers(node, offers) => self.offer_room(node, offers)?,
        }
        Ok(())
    }

    fn cut(&mut self, a: usize, b: usize) {
        for (name, ends) in self.network.cut(a, b) {
            self.broke(name, &ends);
        }
    }

    /// What is in memory is lost; what stands on the disk stays.
    fn crash(&mut self, node: usize, dark: bool, down_ms: Option<u64>) {
        if self.members[node].up.take().is_none() {
            return;
        }
        let member = &mut self.members[node];
        member.state = State::Down;
        member.life += 1;
        self.tally.crashes += 1;
        self.tally.exercised.add(if dark { Class::CopyDark } else { Class::CopyKilled }, 1);
        for peer in self.network.linked(node) {
            if dark {
                self.lose_later(node, peer);
            } else {
                self.agenda.put(self.at + 1, Event::Lose { a: node, b: peer, life: self.network.link(node, peer) });
            }
        }
        if let Some(down_ms) = down_ms {
            self.agenda.put(self.at + down_ms, Event::Fault(Fault::Restart(node)));
        }
    }

    /// A member comes back and knows what its database says.
    pub(super) fn restart(&mut self, node: usize) -> Step {
        if self.members[node].state != State::Down {
            return Ok(());
        }
        self.start(node)
    }

    /// A member goes and nobody is told. Its disk is lost, too.
    fn die(&mut self, node: usize) {
        if self.members[node].state == State::Gone || self.honest_up() <= 2 {
            return;
        }
        self.crash(node, true, None);
        self.bury(node);
        self.tally.exercised.add(Class::Died, 1);
    }

    fn bury(&mut self, node: usize) {
        let roots: Vec<Hash> = self.members[node].disk.blobs.keys().copied().collect();
        for root in roots {
            self.hurt_at.insert(root, self.at);
        }
        self.members[node].state = State::Gone;
    }

    /// A steward removes a member; all hear of it, but for those whom it does not reach.
    fn remove(&mut self, node: usize) -> Step {
        if self.members[node].state == State::Gone || self.honest_up() <= 2 {
            return Ok(());
        }
        let steward = (0..self.members.len()).find(|other| *other != node && self.members[*other].up.is_some());
        let Some(steward) = steward else { return Ok(()) };
        self.crash(node, false, None);
        self.bury(node);
        self.tally.exercised.add(Class::MemberRemoved, 1);
        self.tell_all(steward, News::Removed(node))
    }

    /// Something happens to one block of one document on a disk.
    fn hurt(&mut self, node: usize, to: Slot) -> Step {
        let roots: Vec<Hash> = self.members[node].disk.blobs.keys().copied().collect();
        let Some(root) = self.random.pick(&roots) else { return Ok(()) };
        let content = self.library.content(&root)?;
        let n = self.random.below(content.shape.blocks());
        let disk = &mut self.members[node].disk;
        let had = disk.seems_whole(&root);
        if disk.hurt(content, n, to) {
            if let Some(blob) = disk.blobs.get_mut(&root) {
                blob.had |= had && to == Slot::Empty;
            }
            self.hurt_at.insert(root, self.at);
            let class = if to == Slot::Empty { Class::BlockLost } else { Class::BlockDamaged };
            self.tally.exercised.add(class, 1);
            if to == Slot::Empty {
                return self.held(node, root);
            }
        }
        Ok(())
    }

    fn lose_blobs(&mut self, node: usize) {
        if self.members[node].up.is_none() || self.members[node].disk.blobs.is_empty() {
            return;
        }
        self.crash(node, false, Some(5_000));
        let blobs = std::mem::take(&mut self.members[node].disk.blobs);
        for root in blobs.into_keys() {
            self.hurt_at.insert(root, self.at);
        }
        self.tally.exercised.add(Class::BlobsLost, 1);
    }

    fn offer_room(&mut self, node: usize, offers: bool) -> Step {
        if self.members[node].up.is_none() || self.members[node].offers == offers {
            return Ok(());
        }
        self.members[node].offers = offers;
        self.tally.exercised.add(if offers { Class::OfferBegun } else { Class::OfferEnded }, 1);
        self.announce(node)
    }

    /// Nothing happens from outside any more.
    pub(super) fn heal(&mut self) -> Step {
        self.calm = true;
        self.note(0, "calm", &[], String::new);
        self.network.heal();
        for node in 0..self.members.len() {
            self.members[node].disk.capacity = u64::MAX;
            if self.plan.room_in_the_end {
                self.members[node].quota_bytes = super::plan::QUOTA_BYTES;
            }
            self.restart(node)?;
        }
        for a in 0..self.members.len() {
            (0..a).for_each(|b| self.meet_later(a, b));
        }
        Ok(())
    }
}
