//! What lies around the machine of a member: what it hears, and what it wants done.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::replication::{Health, History, Settings};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::blocks::Serve;
use antiphon_protocol::blocks::fetch;
use antiphon_protocol::replication::manager::{Evidence, Input, Manager, Member, Output, Status, Taking, Vouch};
use antiphon_protocol::replication::{Answer, Outcome};

use super::fetching::{Cause, Ended, Fetching};
use super::library::Key;
use super::plan::Honesty;
use super::talk::{Letter, Waiting};
use super::{Copies, HOUSE_MS, Inside};
use crate::exercised::Class;
use crate::failure::Step;
use crate::options::Sabotage;

/// Time until the database has written what it was given, in milliseconds.
const WRITE_MS: u64 = 40;
/// Longest time until a copy that may go is gone, in milliseconds.
const TRIM_MS_MAX: u64 = 2_000;
/// Bytes by which the room of a member must change before it says so.
const ANNOUNCE_BYTES: u64 = 100_000;
/// How often somebody who holds nothing offers it nevertheless, in permille of the times that it looks after itself.
const FALSE_OFFERS: u64 = 100;

/// What is known of a holder, as it is kept in the database.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) root: Hash,
    pub(super) peer: NodeId,
    evidence: Evidence,
    added_at: Option<UnixMillis>,
    history: History,
}

/// What a member has in memory.
#[derive(Debug)]
pub(super) struct Up {
    manager: Manager,
    /// When it is to be woken.
    wake_at: Option<UnixMillis>,
    pub(super) linked: BTreeSet<usize>,
    pub(super) waiting: BTreeMap<u64, Waiting>,
    pub(super) fetches: BTreeMap<Hash, Fetching>,
    pub(super) serving: BTreeMap<u64, Serve>,
    /// Copies of which a part is there, with how often it was tried to complete them.
    pub(super) owing: BTreeMap<Hash, u32>,
    /// The quota when something was promised last.
    pub(super) promised_quota: u64,
}

impl Copies {
    fn settings(&self, node: usize) -> Settings {
        let settings = Settings { keep_own: self.members[node].character.keep_own, ..self.plan.settings };
        let concurrent =
            if self.is_sabotaged(Sabotage::OfferMore) { 10 * settings.concurrent } else { settings.concurrent };
        Settings { concurrent, ..settings }
    }

    /// A member begins with what its database says.
    pub(super) fn start_keeper(&mut self, node: usize) -> Step {
        let manager = Manager::new(self.members[node].id, self.settings(node));
        self.members[node].up = Some(Up {
            manager,
            wake_at: None,
            linked: BTreeSet::new(),
            waiting: BTreeMap::new(),
            fetches: BTreeMap::new(),
            serving: BTreeMap::new(),
            owing: BTreeMap::new(),
            promised_quota: 0,
        });
        let keys: Vec<(Hash, Key)> = self.members[node].view.keys.iter().map(|(root, key)| (*root, *key)).collect();
        for (root, key) in keys {
            self.say_key(node, root, key)?;
        }
        let held: Vec<Hash> = self.members[node].disk.blobs.keys().copied().collect();
        for root in held {
            self.say_held(node, root)?;
        }
        let notes: Vec<Note> = self.members[node].notes.values().cloned().collect();
        for Note { root, peer, evidence, added_at, history } in notes {
            self.manage(node, Input::Known { root, node: peer, evidence, added_at, history })?;
        }
        self.members_changed(node)
    }

    /// Tells the machine of a member something, and does what it wants.
    fn manage(&mut self, node: usize, input: Input) -> Step {
        let now = self.now(node);
        let Some(up) = self.members[node].up.as_mut() else { return Ok(()) };
        let outputs = up.manager.handle(input, now);
        outputs.into_iter().try_for_each(|output| self.carry_out(node, output))
    }

