//! Documents are stored and read, as a member does it for its people.
//!
//! What is stored is written first, and noted in one transaction with the event that tells of it. The ciphertext is an
//! age file whose randomness comes from the seed, since its name decides who is to hold it; the vault opens it.

use std::io::Write;

use antiphon_core::content::{NewEntry, Shape, recipients};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::roles::{Authority, Roles};
use antiphon_core::time::UnixMillis;
use antiphon_store::{AuthorError, Authored, BlobError, Draft, Error, Finished, Outcome};
use antiphon_vault::{RoleSecret, document};

use super::ledger::{CANARY, Document};
use crate::exercised::Class;
use crate::failure::{Broken, Law, Step, need};
use crate::jobs::Job;
use crate::options::Sabotage;
use crate::seal;
use crate::world::World;

/// Bytes of most documents at most; they have one block.
const SHORT_BYTES: u64 = 3_000;
/// Bytes of the others at most; they have up to three.
const LONG_BYTES: u64 = 600_000;
/// How many are that long, in permille.
const LONG: u64 = 150;
/// Drafts about documents once all has healed.
const LAST: u64 = 3;

/// What became of drafts.
type Written = Result<Vec<Result<Authored, AuthorError>>, Error>;

impl World {
    /// Somebody wants these written. What is about documents is encrypted and put down before.
    pub(crate) fn shelve(&mut self, node: usize, drafts: Vec<Draft>) -> Step<Vec<Draft>> {
        if !self.keeps_documents(node) || self.in_acme(node).is_none() {
            return Ok(drafts);
        }
        let mut shelved = Vec::new();
        for draft in drafts {
            match draft {
                Draft::PutContent { entry, provenance } => {
                    let entry = self.seal_document(node, entry)?;
                    shelved.extend(entry.map(|entry| Draft::PutContent { entry, provenance }));
                }
                other => shelved.push(other),
            }
        }
        Ok(shelved)
    }

    /// All know who was removed: what is stored from now on nobody of those may open.
    pub(crate) fn store_last_documents(&mut self) -> Step {
        let honest = self.honest();
        self.contents.last_at = Some(self.at);
        for _ in 0..if self.contents.are_stored() { LAST } else { 0 } {
            let Some(node) = self.contents.random.pick(&honest) else { break };
            let drafts: Vec<Draft> = self.document().into_iter().collect();
            let drafts = self.shelve(node, drafts)?;
            self.give(node, Job::Author(drafts));
        }
        Ok(())
    }

