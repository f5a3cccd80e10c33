//! Copies that are offered here, copies that go, and copies that are completed.

use antiphon_core::ids::Hash;
use antiphon_protocol::replication::manager::{Input, Taking, Vouch};
use antiphon_protocol::replication::{Offer, Outcome};
use antiphon_store::{Dropped, Unneeded};

use super::books::broken;
use super::fetching::Cause;
use super::shelf::Owed;
use super::{Ended, TICK_MS};
use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::options::Sabotage;
use crate::world::World;

/// Most copies that are completed at the same time.
const AT_ONCE_MAX: usize = 2;
/// Longest wait between two attempts to complete one, in milliseconds.
const LONGEST_MS: u64 = 10 * 60_000;
/// Wait before that is tried again which is not needed and was in use, in milliseconds.
const CLEAN_AGAIN_MS: u64 = 10_000;
/// Most ciphertexts that are cleared away at once.
const GARBAGE_MAX: usize = 256;

impl World {
    /// Somebody offers a copy: from whom it is to be fetched, or what is said to it.
    pub(super) fn propose(&mut self, node: usize, peer: usize, offer: &Offer) -> Step<Result<Vec<usize>, Outcome>> {
        let root = offer.root;
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(Err(Outcome::Busy)) };
        let reader = up.db.reader();
        let key = reader.replication_key(&root)?;
        let known = key.needed.is_some() || !reader.content_by_root(&root)?.is_empty();
        // What is here of it takes no room a second time.
        let part = reader.blob(&root)?.map_or(0, |view| view.held_bytes);
        let held = reader.held_for_others()?.saturating_sub(part);
        let Some(needed) = key.needed else {
            return Ok(Err(if known { Outcome::NotNeeded } else { Outcome::Unknown }));
        };
        if needed.length != offer.length {
            return Ok(Err(Outcome::Failed(antiphon_protocol::reason::Reason::Other)));
        }
        // The index may have said so a moment ago.
        self.learn(node, &key)?;
        let room = self.contents.rooms.get(&node).map_or((false, 0), |room| (room.offers, room.quota_bytes));
        let free = if room.0 { room.1.saturating_sub(held) } else { 0 };
        let free = if self.is_sabotaged(Sabotage::IgnoreQuota) { u64::MAX } else { free };
        let (now, from) = (self.nodes[node].clock(self.at), self.nodes[peer].id);
        let Some(shelf) = self.shelf(node) else { return Ok(Err(Outcome::Busy)) };
        match shelf.manager.take(from, &root, free, now) {
            Taking::Refuse(outcome) => Ok(Err(outcome)),
            Taking::Take { from, .. } => {
                shelf.promised_bytes = room.1;
                Ok(Ok(from.iter().filter_map(|id| self.member_number(id)).collect()))
            }
        }
    }

    /// Whether a member may prove that it holds a copy.
    pub(super) fn vouch_for(&mut self, node: usize, root: &Hash) -> bool {
        let now = self.nodes[node].clock(self.at);
        self.shelf(node).is_some_and(|shelf| shelf.manager.vouch(root, now) == Vouch::Given)
    }

    /// A copy that is too much goes, unless it is in use.
    pub(super) fn trim(&mut self, node: usize, root: Hash) -> Step {
        let stays = self.is_sabotaged(Sabotage::TrimNothing);
        let Some(shelf) = self.shelf(node) else { return Ok(()) };
        shelf.trimming.remove(&root);
        let busy = shelf.uses(&root) || stays;
        let gone = !busy && self.drop_copy(node, &root)?;
        if gone {
            self.note_content(node, "trim", &root, || format!("{root:?}"));
            self.met(Class::DocumentTrimmed, 1);
            self.check_last_document(node, &root)?;
        }
        self.look_soon(node);
        self.manage(node, Input::Trimmed { root, ok: gone })
    }

    /// The row goes first, and the file after it.
    fn drop_copy(&mut self, node: usize, root: &Hash) -> Step<bool> {
        let Some(db) = self.contents_db(node) else { return Ok(false) };
        match db.drop_blob(root) {
            Err(error) if error.is_full() => return Ok(false),
            dropped => dropped?,
        };
        db.blobs().remove(root).map_err(broken)?;
        self.contents.ledger.let_go.insert((node, *root));
        self.contents.ledger.got.remove(&(node, *root));
        Ok(true)
    }

    /// Clears away what nobody needs.
    pub(super) fn clean(&mut self, node: usize) -> Step {
        let (at, now) = (self.at, self.nodes[node].clock(self.at));
        let Some(plan) = self.contents.plan.as_ref() else { return Ok(()) };
        let (age_ms, again_ms) = (plan.garbage_age_ms, plan.settings.cleanup_ms);
        if let Some(shelf) = self.shelf(node) {
            shelf.clean_at = at + again_ms;
        }
        if self.is_sabotaged(Sabotage::KeepUnneeded) {
            return Ok(());
        }
        let Some(db) = self.contents_db(node) else { return Ok(()) };
        match db.note_garbage(now) {
            Err(error) if error.is_full() => return Ok(()),
            noted => noted?,
        };
        let rows = db.reader().garbage(None, GARBAGE_MAX)?;
        for row in rows {
            let used = self.shelf(node).is_some_and(|shelf| shelf.uses(&row.root));
            if used {
                if let Some(shelf) = self.shelf(node) {
                    shelf.clean_at = shelf.clean_at.min(at + CLEAN_AGAIN_MS);
                }
                continue;
            }
            // Whether it is still wanted nobody but a person knows.
            if row.why == Unneeded::LeftTeam {
                continue;
            }
            let Some(db) = self.contents_db(node) else { return Ok(()) };
            match db.drop_garbage(&row.root, now, age_ms) {
                Ok(Dropped::Gone(_)) => {
                    db.blobs().remove(&row.root).map_err(broken)?;
                    self.note_content(node, "free", &row.root, || format!("{row:?}"));
                    self.contents.ledger.let_go.insert((node, row.root));
                    self.contents.ledger.freed.insert(row.root);
                    self.met(Class::DocumentFreed, 1);
                }
                Ok(_) => {}
                Err(error) if error.is_full() => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.look_soon(node);
        Ok(())
    }

    /// Completes copies of which a part is there.
    pub(super) fn complete_due(&mut self, node: usize) -> Step {
        let at = self.at;
        let Some(shelf) = self.shelf(node) else { return Ok(()) };
        let under_way = shelf.fetches.values().filter(|fetch| fetch.is_owed()).count();
        let due = shelf.owing.iter().filter(|(root, owed)| owed.due_at <= at && !shelf.fetches.contains_key(*root));
        let due: Vec<(Hash, Owed)> = due.map(|(root, owed)| (*root, *owed)).collect();
        for (root, owed) in due.into_iter().take(AT_ONCE_MAX.saturating_sub(under_way)) {
            self.complete_copy(node, root, owed)?;
        }
        Ok(())
    }

    fn complete_copy(&mut self, node: usize, root: Hash, owed: Owed) -> Step {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let Some(view) = up.db.reader().blob(&root)? else { return Ok(()) };
        let own = self.nodes[node].id;
        let status = self.status_of(node, &root);
        let placed = status.as_ref().is_some_and(|status| status.placed.contains(&own));
        if view.is_complete() || !(placed || owed.own || view.damaged > 0) {
            if let Some(shelf) = self.shelf(node) {
                shelf.owing.remove(&root);
            }
            return Ok(());
        }
        let holds = status.into_iter().flat_map(|status| status.providers);
        let holds = holds.filter(|one| one.connected && one.evidence.holds() && one.node != own);
        let mut from: Vec<usize> = holds.filter_map(|one| self.member_number(&one.node)).collect();
        from.extend(self.connected_to(node).into_iter().filter(|peer| !from.contains(peer)).collect::<Vec<_>>());
        let wait = (1_000_u64 << (owed.failures + 1).min(16)).min(LONGEST_MS);
        let at = self.at;
        if let Some(owed) = self.shelf(node).and_then(|shelf| shelf.owing.get_mut(&root)) {
            (owed.failures, owed.due_at) = (owed.failures.saturating_add(1), at + wait.max(TICK_MS));
        }
        if from.is_empty() {
            return Ok(());
        }
        self.met(Class::DocumentCompleted, 1);
        self.contents.ledger.got.insert((node, root));
        self.fetch(node, root, Cause::Owed, &from)
    }

    /// A fetch has ended.
    pub(super) fn took(&mut self, node: usize, root: Hash, ended: Ended, causes: &[Cause]) -> Step {
        let whole = ended == Ended::Whole;
        let offered = causes.iter().any(|cause| matches!(cause, Cause::Offer { .. }));
        self.met(Class::DocumentCopied, u64::from(whole && offered));
        for cause in causes {
            if let Cause::Offer { stream, id } = cause {
                let outcome = match ended {
                    Ended::Whole => Outcome::Taken,
                    Ended::Full => Outcome::Full { free: 0 },
                    Ended::Failed => Outcome::Failed(antiphon_protocol::reason::Reason::MissingPayload),
                };
                self.tell_outcome(node, *stream, *id, outcome)?;
            }
        }
        // The machine is told of what changed before it is told that something came.
        self.look_soon(node);
        self.look_at_database(node)?;
        if offered {
            self.manage(node, Input::Took { root, ok: whole })?;
        }
        self.learn_again(node, root)?;
        let wants = causes.contains(&Cause::Person);
        if whole && wants {
            self.met(Class::DocumentFetched, 1);
            self.read_document(node, root)?;
        }
        Ok(())
    }

    /// A block was kept: if it was for others, there must have been room.
    pub(super) fn check_room(&self, node: usize, root: &Hash) -> Step {
        let Some(shelf) = self.shelf_of(node) else { return Ok(()) };
        if !shelf.fetches.get(root).is_some_and(super::fetching::Fetching::is_offered) {
            return Ok(());
        }
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let own = |root: &Hash| self.contents.ledger.documents.get(root).is_some_and(|found| found.author == node);
        let counts = |root: &Hash| !own(root) && !self.contents.ledger.got.contains(&(node, *root));
        let views = up.db.reader().blobs(None, GARBAGE_MAX)?.into_iter().filter(|view| counts(&view.root));
        let kept: u64 = views.map(|view| view.held_bytes).sum();
        let quota = self.contents.rooms.get(&node).map_or(0, |room| room.quota_bytes).max(shelf.promised_bytes);
        need(kept <= quota, Law::QuotaHolds, || format!("n{node} keeps {kept} bytes for others, its quota is {quota}"))
    }
}
