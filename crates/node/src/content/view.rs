//! What the index and the disk say of documents, as it is shown.

use std::collections::BTreeSet;

use antiphon_core::address::{Address, Selector};
use antiphon_core::event::Provenance;
use antiphon_core::ids::{EventId, Hash};
use antiphon_core::trail::Operation;
use antiphon_store::{BlobView, ContentCursor, ContentFilter, ContentView, Draft};
use antiphon_vault::Keyring;
use zeroize::Zeroizing;

use super::policy::Rights;
use crate::api::{ContentCopies, ContentError, ContentHeld, ContentInfo, ContentMetrics, ContentPage, Error};
use crate::clock::now;
use crate::handle::Handle;
use crate::team::TeamState;

/// A version with what of it is here.
pub(super) type Found = (ContentView, Option<BlobView>);

impl Handle {
    /// One version of a document.
    ///
    /// # Errors
    /// [`ContentError::NotFound`], [`ContentError::NoVersion`], [`ContentError::Removed`].
    pub async fn content(&self, address: &Address, selector: Selector) -> Result<ContentInfo, Error> {
        let found = self.content_version(address, selector).await?;
        let not_found = || ContentError::NotFound(address.clone());
        let mut content = self.content_infos(vec![found]).await?.pop().ok_or_else(not_found)?;
        let fetched = self.fetched_so_far(&content.root).unwrap_or_default();
        content.held.bytes = content.held.bytes.max(fetched);
        content.copies = self.copies_of(content.root).await?;
        Ok(content)
    }

    async fn copies_of(&self, root: Hash) -> Result<Option<ContentCopies>, Error> {
        let status = self.shared.care.with(move |manager, at| manager.status(&root, at)).await?;
        Ok(status.map(|status| ContentCopies {
            target: status.target,
            actual: status.actual,
            healthy: status.healthy,
            health: status.health,
        }))
    }

    /// Every version of a document that is known, the newest first, also those that were removed.
    ///
    /// # Errors
    /// [`ContentError::NotFound`].
    pub async fn content_versions(&self, address: &Address) -> Result<Vec<ContentInfo>, Error> {
        let id = address.id();
        let found = self.store().read(move |reader| {
            let versions = reader.content_versions(&id)?.into_iter().rev();
            versions.map(|view| Ok((reader.blob(&view.entry.root)?, view))).collect::<Result<Vec<_>, _>>()
        });
        let found = found.await?;
        if found.is_empty() {
            return Err(ContentError::NotFound(address.clone()).into());
        }
        self.content_infos(found.into_iter().map(|(blob, view)| (view, blob)).collect()).await
    }

