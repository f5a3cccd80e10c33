//! Bringing a ciphertext to this node, and who may have it.

use antiphon_core::address::{Address, Selector};
use antiphon_core::content::{BLOCK_BYTES, Shape};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_store::ContentView;
use tokio::sync::watch;

use super::{FetchError, Progress};
use crate::api::{
    ContentError, ContentInfo, ContentProvider, ContentSource, Error, Evidence, PROVIDERS_MAX, PeerView,
    ProviderSource, Trust,
};
use crate::handle::Handle;
use crate::team::TeamState;

impl Handle {
    /// Who is known to hold a version of a document: this node, whoever stored it, and those that say so in the hash
    /// table. Whether they still do shows when they are asked for it.
    ///
    /// # Errors
    /// As [`Handle::content`].
    pub async fn discover_peers(
        &self,
        address: &Address,
        selector: Selector,
    ) -> Result<(ContentInfo, Vec<ContentProvider>), Error> {
        let content = self.content(address, selector).await?;
        let announced = self.announced_holders(&content.root).await?;
        let holders = self.holders(&content, announced).await?;
        Ok((content, holders))
    }

    /// The same, without asking anybody.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Store`].
    pub async fn known_holders(&self, content: &ContentInfo) -> Result<Vec<ContentProvider>, Error> {
        self.holders(content, Vec::new()).await
    }

    async fn holders(&self, content: &ContentInfo, announced: Vec<NodeId>) -> Result<Vec<ContentProvider>, Error> {
        let (own, peers) = (self.shared.key.node_id(), self.peers().await?);
        let root = content.root;
        let status = self.shared.care.with(move |manager, at| manager.status(&root, at)).await?;
        let mut found: Vec<ContentProvider> = Vec::new();
        let mut add = |peer: NodeId, known_by: ProviderSource| {
            if found.iter().any(|known| known.peer == peer) {
                return;
            }
            let view = peers.iter().find(|view| view.peer_id == peer);
            found.push(ContentProvider {
                peer,
                name: view.map(|view| view.name.clone()).unwrap_or_default(),
                known_by,
                connected: peer == own || view.is_some_and(|view| view.connected),
            });
        };
        if content.held.whole {
            add(own, ProviderSource::Own);
        }
        for provider in status.map(|status| status.providers).unwrap_or_default() {
            match provider.evidence {
                Evidence::Proved(_) if provider.node != own => add(provider.node, ProviderSource::Proved),
                Evidence::Claimed(_) if provider.node != own => add(provider.node, ProviderSource::Claimed),
                _ => {}
            }
        }
        if content.author != own {
            add(content.author, ProviderSource::Author);
        }
        announced.into_iter().filter(|peer| *peer != own).for_each(|peer| add(peer, ProviderSource::Announced));
        found.truncate(PROVIDERS_MAX);
        Ok(found)
    }

    /// Who says in the hash table that it holds a ciphertext.
    async fn announced_holders(&self, root: &Hash) -> Result<Vec<NodeId>, Error> {
        self.dht().find_roots(*root).await
    }

    /// Sees to it that all of a version is on this node, and says where it came from. What was fetched stays.
    ///
    /// Whoever stored it and whoever is connected are asked first, since that takes a round trip; only when they do not
    /// have it the hash table is asked who does.
    pub(super) async fn bring(&self, team: &TeamState, view: &ContentView) -> Result<ContentSource, Error> {
        let root = view.entry.root;
        let held = self.store().read(move |reader| reader.blob(&root)).await?;
        if held.is_some_and(|blob| blob.is_complete()) {
            return Ok(ContentSource::Own);
        }
        let near = self.sources(team, view).await?;
        let fetched = match self.fetch_from(view, near.clone()).await {
            Err(Error::Content(error)) if matches!(*error, ContentError::Unavailable { .. }) => {
                let announced = self.announced_holders(&root).await?.into_iter();
                let far: Vec<NodeId> = announced.filter(|node| is_other(team, node) && !near.contains(node)).collect();
                if far.is_empty() {
                    return Err(Error::Content(error));
                }
                self.fetch_from(view, far).await?
            }
            done => done?,
        };
        self.dht().provide_root(root).await?;
        Ok(ContentSource::Peers { bytes: fetched })
    }

    /// Fetches what is missing, and says how many bytes that were.
    async fn fetch_from(&self, view: &ContentView, providers: Vec<NodeId>) -> Result<u64, Error> {
        let root = view.entry.root;
        let unavailable = |why: String| ContentError::Unavailable { address: view.entry.address.clone(), why };
        if providers.is_empty() {
            return Err(unavailable("no other member is known to be there".to_owned()).into());
        }
        let (progress, seen) = watch::channel(Progress::default());
        let _shown = self.shared.contents.show_progress(root, seen);
        let shape = Shape { length: view.entry.stored_size };
        match self.shared.transfers.fetch(root, shape, providers, &progress).await {
            Ok(fetched) => Ok(fetched.bytes),
            Err(FetchError::Blob(error)) => Err(error.into()),
            Err(FetchError::Store(error)) => Err(error.into()),
            Err(FetchError::Stopped) => Err(Error::Stopped),
            Err(error) => Err(unavailable(error.to_string()).into()),
        }
    }

    /// Whom to ask at once: who stored it, and every member that is connected, since any of them may have fetched it.
    async fn sources(&self, team: &TeamState, view: &ContentView) -> Result<Vec<NodeId>, Error> {
        let peers = self.peers().await?;
        let mut there: Vec<NodeId> = peers.iter().filter(|peer| is_there(peer)).map(|peer| peer.peer_id).collect();
        // Who stored it comes first if it is there; if not it may be dialled, for it is known to have it.
        there.sort_by_key(|node| *node != view.author);
        if !there.contains(&view.author) {
            there.truncate(PROVIDERS_MAX - 1);
            there.push(view.author);
        }
        there.retain(|node| is_other(team, node));
        there.truncate(PROVIDERS_MAX);
        Ok(there)
    }

    /// Bytes of a ciphertext that have come so far, while it is fetched.
    pub(super) fn fetched_so_far(&self, root: &Hash) -> Option<u64> {
        let progress = self.shared.contents.progress_of(root)?;
        let progress = progress.borrow();
        Some(progress.held.saturating_mul(BLOCK_BYTES).min(progress.length))
    }
}

fn is_there(peer: &PeerView) -> bool {
    peer.connected && peer.trust == Trust::Verified
}

fn is_other(team: &TeamState, node: &NodeId) -> bool {
    *node != team.own.node && team.membership.member(node).is_some()
}
