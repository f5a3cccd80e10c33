//! Storing documents.
//!
//! Encryption runs on a thread, reading as the document comes and writing as the disk takes it, so memory does not grow
//! with it. When the ciphertext is whole and on the disk, one transaction makes everything of it: that it is held, its
//! event in the index, what the hash table is to be told, and its line in the audit trail. A crash before leaves
//! nothing, a crash after leaves everything.

use std::io::Read;
use std::sync::Arc;

use antiphon_core::address::Address;
use antiphon_core::content::{CONTENT_TYPE_BYTES_MAX, NewEntry, Recipients};
use antiphon_core::fact::check_label;
use antiphon_core::trail::{Act, Operation, TrailId};
use antiphon_store::{Authored, BlobError, Db, Draft, Error as StoreError, Finished, Outcome};
use antiphon_vault::{document, random};
use tokio::time::Instant;

use super::policy::{Rights, recipients};
use super::spread::pointer_to;
use crate::api::{ContentError, ContentPlan, ContentStored, Error, LeftOut, NewContent};
use crate::clock::now;
use crate::handle::Handle;
use crate::own_log;
use crate::tasks::Tasks;
use crate::team::TeamState;

impl Handle {
    /// For whom a document would be encrypted now, if it may be stored at all. Nothing is written.
    ///
    /// # Errors
    /// As [`Handle::put_content`].
    pub async fn content_plan(&self, new: &NewContent) -> Result<ContentPlan, Error> {
        let Recipients { roles, left_out } = plan(&self.team().await?, new)?;
        Ok(ContentPlan { encrypted_for: roles.into_iter().map(|recipient| recipient.role).collect(), left_out })
    }

    /// Stores what `plain` reads, encrypted for a role and all that may read it. Returns when it is durable.
    ///
    /// # Errors
    /// [`Error::NotAMember`], [`Error::UnknownRole`], [`Error::Content`] with the refusal, [`Error::Store`] and
    /// [`Error::Blob`]; then nothing was stored.
    pub async fn put_content(
        &self,
        new: NewContent,
        plain: impl Read + Send + 'static,
    ) -> Result<ContentStored, Error> {
        self.put_content_once(new, plain, None).await
    }

    /// The same, but nothing where it was done under the same key before; then it gives the version that came of it.
    ///
    /// # Errors
    /// As [`Handle::put_content`].
    pub async fn put_content_once(
        &self,
        new: NewContent,
        plain: impl Read + Send + 'static,
        key: Option<String>,
    ) -> Result<ContentStored, Error> {
        if let Some(key) = key.clone()
            && let Some(stored) = self.put_before(key).await?
        {
            return Ok(stored);
        }
        let began = Instant::now();
        let mut act = self.content_act(Operation::Store, &new.address)?;
        act.role = Some(new.role.clone());
        act.content_type = Some(new.content_type.clone());
        let stored = self.put_noted(new, plain, act.clone(), key).await;
        let stored = self.note_refusal(act, stored).await?;
        self.shared.contents.books().stored(began.elapsed(), now());
        Ok(stored)
    }

    async fn put_noted(
        &self,
        new: NewContent,
        plain: impl Read + Send + 'static,
        act: Act,
        key: Option<String>,
    ) -> Result<ContentStored, Error> {
        let mut planned = plan(&self.team().await?, &new);
        if matches!(&planned, Err(Error::Content(why)) if matches!(**why, ContentError::NoKey(_))) {
            planned = plan(&self.with_key(&new.role).await?, &new);
        }
        let Recipients { roles, left_out } = planned?;
        let keys: Vec<String> = roles.iter().map(|recipient| recipient.key.clone()).collect();
        let blobs = self.store().blobs();
        let sealed = Tasks::compute(move || {
            let mut writing = blobs.begin()?;
            let size = document::encrypt(&keys, plain, &mut writing).map_err(|error| not_taken(&error))?;
            Ok::<_, Error>((writing.finish()?, size))
        });
        let (finished, size) = sealed.await.map_err(|_| Error::Stopped)??;
        self.shared.contents.books().encrypted(now());
        let address = new.address.clone();
        let mut encrypted_for: Vec<_> = roles.into_iter().map(|recipient| (recipient.role, recipient.epoch)).collect();
        encrypted_for.sort_unstable();
        let entry = NewEntry {
            address: new.address,
            creator_role: new.role,
            encrypted_for,
            content_type: new.content_type,
            created_at: now(),
            size,
            stored_size: finished.length(),
            hash: finished.hash,
            root: finished.name(),
        };
        let draft = Draft::PutContent { entry, provenance: new.provenance };
        let draft = match key {
            None => draft,
            Some(key) => Draft::Named { key, draft: Box::new(draft) },
        };
        let authored = self.keep(draft, finished, Act { size: Some(size), ..act }).await?;
        let stored = self.stored(authored, left_out).await?;
        Ok(stored.ok_or(ContentError::NotFound(address))?)
    }