    /// The latest versions of documents, those stored last first: at most `limit` behind `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn search_content(
        &self,
        filter: ContentFilter,
        limit: usize,
        after: Option<ContentCursor>,
    ) -> Result<ContentPage, Error> {
        let found = self.store().read(move |reader| {
            let found = reader.content_search(&filter, limit.saturating_add(1), after)?;
            found.into_iter().map(|view| Ok((reader.blob(&view.entry.root)?, view))).collect::<Result<Vec<_>, _>>()
        });
        let mut found: Vec<Found> = found.await?.into_iter().map(|(blob, view)| (view, blob)).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(view, _)| view.cursor());
        Ok(ContentPage { contents: self.content_infos(found).await?, next })
    }

    /// The latest versions of documents that were stored for a role, those stored last first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list_content_by_role(&self, role: &str, limit: usize) -> Result<ContentPage, Error> {
        let filter = ContentFilter { creator_role: Some(role.to_owned()), ..ContentFilter::default() };
        self.search_content(filter, limit, None).await
    }

    /// Takes every version of a document away, for the whole team. What of it is on this node is dropped.
    ///
    /// # Errors
    /// [`ContentError::NotFound`], and [`Error::Refused`] when no role of this node may write.
    pub async fn remove_content(&self, address: &Address, provenance: Provenance) -> Result<(EventId, u64), Error> {
        let act = self.content_act(Operation::Remove, address)?;
        let removed = self.remove_noted(address, provenance, act.clone()).await;
        self.note_refusal(act, removed).await
    }

    async fn remove_noted(
        &self,
        address: &Address,
        provenance: Provenance,
        act: antiphon_core::trail::Act,
    ) -> Result<(EventId, u64), Error> {
        let id = address.id();
        let versions = self.store().read(move |reader| reader.content_versions(&id)).await?;
        if versions.is_empty() {
            return Err(ContentError::NotFound(address.clone()).into());
        }
        // What somebody is reading, serving or fetching here stays until that is over, see `replication::garbage`.
        let in_use = self.shared.transfers.in_use();
        let roots: BTreeSet<_> = versions.into_iter().map(|view| view.entry.root).collect();
        let going: Vec<_> = roots.into_iter().filter_map(|root| Some((root, in_use.dropping(root)?))).collect();
        let roots: Vec<_> = going.iter().map(|(root, _)| *root).collect();
        let (dropping, draft) = (roots.clone(), Draft::RemoveContent { id, provenance });
        let along = self.dht().along();
        let said = along.clone();
        let authored = self.author_noted(draft, move |db, _| {
            for root in &dropping {
                if !db.reader().content_root_needed(root)? {
                    db.drop_blob(root)?;
                    said.let_go(db, *root)?;
                }
            }
            db.trail(std::slice::from_ref(&act))
        });
        let (before, authored) = (self.blob_bytes().await?, authored.await?);
        self.dht().told(&along).await?;
        self.shared.contents.cache().forget_content(&id);
        let blobs = self.store().blobs();
        crate::tasks::Tasks::compute(move || roots.iter().try_for_each(|root| blobs.remove(root).map(drop)))
            .await
            .map_err(|_| Error::Stopped)??;
        drop(going);
        Ok((authored.event, before.saturating_sub(self.blob_bytes().await?)))
    }

    async fn blob_bytes(&self) -> Result<u64, Error> {
        Ok(self.store().read(|reader| reader.blobs_total()).await?.held)
    }

    /// What was done with documents since the node started, and what is here.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn content_metrics(&self) -> Result<ContentMetrics, Error> {
        let totals = self.store().read(|reader| reader.blobs_total()).await?;
        let shown = self.shared.contents.books().shown();
        let cache = self.shared.contents.cache();
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (cached, cache_bytes) = (wide(cache.len()), wide(cache.bytes()));
        Ok(ContentMetrics { cached, cache_bytes, blobs: totals.blobs, blob_bytes: totals.held, ..shown })
    }

    /// Drops what is too old from the cache, and says how many documents that were.
    pub fn clean_content_cache(&self) -> usize {
        self.shared.contents.cache().clean_up(now())
    }

    /// The secret keys of a role that this node holds, the newest first, in the form that the age command reads. Unless
    /// `all` are wanted, the newest alone.
    ///
    /// # Errors
    /// [`ContentError::NoSecret`] when it holds none.
    pub async fn export_role_key(&self, role: &str, all: bool) -> Result<Vec<Zeroizing<String>>, Error> {
        let team = self.team().await?;
        let keyring = self.keyring();
        let epochs = team.membership.role_keys().of_role(role);
        let held = epochs.into_iter().filter_map(|epoch| keyring.secret(role, &epoch.epoch));
        let keys: Vec<_> =
            held.take(if all { usize::MAX } else { 1 }).map(|secret| secret.expose_age_identity()).collect();
        let mut act = self.act(Operation::KeyAccess, String::new())?;
        act.role = Some(role.to_owned());
        if keys.is_empty() {
            let refusal = Err(ContentError::NoSecret(role.to_owned()).into());
            return self.note_refusal(act, refusal).await;
        }
        self.store().share(move |db| db.trail(&[act])).await?;
        Ok(keys)
    }

    /// The version that is meant.
    pub(crate) async fn content_version(&self, address: &Address, selector: Selector) -> Result<Found, Error> {
        let id = address.id();
        let found = self.store().read(move |reader| {
            let view = reader.content_version(&id, selector)?;
            let blob = view.as_ref().map(|view| reader.blob(&view.entry.root)).transpose()?.flatten();
            Ok((view, blob, reader.content_standing(&id)?))
        });
        let (view, blob, standing) = found.await?;
        let error = match view {
            Some(view) => return Ok((view, blob)),
            None if standing.versions > 0 => ContentError::NoVersion { address: address.clone(), selector },
            None if standing.removed > 0 => ContentError::Removed(address.clone()),
            None => ContentError::NotFound(address.clone()),
        };
        Err(error.into())
    }

    /// The same as it is shown.
    pub(super) async fn content_infos(&self, found: Vec<Found>) -> Result<Vec<ContentInfo>, Error> {
        let (team, keyring) = (self.team().await?, self.keyring());
        Ok(found.into_iter().map(|(view, blob)| info(&team, &keyring, view, blob.as_ref())).collect())
    }
}

/// One version, as it is shown.
pub(super) fn info(team: &TeamState, keyring: &Keyring, view: ContentView, blob: Option<&BlobView>) -> ContentInfo {
    let may = Rights::of(team, &team.own.node).is_ok_and(|rights| rights.reads(&view.entry.creator_role));
    let held = blob.map_or_else(ContentHeld::default, |blob| ContentHeld {
        bytes: blob.held_bytes,
        whole: blob.is_complete(),
        damaged: blob.damaged > 0,
    });
    let author_name = team.membership.member(&view.author).map(|member| member.grant.name.clone());
    let key_epoch = view.entry.key_epoch();
    ContentInfo {
        readable: may && opens(keyring, &view),
        address: view.entry.address,
        version: view.entry.version,
        creator_role: view.entry.creator_role,
        encrypted_for: view.entry.encrypted_for.into_iter().map(|(role, _)| role).collect(),
        key_epoch,
        content_type: view.entry.content_type,
        created_at: view.entry.created_at,
        size: view.entry.size,
        stored_size: view.entry.stored_size,
        hash: view.entry.hash,
        root: view.entry.root,
        author: view.author,
        author_name: author_name.unwrap_or_default(),
        event: view.event,
        removed: view.removed,
        unauthorised: view.unauthorised,
        concurrent: view.concurrent,
        held,
        copies: None,
    }
}

/// Whether a key is held that a version is encrypted for.
pub(super) fn opens(keyring: &Keyring, view: &ContentView) -> bool {
    view.entry.encrypted_for.iter().any(|(role, epoch)| keyring.secret(role, epoch).is_some())
}
