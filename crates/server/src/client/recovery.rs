//! One typed method per route about sealed copies and recoveries.

use hyper::Method;

use super::calls::percent_encoded;
use super::{Client, ClientError};
use crate::dto::{
    FormerPlaceDto, FormerPlaceRequestDto, RecoverDto, RecoveryDto, RecoveryRequestDto, SealDto, SealResultDto,
    SealedDto, UnsealedDto,
};

impl Client {
    /// Leaves a sealed copy of the private facts with members.
    ///
    /// # Errors
    /// [`ClientError`], as every method here.
    pub async fn seal_backup(&self, seal: &SealDto) -> Result<SealResultDto, ClientError> {
        self.send(Method::POST, "/api/v1/sealed-copies", seal).await
    }

    /// Who keeps sealed copies of this node's private facts, and for whom it keeps some.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn sealed_copies(&self) -> Result<SealedDto, ClientError> {
        self.get("/api/v1/sealed-copies").await
    }

    /// Has a member forget the sealed copy that it keeps.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn unseal_backup(&self, peer: &str) -> Result<UnsealedDto, ClientError> {
        self.send(Method::DELETE, &format!("/api/v1/sealed-copies/{}", percent_encoded(peer)), &()).await
    }

    /// Asks a member what place this key has in its team.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn former_place(&self, asked: &FormerPlaceRequestDto) -> Result<FormerPlaceDto, ClientError> {
        self.send(Method::POST, "/api/v1/recover/place", asked).await
    }

    /// Takes that place again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn recover(&self, recover: &RecoverDto) -> Result<FormerPlaceDto, ClientError> {
        self.send(Method::POST, "/api/v1/recover", recover).await
    }

    /// Takes back what connected members keep sealed, and says how far the recovery is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn recovery(&self, asked: &RecoveryRequestDto) -> Result<RecoveryDto, ClientError> {
        self.send(Method::POST, "/api/v1/recover/progress", asked).await
    }
}
