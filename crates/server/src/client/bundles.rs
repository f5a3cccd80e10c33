//! One typed method per route about what is carried by hand.

use hyper::Method;
use hyper::body::Bytes;

use super::calls::with_query;
use super::{Client, ClientError};
use crate::dto::{BundleAskDto, BundleFileDto, BundleTakeDto, CarriedDto, CursorDto, ImportedDto};

impl Client {
    /// Begins a handshake by hand.
    ///
    /// # Errors
    /// [`ClientError`], as every method here.
    pub async fn bundle_handshake(&self, ask: &BundleAskDto) -> Result<BundleFileDto, ClientError> {
        self.send(Method::POST, "/api/v1/bundles/handshake", ask).await
    }

    /// Answers a handshake by hand.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn bundle_answer(&self, file: Vec<u8>, take: &BundleTakeDto) -> Result<BundleFileDto, ClientError> {
        self.transfer(Method::POST, &with_query("/api/v1/bundles/answer", take), Bytes::from(file)).await
    }

    /// Completes a handshake by hand.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn bundle_complete(&self, file: Vec<u8>) -> Result<CarriedDto, ClientError> {
        self.transfer(Method::POST, "/api/v1/bundles/complete", Bytes::from(file)).await
    }

    /// Takes facts along.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn bundle_export(&self, ask: &BundleAskDto) -> Result<BundleFileDto, ClientError> {
        self.send(Method::POST, "/api/v1/bundles/export", ask).await
    }

    /// Takes facts in.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn bundle_import(&self, file: Vec<u8>, take: &BundleTakeDto) -> Result<ImportedDto, ClientError> {
        self.transfer(Method::POST, &with_query("/api/v1/bundles/import", take), Bytes::from(file)).await
    }

    /// How much of each log the node holds.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn bundle_cursor(&self) -> Result<CursorDto, ClientError> {
        self.get("/api/v1/bundles/cursor").await
    }
}
