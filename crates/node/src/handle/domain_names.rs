//! The names of domains.

use super::Handle;
use crate::api::Error;

impl Handle {
    /// Domains of facts that begin with `typed`, in their order: the first `limit`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn domain_names(&self, typed: &str, limit: usize) -> Result<Vec<String>, Error> {
        let typed = typed.to_owned();
        Ok(self.store().read(move |reader| reader.domain_names(&typed, limit)).await?)
    }
}