    fn carry_out(&mut self, node: usize, output: Output) -> Step {
        match output {
            Output::Ask { peer, about } => match self.index.get(&peer).copied() {
                Some(peer) => self.ask(node, peer, &about),
                None => Ok(()),
            },
            Output::Offer { peer, root, .. } => self.offer_to(node, peer, root),
            Output::Trim { root, witnesses } => {
                self.note(node, "may trim", &root.0, || format!("{root:?}, which {witnesses:?} hold"));
                let wait = self.random.between(1, TRIM_MS_MAX);
                self.inside(node, wait, Inside::Trim(root));
                Ok(())
            }
            Output::Note { root, node: peer, evidence, history } => {
                let added_at = evidence.holds().then(|| evidence.at());
                self.inside(node, WRITE_MS, Inside::Noted(Note { root, peer, evidence, added_at, history }));
                Ok(())
            }
            Output::Forget { root } => {
                self.members[node].notes.retain(|(other, _), _| *other != root);
                Ok(())
            }
            Output::WakeAt(at) => {
                if let Some(up) = self.members[node].up.as_mut() {
                    up.wake_at = Some(at);
                }
                self.inside_at(node, at, Inside::Wake(at));
                Ok(())
            }
        }
    }

    /// What is learnt of a holder is written, unless the document was taken away meanwhile.
    pub(super) fn write_note(&mut self, node: usize, note: Note) {
        let member = &mut self.members[node];
        if member.view.keys.contains_key(&note.root) {
            let before = member.notes.get(&(note.root, note.peer)).and_then(|before| before.added_at);
            let added_at = before.or(note.added_at);
            member.notes.insert((note.root, note.peer), Note { added_at, ..note });
        }
    }

    /// The machine is woken, unless it has changed its mind.
    pub(super) fn wake(&mut self, node: usize, at: UnixMillis) -> Step {
        let Some(up) = self.members[node].up.as_mut() else { return Ok(()) };
        if up.wake_at != Some(at) {
            return Ok(());
        }
        up.wake_at = None;
        self.manage(node, Input::Wake)
    }

    fn say_key(&mut self, node: usize, root: Hash, key: Key) -> Step {
        let own = self.is_author(node, &root);
        let Key { length, priority, current } = key;
        self.manage(node, Input::Key { root, length, priority, own, current })
    }

    fn say_held(&mut self, node: usize, root: Hash) -> Step {
        let whole = self.says_it_holds(node, &root);
        self.owe(node, root);
        self.manage(node, Input::Held { root, whole })
    }

    /// What stands on the disk of a document is not what it was.
    pub(super) fn held(&mut self, node: usize, root: Hash) -> Step {
        self.say_held(node, root)
    }

    /// Whether a member takes what stands on its disk for a whole copy.
    pub(super) fn says_it_holds(&self, node: usize, root: &Hash) -> bool {
        self.members[node].disk.seems_whole(root)
    }

    /// Who is a member, who is there and who offers room is not what it was.
    pub(super) fn members_changed(&mut self, node: usize) -> Step {
        let member = &self.members[node];
        let Some(up) = member.up.as_ref() else { return Ok(()) };
        let away_since = |peer: usize| member.seen.get(&peer).copied().unwrap_or(UnixMillis(0));
        let all = member.view.members.iter().filter(|(peer, _)| **peer != node);
        let mut members: Vec<Member> = all
            .map(|(peer, offer)| Member {
                node: self.members[*peer].id,
                offers: offer.offers,
                free_bytes: Some(offer.free_bytes),
                connected: up.linked.contains(peer),
                away_since: away_since(*peer),
            })
            .collect();
        members.push(Member {
            node: member.id,
            offers: member.offers,
            free_bytes: Some(self.free_bytes(node)),
            connected: true,
            away_since: UnixMillis(0),
        });
        self.manage(node, Input::Members(members))
    }

    /// A member knows more news.
    pub(super) fn view_changed(&mut self, node: usize) -> Step {
        let view = self.library.view(&self.members[node].news);
        let before = std::mem::replace(&mut self.members[node].view, view.clone());
        if self.members[node].up.is_none() {
            return Ok(());
        }
        if view.members != before.members {
            let now = self.now(node);
            for peer in view.members.keys() {
                self.members[node].seen.entry(*peer).or_insert(now);
            }
            self.members_changed(node)?;
        }
        for (root, key) in &view.keys {
            if before.keys.get(root) != Some(key) {
                self.say_key(node, *root, *key)?;
                self.say_held(node, *root)?;
            }
        }
        for root in before.keys.keys().filter(|root| !view.keys.contains_key(*root)) {
            self.drive(node, *root, fetch::Input::Cancel)?;
            self.manage(node, Input::Gone { root: *root })?;
            self.free(node, *root);
        }
        Ok(())
    }

