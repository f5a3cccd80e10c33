//! Bringing a ciphertext to this node, and who may have it.

use antiphon_core::address::{Address, Selector};
use antiphon_core::content::{BLOCK_BYTES, Shape};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_store::ContentView;
use tokio::sync::watch;

use super::{FetchError, Progress};
use crate::api::{
    ContentError, ContentInfo, ContentProvider, ContentSource, Error, PROVIDERS_MAX, PeerView, ProviderSource, Trust,
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
        if content.author != own {
            add(content.author, ProviderSource::Author);
        }
        announced.into_iter().filter(|peer| *peer != own).for_each(|peer| add(peer, ProviderSource::Announced));
        found.truncate(PROVIDERS_MAX);
        Ok(found)
    }

    /// Who says in the hash table that it holds a ciphertext.
    async fn announced_holders(&self, root: &Hash) -> Result<Vec<NodeId>, Error> {
        self.desk().find_roots(*root).await
    }

    /// Sees to it that all of a version is on this node, and says where it came from. What was fetched stays.
    pub(super) async fn bring(&self, team: &TeamState, view: &ContentView) -> Result<ContentSource, Error> {
        let root = view.entry.root;
        let held = self.store().read(move |reader| reader.blob(&root)).await?;
        if held.is_some_and(|blob| blob.is_complete()) {
            return Ok(ContentSource::Own);
        }
        let providers = self.sources(team, view).await?;
        if providers.is_empty() {
            let why = "no other member is known to be there".to_owned();
            return Err(ContentError::Unavailable { address: view.entry.address.clone(), why }.into());
        }
        let (progress, seen) = watch::channel(Progress::default());
        let shown = self.shared.contents.show_progress(root, seen);
        let shape = Shape { length: view.entry.stored_size };
        let fetched = self.shared.transfers.fetch(root, shape, providers, &progress).await;
        drop(shown);
        match fetched {
            Ok(fetched) => {
                self.desk().provide_root(root).await?;
                Ok(ContentSource::Peers { bytes: fetched.bytes })
            }
            Err(FetchError::Blob(error)) => Err(error.into()),
            Err(FetchError::Store(error)) => Err(error.into()),
            Err(FetchError::Stopped) => Err(Error::Stopped),
            Err(error) => {
                Err(ContentError::Unavailable { address: view.entry.address.clone(), why: error.to_string() }.into())
            }
        }
    }

    /// Whom to ask, the likeliest first: who stored it, who says that it holds it, and then every member that is
    /// connected, since any of them may have fetched it.
    async fn sources(&self, team: &TeamState, view: &ContentView) -> Result<Vec<NodeId>, Error> {
        let own = team.own.node;
        let peers = self.peers().await?;
        let there = |node: &NodeId| peers.iter().any(|peer| peer.peer_id == *node && is_there(peer));
        let mut sources = Vec::new();
        let mut add = |node: NodeId| {
            if node != own && !sources.contains(&node) && team.membership.member(&node).is_some() {
                sources.push(node);
            }
        };
        if there(&view.author) {
            add(view.author);
        }
        self.announced_holders(&view.entry.root).await?.into_iter().for_each(&mut add);
        peers.iter().filter(|peer| is_there(peer)).map(|peer| peer.peer_id).for_each(&mut add);
        // Who is not there now may be dialled: it is known to have it.
        add(view.author);
        sources.truncate(PROVIDERS_MAX);
        Ok(sources)
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
