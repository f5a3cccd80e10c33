//! Telling the hash table of documents.

use antiphon_core::address::{Address, Selector};
use antiphon_core::dht::Pointer;
use antiphon_store::ContentView;

use crate::api::{ContentInfo, Error};
use crate::handle::Handle;

impl Handle {
    /// Tells the hash table again where the latest version of a document stands in the index, and that this node holds
    /// it, if it holds all of it; says whether it does. Members hear of it as soon as they can be reached.
    ///
    /// # Errors
    /// As [`Handle::content`], and [`Error::Dht`] when there is no room for more records.
    pub async fn announce_content(&self, address: &Address) -> Result<(ContentInfo, bool), Error> {
        let (view, blob) = self.content_version(address, Selector::Latest).await?;
        let held = blob.as_ref().is_some_and(antiphon_store::BlobView::is_complete);
        // That a newer one stands in the table already is what was wanted.
        let _stands = self.dht().publish_pointer(pointer_to(&view), view.entry.version).await?;
        if held {
            self.dht().provide_root(view.entry.root).await?;
        }
        let content = self.content_infos(vec![(view, blob)]).await?.pop().ok_or(Error::Stopped)?;
        Ok((content, held))
    }
}

/// What the hash table is told of a version.
pub(super) fn pointer_to(view: &ContentView) -> Pointer {
    Pointer { content: view.id(), event: view.event, store: view.store, root: view.entry.root }
}