    /// Clears away what nobody needs, unless somebody is fetching it from here.
    fn free(&mut self, node: usize, root: Hash) {
        if self.is_sabotaged(Sabotage::KeepUnneeded) || self.served(node).contains(&root) {
            return;
        }
        if self.members[node].disk.blobs.remove(&root).is_some() {
            self.note(node, "free", &root.0, || format!("{root:?}"));
            self.tally.exercised.add(Class::CopyFreed, 1);
        }
    }

    /// What a member does from time to time.
    pub(super) fn keep_house(&mut self, node: usize) -> Step {
        self.inside(node, HOUSE_MS, Inside::House);
        let peers: Vec<usize> = self.network.linked(node);
        for peer in &peers {
            self.saw(node, *peer);
            self.tell_rest(node, *peer);
        }
        let (announced, free) = (self.members[node].announced, self.free_bytes(node));
        if announced.free_bytes.abs_diff(free) >= ANNOUNCE_BYTES && announced.offers {
            self.announce(node)?;
        }
        if self.at >= self.members[node].cleaned_at + self.plan.settings.cleanup_ms {
            self.members[node].cleaned_at = self.at;
            let member = &self.members[node];
            let unneeded = member.disk.blobs.keys().filter(|root| !member.view.keys.contains_key(*root));
            unneeded.copied().collect::<Vec<Hash>>().into_iter().for_each(|root| self.free(node, root));
        }
        if self.members[node].character.honesty == Honesty::Boasts && !self.calm && self.random.chance(FALSE_OFFERS) {
            self.offer_nothing(node, &peers);
        }
        Ok(())
    }

    /// Somebody who lies offers what it has not.
    fn offer_nothing(&mut self, node: usize, peers: &[usize]) {
        let keys: Vec<Hash> = self.members[node].view.keys.keys().copied().collect();
        if let (Some(root), Some(peer)) = (self.random.pick(&keys), self.random.pick(peers)) {
            let id = self.network.name();
            self.send(node, peer, Letter::Offer { id, root });
        }
    }

    /// A person wants copies made now.
    pub(super) fn replicate(&mut self, node: usize) -> Step {
        self.manage(node, Input::Run { root: None })
    }

    fn offer_to(&mut self, node: usize, peer: NodeId, root: Hash) -> Step {
        if self.is_sabotaged(Sabotage::OfferNothing) {
            return self.manage(node, Input::Offered { peer, root, outcome: Outcome::NotOffered });
        }
        match self.index.get(&peer).copied() {
            Some(peer) => self.offer(node, peer, root),
            None => Ok(()),
        }
    }

    /// A copy may go, since enough others hold one.
    pub(super) fn trim(&mut self, node: usize, root: Hash) -> Step {
        let fetched = self.members[node].up.as_ref().is_some_and(|up| up.fetches.contains_key(&root));
        let busy = fetched || self.served(node).contains(&root) || self.is_sabotaged(Sabotage::TrimNothing);
        if !busy {
            self.note(node, "trim", &root.0, || format!("{root:?}"));
            self.members[node].disk.blobs.remove(&root);
            self.members[node].got.remove(&root);
            self.tally.exercised.add(Class::CopyTrimmed, 1);
            self.last_moved = self.at;
            // What was taken away meanwhile is needed by nobody.
            let needed = self.members[node].view.keys.contains_key(&root);
            if needed && self.members[node].character.honesty == Honesty::Honest {
                self.check_last_copy(node, &root)?;
            }
        }
        self.manage(node, Input::Trimmed { root, ok: !busy })
    }

    /// What others answered.
    pub(super) fn answered(&mut self, node: usize, peer: usize, answers: Vec<(Hash, Answer)>) -> Step {
        self.note(node, "answered", &[], || format!("n{peer}: {answers:?}"));
        let answers = if self.is_sabotaged(Sabotage::HearNothing) {
            answers.into_iter().map(|(root, _)| (root, Answer::Failed)).collect()
        } else {
            answers
        };
        let peer = self.members[peer].id;
        self.manage(node, Input::Answered { peer, answers })
    }

