//! What lies around the machine that counts copies: what it is told, and what it wants done.

use antiphon_core::replication::Settings;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::blocks::fetch;
use antiphon_protocol::replication::Outcome;
use antiphon_protocol::replication::manager::{Evidence, Input, Manager, Output, Status};
use antiphon_store::{Held, ReplicaEvidence, ReplicaNote, ReplicationKey};

use antiphon_core::ids::Hash;

use super::shelf::{Note, Owed, Shelf};
use super::{Happening, Inside, TICK_MS};
use crate::agenda::Event;
use crate::failure::Step;
use crate::options::Sabotage;
use crate::world::World;

/// Time until the database has written what it was given, in milliseconds.
const WRITE_MS: u64 = 40;
/// Longest time until a copy that may go is gone, in milliseconds.
const TRIM_MS_MAX: u64 = 2_000;
/// Wait before something that was begun is completed, in milliseconds: whoever fetches it now may be done by then.
const FIRST_MS: u64 = 500;
/// Wait after a removal before what it left is cleared away, in milliseconds: the next one may follow it.
const CLEAN_SOON_MS: u64 = 500;
/// Most rows that are read or taken at once; no world has more.
const ROWS_MAX: usize = 2_000;

impl World {
    /// A member looks what is due. One that has come into the team begins with what its database says.
    pub(super) fn tick_shelf(&mut self, node: usize) -> Step {
        self.agenda.put(self.at + TICK_MS, Event::Contents(Happening::Tick(node)));
        if self.is_equivocator(node) {
            return self.tick_liar(node);
        }
        let (life, inside) = (self.nodes[node].life, self.in_acme(node).is_some());
        if !inside {
            return Ok(());
        }
        if self.shelf(node).is_none_or(|shelf| shelf.life != life) {
            self.start_shelf(node)?;
        }
        self.meet(node)?;
        self.look_at_database(node)?;
        let now = self.nodes[node].clock(self.at);
        let due = self.shelf(node).is_some_and(|shelf| {
            let was_set_back = now < std::mem::replace(&mut shelf.clock, now);
            was_set_back || shelf.wake_at.is_some_and(|at| at <= now)
        });
        if due {
            if let Some(shelf) = self.shelf(node) {
                shelf.wake_at = None;
            }
            self.manage(node, Input::Wake)?;
        }
        let at = self.at;
        if self.shelf(node).is_some_and(|shelf| shelf.clean_at <= at) {
            self.clean(node)?;
        }
        self.complete_due(node)
    }

    fn copy_settings(&self) -> Settings {
        let settings = self.contents.plan.as_ref().map(|plan| plan.settings).unwrap_or_default();
        let many = self.is_sabotaged(Sabotage::OfferMore);
        Settings { concurrent: if many { 10 * settings.concurrent } else { settings.concurrent }, ..settings }
    }

    fn start_shelf(&mut self, node: usize) -> Step {
        let (life, settings) = (self.nodes[node].life, self.copy_settings());
        let manager = Manager::new(self.nodes[node].id, settings);
        self.contents.shelves.insert(node, Shelf::new(life, manager, self.at + settings.cleanup_ms));
        self.check_shelf(node)?;
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let keys = up.db.reader().replication_keys(None, ROWS_MAX)?;
        let replicas = up.db.reader().replicas_page(None, ROWS_MAX)?;
        for key in keys {
            self.learn(node, &key)?;
        }
        for replica in replicas {
            let evidence = match replica.evidence {
                ReplicaEvidence::Proved => Evidence::Proved(replica.at),
                ReplicaEvidence::Claimed => Evidence::Claimed(replica.at),
                ReplicaEvidence::Missing => Evidence::Missing(replica.at),
                ReplicaEvidence::Wrong => Evidence::Wrong(replica.at),
            };
            let (root, peer) = (replica.root, replica.node);
            let (added_at, history) = (replica.added_at, replica.history);
            self.manage(node, Input::Known { root, node: peer, evidence, added_at, history })?;
        }
        Ok(())
    }

    /// A commit was read: what changed of documents is looked at soon.
    pub(crate) fn look_soon(&mut self, node: usize) {
        if let Some(shelf) = self.contents.shelves.get_mut(&node) {
            shelf.look = true;
        }
    }

