//! What documents are held against: some at each step, the rest once all has healed and copies have come to rest.

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::{Health, order, target};
use antiphon_store::{Db, Options as StoreOptions, Unneeded};
use antiphon_vault::{RoleSecret, document};

use super::ledger::CANARY;
use crate::disk;
use crate::exercised::Class;
use crate::failure::{Broken, Law, Step, need};
use crate::world::World;

/// What a proof may be older than when a copy goes for it, in milliseconds: the answer travels, and so does the copy.
const SLACK_MS: u64 = 60_000;
/// How often it is looked whether copies have come to rest, in milliseconds.
const LOOK_MS: u64 = 5_000;
/// Documents that each member reads in the end.
const READS: usize = 4;

impl World {
    /// Whether all of a ciphertext is on the disk of a member that is up, and is what it must be.
    fn holds_document(&self, node: usize, root: &Hash) -> Step<bool> {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(false) };
        if up.db.reader().blob(root)?.is_none_or(|view| !view.is_complete()) {
            return Ok(false);
        }
        is_sound(&up.db, root)
    }

    /// The same of one that is down: by a copy of its disk.
    fn disk_holds_document(&self, node: usize, root: &Hash) -> Step<bool> {
        if self.nodes[node].up.is_some() {
            return self.holds_document(node, root);
        }
        if !self.nodes[node].dir.is_dir() {
            return Ok(false);
        }
        let copy = self.dir.path().join("looked-at");
        disk::copy(&self.nodes[node].dir, &copy)?;
        let db = Db::open(&copy, StoreOptions { durable: false }, None)?;
        let sound = db.reader().blob(root)?.is_some_and(|view| view.is_complete()) && is_sound(&db, root)?;
        drop(db);
        std::fs::remove_dir_all(&copy)?;
        Ok(sound)
    }

    /// A member gave up a copy that it takes for needed: another one must be left with somebody who keeps what it has.
    /// One that was destroyed from outside after it was proved excuses it.
    pub(super) fn check_last_document(&self, node: usize, root: &Hash) -> Step {
        if !self.contents.ledger.documents.contains_key(root) {
            return Ok(());
        }
        let proof_ms = self.contents.plan.as_ref().map_or(0, |plan| plan.settings.proof_ms);
        let hurt = self.contents.ledger.hurt_at.get(root);
        if hurt.is_some_and(|hurt| self.at < hurt + proof_ms + SLACK_MS) {
            return Ok(());
        }
        for other in (0..self.plan.nodes).filter(|other| *other != node && !self.is_equivocator(*other)) {
            if self.disk_holds_document(other, root)? {
                return Ok(());
            }
        }
        need(false, Law::LastCopyStays, || format!("n{node} gave up {root:?}, which nobody holds now"))
    }

    /// A member came back: what it stored is there, unless it let it go.
    pub(super) fn check_shelf(&mut self, node: usize) -> Step {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let reader = up.db.reader();
        let own = self.contents.ledger.documents.iter().filter(|(_, found)| found.author == node);
        for (root, found) in own {
            let owes = !self.contents.ledger.let_go.contains(&(node, *root));
            if !owes || !reader.content_root_needed(root)? {
                continue;
            }
            let there = reader.blob(root)?.is_some_and(|view| view.is_complete() || view.damaged > 0);
            need(there, Law::DocumentsLast, || {
                let told = if found.stored { "said to be stored" } else { "named by its event" };
                format!("{root:?} is {told}, and n{node} has nothing of it")
            })?;
        }
        Ok(())
    }

    /// No file of a member holds anything of a document in the clear, whoever wrote it.
    pub(super) fn search_for_documents(&mut self, node: usize) -> Step {
        let mut dirs = vec![self.nodes[node].dir.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(&dir)? {
                let path = entry?.path();
                if path.is_dir() {
                    dirs.push(path);
                    continue;
                }
                let found = crate::outbox::holds(&std::fs::read(&path)?, CANARY.as_bytes());
                need(!found, Law::DocumentsAreSealed, || {
                    format!("n{node} keeps a document in the clear in {}", path.display())
                })?;
            }
        }
        Ok(())
    }

    /// Whether copies have come to rest.
    pub(crate) fn contents_rest(&mut self) -> Step<bool> {
        if !self.contents.are_stored() {
            return Ok(true);
        }
        let is_time = self.at.saturating_sub(self.plan.calm_at).is_multiple_of(LOOK_MS);
        // What was written last is an event by then.
        let late = self.contents.last_at.is_some_and(|last| self.at >= last + LOOK_MS);
        Ok(is_time && late && self.unrest_of_copies()?.is_none())
    }

    /// The law that is broken when they do not.
    pub(crate) fn restless_copies(&mut self) -> Broken {
        let unrest = self.unrest_of_copies();
        self.explain_copies();
        match unrest {
            Ok(Some(broken)) | Err(broken) => broken,
            Ok(None) => Broken(Law::CopiesRest, "copies are busy for ever".to_owned()),
        }
    }

    /// What is not as it must be.
    fn unrest_of_copies(&self) -> Step<Option<Broken>> {
        let honest = self.honest();
        let Some(first) = honest.first().copied() else { return Ok(None) };
        for node in &honest {
            if let Some(broken) = self.unneeded_of(*node)? {
                return Ok(Some(broken));
            }
        }
        let needed = self.db(first)?.reader().content_roots_needed()?;
        for node in honest.iter().copied() {
            if self.db(node)?.reader().content_roots_needed()? != needed {
                let detail = format!("n{node} and n{first} do not need the same documents");
                return Ok(Some(Broken(Law::Converges, detail)));
            }
        }
        for root in needed {
            if self.contents.ledger.documents.contains_key(&root)
                && let Some(broken) = self.judge_copies(&honest, &root)?
            {
                return Ok(Some(broken));
            }
        }
        Ok(None)
    }

    /// What a member has that nobody needs.
    fn unneeded_of(&self, node: usize) -> Step<Option<Broken>> {
        let garbage = self.db(node)?.reader().garbage(None, usize::MAX >> 1)?;
        let left = garbage.into_iter().find(|row| row.why != Unneeded::LeftTeam);
        Ok(left.map(|row| Broken(Law::RemovedIsFreed, format!("n{node} still has {row:?}"))))
    }

    /// Whether there are as many copies of a document as there should and can be, and no more, and all see it.
    fn judge_copies(&self, honest: &[usize], root: &Hash) -> Step<Option<Broken>> {
        let Some(plan) = self.contents.plan.as_ref() else { return Ok(None) };
        let Some(length) = self.contents.ledger.documents.get(root).map(|found| found.shape.length) else {
            return Ok(None);
        };
        let mut holders = Vec::new();
        for node in honest {
            if self.holds_document(*node, root)? {
                holders.push(*node);
            }
        }
        if holders.is_empty() {
            return self.judge_lost(root);
        }
        if self.network.stands_in_line() {
            return self.judge_neighbours(&holders, root, length);
        }
        let offers = |node: usize| self.is_equivocator(node) || self.offers_room(node);
        let members = self.members();
        let offering = members.iter().filter(|node| offers(**node)).count();
        let wanted = target(plan.settings.factor, offering);
        if holders.len() < wanted {
            for node in honest.iter().copied().filter(|node| !holders.contains(node) && offers(*node)) {
                let knows = self.db(node)?.reader().content_root_needed(root)?;
                if knows && self.free_bytes(node)? >= length {
                    let detail =
                        format!("{root:?} has {} of {wanted} copies, n{holders:?}, n{node} has room", holders.len());
                    return Ok(Some(Broken(Law::CopiesAreMade, detail)));
                }
            }
            return Ok(None);
        }
        let sick = honest.iter().map(|node| (*node, self.status_of(*node, root).map(|status| status.health)));
        let knows = |node: usize| Ok::<bool, Broken>(self.db(node)?.reader().content_root_needed(root)?);
        for (node, health) in sick {
            if health != Some(Health::Healthy) && knows(node)? {
                return Ok(Some(Broken(
                    Law::HealthIsTold,
                    format!("n{node} takes {root:?} for {health:?}, n{holders:?} hold it"),
                )));
            }
        }
        Ok(self.judge_surplus(&members, &holders, root, wanted))
    }

    fn offers_room(&self, node: usize) -> bool {
        self.contents.rooms.get(&node).is_some_and(|room| room.offers)
    }

    /// The same where members stand in a line. Who reaches its neighbours only counts no others, so each holder sees to it
    /// that there are as many copies as there should be among those that it reaches. What is too many each sees otherwise.
    fn judge_neighbours(&self, holders: &[usize], root: &Hash, length: u64) -> Step<Option<Broken>> {
        let factor = self.contents.plan.as_ref().map_or(0, |plan| usize::from(plan.settings.factor));
        for holder in holders.iter().copied() {
            let near =
                self.members().into_iter().filter(|node| *node == holder || self.network.has_link(*node, holder));
            let mut able = Vec::new();
            for node in near.filter(|node| self.is_equivocator(*node) || self.offers_room(*node)) {
                // The equivocator says that it has room for everything, and holds it.
                let room = self.is_equivocator(node) || holders.contains(&node) || self.free_bytes(node)? >= length;
                able.extend(room.then_some(self.nodes[node].id));
            }
            let first = order(root, able).into_iter().take(factor).filter_map(|id| self.member_number(&id));
            for node in first.filter(|node| !self.is_equivocator(*node) && !holders.contains(node)) {
                if self.db(node)?.reader().content_root_needed(root)? {
                    let detail = format!("{root:?} is held by n{holder}, and its neighbour n{node} has room for it");
                    return Ok(Some(Broken(Law::CopiesAreMade, detail)));
                }
            }
        }
        Ok(None)
    }

    /// Nobody keeps what as many as there should be hold that come before it.
    fn judge_surplus(&self, members: &[usize], holders: &[usize], root: &Hash, wanted: usize) -> Option<Broken> {
        let plan = self.contents.plan.as_ref()?;
        let offers = |node: usize| self.offers_room(node);
        let ids: Vec<NodeId> = members.iter().map(|node| self.nodes[*node].id).collect();
        let placed: Vec<usize> = order(root, ids).iter().filter_map(|id| self.member_number(id)).collect();
        let mut placed: Vec<usize> = placed.into_iter().filter(|node| holders.contains(node)).collect();
        placed.sort_by_key(|node| !offers(*node));
        let author = self.contents.ledger.documents.get(root).map(|found| found.author);
        for (place, node) in placed.iter().copied().enumerate() {
            let kept = plan.settings.keep_own && author == Some(node);
            let needed = if offers(node) { usize::from(plan.settings.factor) } else { wanted };
            let before = placed.iter().take(place).filter(|other| offers(**other)).count();
            if !kept && needed > 0 && before >= needed {
                return Some(Broken(Law::SurplusGoes, format!("n{node} keeps {root:?}, which n{placed:?} hold")));
            }
        }
        None
    }

    /// Nobody holds a document: it was destroyed, or went with who was removed.
    fn judge_lost(&self, root: &Hash) -> Step<Option<Broken>> {
        let ledger = &self.contents.ledger;
        let author = ledger.documents.get(root).map(|found| found.author);
        let out = |node: usize| self.plan.trust.is_out(node);
        // What was taken away is freed at once; that whoever took it away had two branches may turn out later.
        let excused = ledger.hurt_at.contains_key(root) || ledger.freed.contains(root);
        if excused || author.is_some_and(out) {
            return Ok(None);
        }
        for node in (0..self.plan.nodes).filter(|node| out(*node)) {
            if self.disk_holds_document(node, root)? {
                return Ok(None);
            }
        }
        Ok(Some(Broken(Law::LastCopyStays, format!("nobody holds {root:?} any more"))))
    }

    /// Writes down how members see what is not well, for whoever replays the world.
    fn explain_copies(&mut self) {
        let roots: Vec<Hash> = self.contents.ledger.documents.keys().copied().collect();
        for node in self.honest() {
            for root in &roots {
                let (status, free) = (self.status_of(node, root), self.free_bytes(node).ok());
                let owed = self.shelf_of(node).and_then(|shelf| shelf.owing.get(root).copied());
                self.note_content(node, "sees", root, || format!("{status:?}; free {free:?}; owes {owed:?}"));
            }
        }
    }

    /// All laws about documents that can only be judged in the end.
    pub(crate) fn judge_contents(&mut self) -> Step {
        if !self.contents.are_stored() {
            return Ok(());
        }
        let honest = self.honest();
        for node in honest.iter().copied() {
            self.check_shelf(node)?;
            self.search_for_documents(node)?;
            let roots: Vec<Hash> = self.contents.ledger.documents.keys().copied().collect();
            let mut read = 0;
            for root in roots {
                if read < READS && self.holds_document(node, &root)? {
                    self.read_document(node, root)?;
                    read += 1;
                }
            }
        }
        self.count_copies(&honest)?;
        self.check_document_spies(&honest)
    }

    fn count_copies(&mut self, honest: &[usize]) -> Step {
        let roots: Vec<Hash> = self.contents.ledger.documents.keys().copied().collect();
        let mut copies = 0;
        for root in &roots {
            for node in honest {
                copies += u64::from(self.holds_document(*node, root)?);
            }
        }
        self.met(Class::DocumentCopy, copies);
        Ok(())
    }

    /// A removed member opens no document whose author knew of the removal, whatever it has kept and gets at.
    fn check_document_spies(&mut self, honest: &[usize]) -> Step {
        let entries = self.all_records(honest);
        let thief = self.plan.trust.thief.map(|thief| self.nodes[thief.node].id);
        let documents: Vec<_> =
            self.contents.ledger.documents.iter().map(|(root, found)| (*root, found.clone())).collect();
        for (number, key) in self.spies() {
            for (root, found) in documents.iter().filter(|(_, found)| found.out.contains(&key.node_id())) {
                let told = |entry: &&antiphon_core::charter::Entry| {
                    Some(entry.author) != thief || found.known.contains(&entry.hash)
                };
                let secrets = self.keys.all_of(number, &key, entries.iter().filter(told));
                let secrets: Vec<&RoleSecret> = secrets.iter().map(|opened| &opened.role).collect();
                let Some(cipher) = self.ciphertext_of(root)? else { continue };
                let opens = document::decrypt(&secrets, cipher.as_slice(), Vec::new()).is_ok();
                need(!opens, Law::RemovedReadNothing, || {
                    format!("{number} opens {root:?}, which n{} stored after its removal", found.author)
                })?;
                self.met(Class::DocumentClosed, 1);
            }
        }
        Ok(())
    }

    /// A ciphertext, from whoever still has it.
    fn ciphertext_of(&self, root: &Hash) -> Step<Option<Vec<u8>>> {
        for node in self.honest() {
            if self.holds_document(node, root)? {
                let mut cipher = Vec::new();
                let reader = self.db(node)?.blobs().reader(root).map_err(super::books::broken)?;
                std::io::copy(&mut { reader }, &mut cipher)?;
                return Ok(Some(cipher));
            }
        }
        Ok(None)
    }
}

/// Whether every block of a ciphertext is what it must be.
fn is_sound(db: &Db, root: &Hash) -> Step<bool> {
    let checked = db.blobs().check(root).map_err(super::books::broken)?;
    Ok(checked.damaged == 0 && checked.missing == 0)
}