    /// What was stored under a key before.
    async fn put_before(&self, key: String) -> Result<Option<ContentStored>, Error> {
        match self.store().read(move |reader| reader.named_write(&key, now())).await? {
            Some(authored) => self.stored(authored, Vec::new()).await,
            None => Ok(None),
        }
    }

    /// The version that an event is about.
    async fn stored(&self, authored: Authored, left_out: Vec<LeftOut>) -> Result<Option<ContentStored>, Error> {
        let (Some(id), event) = (authored.content, authored.event) else { return Ok(None) };
        let found = self.store().read(move |reader| {
            let view = reader.content_event(&id, &event)?;
            let blob = view.as_ref().map(|view| reader.blob(&view.entry.root)).transpose()?.flatten();
            Ok(view.map(|view| (view, blob)))
        });
        let Some(found) = found.await? else { return Ok(None) };
        let content = self.content_infos(vec![found]).await?.pop().ok_or(Error::Stopped)?;
        Ok(Some(ContentStored { content, left_out }))
    }

    /// Makes everything of a document that there is to make, at once.
    async fn keep(&self, draft: Draft, finished: Finished, act: Act) -> Result<Authored, Error> {
        // Until the commit it is this value that keeps the file from being swept.
        let finished = Arc::new(finished);
        let along = self.dht().along();
        let said = along.clone();
        let authored = self.author_noted(draft, move |db, authored| {
            // The same key came twice at once, and the other one was first.
            if authored.outcome == Outcome::Existed {
                return Ok(());
            }
            db.keep_blob(&finished)?;
            said.hold(db, finished.name())?;
            if let Some(view) = db.reader().content_at(authored.log, authored.seq)? {
                said.point(db, pointer_to(&view), view.entry.version)?;
            }
            db.trail(std::slice::from_ref(&act))
        });
        let authored = authored.await?;
        self.dht().told(&along).await?;
        Ok(authored)
    }

    /// Writes one event, and with it what `with` writes; nothing of that when the event is refused.
    pub(super) async fn author_noted(
        &self,
        draft: Draft,
        with: impl Fn(&mut Db, &Authored) -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> Result<Authored, Error> {
        Ok(own_log::author_with(self.store(), draft, Arc::new(with)).await??)
    }

    /// The beginning of a line in the audit trail.
    pub(super) fn act(&self, operation: Operation, address: String) -> Result<Act, Error> {
        Ok(Act {
            at: now(),
            operation,
            node: self.shared.key.node_id(),
            address,
            role: None,
            content_type: None,
            size: None,
            error: None,
            trail: TrailId(random::bytes()?),
        })
    }

    /// The same about a document.
    pub(super) fn content_act(&self, operation: Operation, address: &Address) -> Result<Act, Error> {
        self.act(operation, address.to_string())
    }

    /// Writes into the audit trail why something was not done, if it was not.
    pub(super) async fn note_refusal<T>(&self, act: Act, done: Result<T, Error>) -> Result<T, Error> {
        let Err(error) = done else { return done };
        let act = Act { error: Some(error.to_string()), ..act };
        // Where not even that can be written, whoever asked learns of the graver of two failures.
        self.store().share(move |db| db.trail(&[act])).await?;
        Err(error)
    }
}

/// For whom a document is to be encrypted, if it may be stored.
fn plan(team: &TeamState, new: &NewContent) -> Result<Recipients, Error> {
    check_label("content_type", &new.content_type, CONTENT_TYPE_BYTES_MAX)
        .map_err(|_| ContentError::ContentType(new.content_type.chars().take(80).collect()))?;
    Rights::of(team, &team.own.node)?.may_store(&new.role)?;
    recipients(&team.roles, &team.membership, &new.role)
}

/// Why a document could not be encrypted: what the disk says is the disk's, all else is that of who hands it over.
fn not_taken(error: &document::Error) -> Error {
    match error.io().and_then(BlobError::inside) {
        Some(error) => error.clone().into(),
        None => ContentError::NotTaken(error.io().map_or_else(|| error.to_string(), ToString::to_string)).into(),
    }
}