    /// Takes off the list what changed in the database.
    pub(super) fn look_at_database(&mut self, node: usize) -> Step {
        if !self.shelf(node).is_some_and(|shelf| std::mem::take(&mut shelf.look)) {
            return Ok(());
        }
        let Some(db) = self.contents_db(node) else { return Ok(()) };
        if !db.reader().replication_is_due()? {
            return Ok(());
        }
        let keys = match db.take_replication_due(ROWS_MAX) {
            Ok(keys) => keys,
            Err(error) if error.is_full() => {
                self.look_soon(node);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        keys.iter().try_for_each(|key| self.learn(node, key))
    }

    /// A ciphertext is needed and held like this now.
    pub(super) fn learn(&mut self, node: usize, key: &ReplicationKey) -> Step {
        let (at, root) = (self.at, key.root);
        self.note_content(node, "learn", &root, || format!("{key:?}"));
        let Some(shelf) = self.shelf(node) else { return Ok(()) };
        match key.needed {
            Some(need) if key.held == Held::Part => {
                let owed = Owed { own: need.own, failures: 0, due_at: at + FIRST_MS };
                shelf.owing.entry(root).or_insert(owed);
            }
            _ => drop(shelf.owing.remove(&root)),
        }
        if key.needed.is_none() && key.held != Held::Nothing {
            shelf.clean_at = shelf.clean_at.min(at + CLEAN_SOON_MS);
        }
        let Some(need) = key.needed else {
            self.drive_fetch(node, root, fetch::Input::Cancel)?;
            return self.manage(node, Input::Gone { root });
        };
        let (length, priority, own, current) = (need.length, need.priority, need.own, need.current);
        self.manage(node, Input::Key { root, length, priority, own, current })?;
        self.manage(node, Input::Held { root, whole: key.held == Held::Whole })
    }

    /// What is held of a ciphertext is not what it was.
    pub(super) fn learn_again(&mut self, node: usize, root: Hash) -> Step {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let key = up.db.reader().replication_key(&root)?;
        self.learn(node, &key)
    }

    /// Tells the machine something, and does what it wants.
    pub(super) fn manage(&mut self, node: usize, input: Input) -> Step {
        let now = self.nodes[node].clock(self.at);
        let Some(shelf) = self.shelf(node) else { return Ok(()) };
        let outputs = shelf.manager.handle(input, now);
        outputs.into_iter().try_for_each(|output| self.carry_out_for_copies(node, output, now))
    }

    fn carry_out_for_copies(&mut self, node: usize, output: Output, now: UnixMillis) -> Step {
        match output {
            Output::Ask { peer, about } => match self.member_number(&peer) {
                Some(peer) => self.ask_about(node, peer, about),
                None => Ok(()),
            },
            Output::Offer { peer, root, length, priority } => {
                let to = self.member_number(&peer).filter(|_| !self.is_sabotaged(Sabotage::OfferNothing));
                match to {
                    Some(peer) => self.offer_to(node, peer, root, length, priority),
                    None => self.manage(node, Input::Offered { peer, root, outcome: Outcome::NotOffered }),
                }
            }
            Output::Trim { root, witnesses } => {
                self.note_content(node, "may trim", &root, || format!("{root:?}, which {witnesses:?} hold"));
                let wait = self.contents.random.between(1, TRIM_MS_MAX);
                if let Some(shelf) = self.shelf(node) {
                    shelf.trimming.insert(root);
                }
                self.in_shelf(node, wait, Inside::Trim(root));
                Ok(())
            }
            Output::Note { root, node: peer, evidence, history } => {
                let kept = match evidence {
                    Evidence::Proved(_) => ReplicaEvidence::Proved,
                    Evidence::Claimed(_) => ReplicaEvidence::Claimed,
                    Evidence::Missing(_) => ReplicaEvidence::Missing,
                    Evidence::Wrong(_) => ReplicaEvidence::Wrong,
                };
                let note = ReplicaNote { root, node: peer, evidence: kept, at: evidence.at(), history };
                self.keep_note(node, Note::Learnt(note));
                Ok(())
            }
            Output::Forget { root } => {
                self.keep_note(node, Note::Forget(root));
                Ok(())
            }
            Output::WakeAt(at) => {
                self.note_content(node, "wakes", &Hash([0; 32]), || format!("in {} ms", at.since(now)));
                if let Some(shelf) = self.shelf(node) {
                    shelf.wake_at = Some(at);
                }
                Ok(())
            }
        }
    }

    fn keep_note(&mut self, node: usize, note: Note) {
        let Some(shelf) = self.shelf(node) else { return };
        shelf.notes.push(note);
        if !std::mem::replace(&mut shelf.writing, true) {
            self.in_shelf(node, WRITE_MS, Inside::Notes);
        }
    }

    /// What was learnt of copies is written, in the order in which it was learnt.
    pub(super) fn write_notes(&mut self, node: usize) -> Step {
        let Some(shelf) = self.shelf(node) else { return Ok(()) };
        shelf.writing = false;
        let notes = std::mem::take(&mut shelf.notes);
        let Some(db) = self.contents_db(node) else { return Ok(()) };
        for note in notes {
            let kept = match note {
                Note::Learnt(note) => db.note_replicas(&[note]),
                Note::Forget(root) => db.forget_replicas(&root).map(drop),
            };
            match kept {
                // It is learnt again.
                Err(error) if error.is_full() => {}
                kept => kept?,
            }
        }
        Ok(())
    }

    pub(super) fn status_of(&self, node: usize, root: &Hash) -> Option<Status> {
        self.shelf_of(node)?.manager.status(root, self.nodes[node].clock(self.at))
    }
}
