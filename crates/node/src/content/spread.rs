//! Telling the hash table of documents.

use antiphon_core::address::{Address, Selector};

use crate::api::{ContentInfo, Error};
use crate::handle::Handle;

impl Handle {
    /// Tells the hash table again where the latest version of a document stands in the index, and that this node holds
    /// it, if it holds all of it; says whether it does.
    ///
    /// # Errors
    /// As [`Handle::content`].
    pub async fn announce_content(&self, address: &Address) -> Result<(ContentInfo, bool), Error> {
        let content = self.content(address, Selector::Latest).await?;
        let provided = content.held.whole;
        Ok((content, provided))
    }
}