    /// What came of an offer.
    pub(super) fn offered(&mut self, node: usize, peer: usize, root: Hash, outcome: Outcome) -> Step {
        let peer = self.members[peer].id;
        self.manage(node, Input::Offered { peer, root, outcome })
    }

    /// What is to be done with an offer: from whom it is to be fetched, or what is said to it.
    pub(super) fn decide(&mut self, node: usize, from: usize, root: Hash) -> Result<Vec<usize>, Outcome> {
        let (now, peer) = (self.now(node), self.members[from].id);
        let quota = self.members[node].quota_bytes;
        let free = quota.saturating_sub(self.held_for_others(node, Some(&root)));
        let free = if self.members[node].offers { free } else { 0 };
        let free = if self.is_sabotaged(Sabotage::IgnoreQuota) { u64::MAX } else { free };
        let Some(up) = self.members[node].up.as_mut() else { return Err(Outcome::Busy) };
        match up.manager.take(peer, &root, free, now) {
            Taking::Refuse(outcome) => Err(outcome),
            Taking::Take { from, .. } => {
                up.promised_quota = quota;
                Ok(from.iter().filter_map(|peer| self.index.get(peer).copied()).collect())
            }
        }
    }

    /// Whether a member may prove that it holds a copy.
    pub(super) fn vouch(&mut self, node: usize, root: &Hash) -> bool {
        let now = self.now(node);
        let up = self.members[node].up.as_mut();
        up.is_some_and(|up| up.manager.vouch(root, now) == Vouch::Given)
    }

    /// Bytes of documents of others that stand on a disk, but for those of one that is offered.
    fn held_for_others(&self, node: usize, but: Option<&Hash>) -> u64 {
        let member = &self.members[node];
        let held = member.disk.blobs.iter().filter(|(root, _)| !self.is_author(node, root) && Some(*root) != but);
        held.map(|(_, blob)| blob.bytes).sum()
    }

    /// Bytes that a member says are free for others.
    pub(super) fn free_bytes(&self, node: usize) -> u64 {
        let member = &self.members[node];
        if member.offers { member.quota_bytes.saturating_sub(self.held_for_others(node, None)) } else { 0 }
    }

    pub(super) fn status(&self, node: usize, root: &Hash) -> Option<Status> {
        self.members[node].up.as_ref()?.manager.status(root, self.now(node))
    }

    /// Whoever is linked and known to hold a document.
    pub(super) fn known_holders(&self, node: usize, root: &Hash) -> Vec<usize> {
        let providers = self.status(node, root).map(|status| status.providers).unwrap_or_default();
        let holds = providers.iter().filter(|one| one.connected && one.evidence.holds());
        holds.filter_map(|one| self.index.get(&one.node).copied()).filter(|peer| *peer != node).collect()
    }

    /// Whether a member is to hold a document.
    pub(super) fn is_placed(&self, node: usize, root: &Hash) -> bool {
        self.status(node, root).is_some_and(|status| status.placed.contains(&self.members[node].id))
    }

    /// A fetch has ended.
    pub(super) fn took(&mut self, node: usize, root: Hash, ended: Ended, causes: &[Cause]) -> Step {
        let whole = ended == Ended::Whole;
        let offered = causes.iter().any(|cause| matches!(cause, Cause::Offer { .. }));
        if whole && offered {
            self.tally.exercised.add(Class::CopyMade, 1);
        }
        for cause in causes {
            if let Cause::Offer { peer, id } = cause {
                let outcome = self.outcome_of(node, ended);
                self.say_outcome(node, *peer, *id, outcome);
            }
        }
        if offered {
            self.manage(node, Input::Took { root, ok: whole })?;
        }
        self.say_held(node, root)?;
        if whole && self.is_sabotaged(Sabotage::TrimAtOnce) {
            self.members[node].disk.blobs.remove(&root);
            return self.say_held(node, root);
        }
        Ok(())
    }

    /// How a member sees the copies of a document.
    pub(super) fn health(&self, node: usize, root: &Hash) -> Option<Health> {
        self.status(node, root).map(|status| status.health)
    }
}