    /// Encrypts a document and writes it; `None` if it cannot be stored now.
    fn seal_document(&mut self, node: usize, entry: NewEntry) -> Step<Option<NewEntry>> {
        let Some(membership) = self.membership(node) else { return Ok(None) };
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(None) };
        let roles = Roles::of(&up.db.reader().genome()?);
        let (id, role) = (self.nodes[node].id, entry.creator_role.clone());
        let writes = roles.get(&role).is_some_and(|rule| rule.authority != Authority::ReadOnly);
        let holds = membership.member(&id).is_some_and(|member| member.grant.roles.contains(&role));
        if !writes || !holds {
            // It is refused by the store, too.
            return Ok(Some(entry));
        }
        let Some(found) = recipients(&roles, &membership, &role) else {
            self.met(Class::DocumentWithoutKey, 1);
            return Ok(None);
        };
        let mut keys: Vec<(String, Hash, String)> =
            found.roles.into_iter().map(|recipient| (recipient.role, recipient.epoch, recipient.key)).collect();
        if self.is_sabotaged(Sabotage::OldestKey) {
            for (role, epoch, key) in &mut keys {
                if let Some(oldest) = membership.role_keys().of_role(role).last() {
                    (*epoch, *key) = (oldest.epoch, oldest.recipient.clone());
                }
            }
        }
        let plain = self.compose(node);
        let recipients: Vec<&str> = keys.iter().map(|(_, _, key)| key.as_str()).collect();
        let mut cipher = seal::seal_to(&recipients, &plain, &mut self.contents.paper)?;
        if self.is_sabotaged(Sabotage::PlainDocuments) {
            cipher.extend_from_slice(&plain);
        }
        let Some(finished) = self.write_blob(node, &cipher)? else { return Ok(None) };
        let (root, hash) = (finished.name(), finished.hash);
        let mut encrypted_for: Vec<(String, Hash)> = keys.into_iter().map(|(role, epoch, _)| (role, epoch)).collect();
        encrypted_for.sort_unstable();
        let shape = Shape { length: cipher.len() as u64 };
        let size = plain.len() as u64;
        self.note_content(node, "write", &root, || format!("{root:?}, {size} bytes for {encrypted_for:?}"));
        let out = self.known_out(node, &membership);
        let known = self.team(node).map(|team| team.local.records.entries().map(|entry| entry.hash).collect());
        let document = Document {
            author: node,
            plain,
            shape,
            encrypted_for: encrypted_for.clone(),
            out,
            known: known.unwrap_or_default(),
            stored: false,
        };
        self.contents.ledger.documents.insert(root, document);
        self.contents.finished.insert((node, root), finished);
        Ok(Some(NewEntry { encrypted_for, size, stored_size: shape.length, hash, root, ..entry }))
    }

    /// What somebody writes.
    fn compose(&mut self, node: usize) -> Vec<u8> {
        let paper = &mut self.contents.paper;
        let length =
            if paper.chance(LONG) { paper.between(SHORT_BYTES, LONG_BYTES) } else { paper.between(1, SHORT_BYTES) };
        let mut plain = format!("{} of n{node}, {CANARY}. ", paper.next()).into_bytes();
        let filler = usize::try_from(length).unwrap_or(0);
        plain.resize(plain.len() + filler, b'.');
        plain
    }

    fn write_blob(&mut self, node: usize, cipher: &[u8]) -> Step<Option<Finished>> {
        if self.contents.full.contains(&node) {
            self.met(Class::DocumentDiskFull, 1);
            return Ok(None);
        }
        let Some(db) = self.contents_db(node) else { return Ok(None) };
        let mut writing = db.blobs().begin().map_err(broken)?;
        writing.write_all(cipher)?;
        writing.finish().map(Some).map_err(broken)
    }

    /// Writes events, and with those about documents what is held of them.
    pub(crate) fn author_and_keep(
        &mut self,
        node: usize,
        drafts: &[Draft],
        now: UnixMillis,
        random: [u8; 32],
    ) -> Written {
        let root = |draft: &Draft| match draft {
            Draft::PutContent { entry, .. } => Some(entry.root),
            _ => None,
        };
        let mut finished: Vec<Option<Finished>> = Vec::new();
        for draft in drafts {
            finished.push(root(draft).and_then(|root| self.contents.finished.remove(&(node, root))));
        }
        let apart = self.is_sabotaged(Sabotage::LoseDocuments);
        let Some(up) = self.nodes[node].up.as_mut() else { return Ok(Vec::new()) };
        if finished.iter().all(Option::is_none) {
            return up.db.author(drafts, now, random);
        }
        let done = up.db.author_with(drafts, now, random, |db, done| {
            for (finished, done) in finished.iter().zip(done) {
                let written = done.as_ref().is_ok_and(|done| done.outcome == Outcome::Written);
                if let Some(finished) = finished.as_ref().filter(|_| written && !apart) {
                    db.keep_blob(finished)?;
                }
            }
            Ok(())
        });
        if let Ok(done) = &done {
            for (draft, done) in drafts.iter().zip(done) {
                let written = done.as_ref().is_ok_and(|done| done.outcome == Outcome::Written);
                if let Some(root) = root(draft).filter(|_| written) {
                    self.note_content(node, "put", &root, || format!("{root:?}"));
                }
            }
        }
        self.look_soon(node);
        done
    }

    /// Whoever stored documents is told that they are durable.
    pub(crate) fn documents_stored(&mut self, draft: &Draft, authored: &Authored) {
        let Draft::PutContent { entry, .. } = draft else { return };
        if let Some(document) = self.contents.ledger.documents.get_mut(&entry.root) {
            let new = authored.outcome == Outcome::Written && !std::mem::replace(&mut document.stored, true);
            self.met(Class::DocumentPut, u64::from(new));
        }
    }

    /// Somebody wants to read a document: it is fetched if it is not there, and opened.
    pub(super) fn get(&mut self, node: usize) -> Step {
        if self.shelf(node).is_none() {
            return Ok(());
        }
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let reader = up.db.reader();
        let mut roots = reader.content_roots_needed()?;
        roots.retain(|root| self.contents.ledger.documents.contains_key(root));
        let whole = |root: &Hash| Ok(reader.blob(root)?.is_some_and(|view| view.is_complete()));
        let held = roots.iter().map(whole).collect::<Result<Vec<bool>, Error>>()?;
        let missing = roots.iter().zip(&held).filter(|(_, held)| !**held).map(|(root, _)| *root);
        let missing: Vec<Hash> = missing.collect();
        // What is not there is what makes the more happen.
        let from = if missing.is_empty() { &roots } else { &missing };
        let Some(root) = self.contents.random.pick(from) else { return Ok(()) };
        if missing.contains(&root) {
            let from = self.connected_to(node);
            self.contents.ledger.got.insert((node, root));
            return self.fetch(node, root, super::fetching::Cause::Person, &from);
        }
        self.read_document(node, root)
    }

    /// Opens a document that is there, if this member may.
    pub(super) fn read_document(&mut self, node: usize, root: Hash) -> Step {
        let Some(found) = self.contents.ledger.documents.get(&root).cloned() else { return Ok(()) };
        let Some(membership) = self.membership(node) else { return Ok(()) };
        let key = self.nodes[node].key.clone();
        let ring = self.keys.ring(node, &key, &membership);
        let named = found.encrypted_for.iter().any(|(role, epoch)| {
            let keys = membership.role_keys().get(role, epoch);
            keys.is_some_and(|keys| keys.wraps.contains_key(&key.node_id()))
        });
        let opened: Vec<_> = found.encrypted_for.iter().filter_map(|name| ring.get(name)).collect();
        let secrets: Vec<&RoleSecret> = opened.iter().map(|opened| &opened.role).collect();
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let mut plain = Vec::new();
        let read =
            up.db.blobs().reader(&root).map_err(broken).map(|cipher| document::decrypt(&secrets, cipher, &mut plain));
        match read? {
            Ok(_) => {
                need(plain == found.plain, Law::ReadersRead, || format!("n{node} opens {root:?} as something else"))?;
                self.met(Class::DocumentOpened, 1);
                Ok(())
            }
            // What is damaged is found out, and fetched again.
            Err(error) if error.io().and_then(BlobError::inside).is_some_and(BlobError::is_missing) => {
                self.note_damage(node, root)
            }
            Err(error) if error.is_not_for_us() => need(!named, Law::ReadersRead, || {
                format!("n{node} has a key of {:?} and cannot open {root:?}", found.encrypted_for)
            }),
            Err(error) => Err(Broken(Law::ReadersRead, format!("n{node} cannot open {root:?}: {error}"))),
        }
    }

    /// Keys that a member knows to be out.
    fn known_out(
        &self,
        node: usize,
        membership: &antiphon_core::charter::Membership,
    ) -> std::collections::BTreeSet<NodeId> {
        let spies = self.spies().into_iter().map(|(_, key)| key.node_id());
        spies.filter(|id| self.is_out(node, membership, id)).collect()
    }
}

pub(super) fn broken(error: impl std::fmt::Display) -> Broken {
    Broken(Law::StoreWorks, format!("a ciphertext: {error}"))
}
