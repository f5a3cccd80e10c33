//! One typed method per route about forgetting for good.

use hyper::Method;

use super::calls::percent_encoded;
use super::{Client, ClientError};
use crate::dto::{ActorDto, ErasureDto};

impl Client {
    /// Erases a fact everywhere, for good.
    ///
    /// # Errors
    /// [`ClientError`], as every method here.
    pub async fn erase(&self, id: &str, actor: &ActorDto) -> Result<ErasureDto, ClientError> {
        self.send(Method::POST, &path(id), actor).await
    }

    /// How far the erasure of a fact has come.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn erasure(&self, id: &str) -> Result<ErasureDto, ClientError> {
        self.get(&path(id)).await
    }
}

fn path(id: &str) -> String {
    format!("/api/v1/facts/{}/erasure", percent_encoded(id))
}
