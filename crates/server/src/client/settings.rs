//! Calls about the settings of the node.

use hyper::Method;
use hyper::body::Bytes;

use super::{Client, ClientError};
use crate::dto::{ReloadedDto, SettingsDto};

impl Client {
    /// The settings the node goes by, and what changed since.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn settings(&self) -> Result<SettingsDto, ClientError> {
        self.get("/api/v1/settings").await
    }

    /// Has the settings read again.
    ///
    /// # Errors
    /// [`ClientError`] with a problem when the file cannot be used; then nothing changed.
    pub async fn reload_settings(&self) -> Result<ReloadedDto, ClientError> {
        self.call(Method::POST, "/api/v1/settings/reload", Bytes::new()).await
    }
}
