//! The facts of one domain.

use antiphon_store::{DomainMark, DomainNews};

use super::Handle;
use crate::api::Error;
use crate::clock::now;

impl Handle {
    /// What became of the facts of a domain that are in recall since they were read up to `mark`, in the order in which they
    /// came to this node, and the mark of what is read now. Where all of them are given, they are the first `limit`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn domain_since(
        &self,
        domain: &str,
        mark: Option<DomainMark>,
        limit: usize,
    ) -> Result<(DomainNews, DomainMark), Error> {
        let domain = domain.to_owned();
        let read = self.store().read(move |reader| reader.domain_since(&domain, mark.as_ref(), now(), limit));
        Ok(read.await?)
    }
}
