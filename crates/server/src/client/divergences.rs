//! Calls about divergences.

use hyper::Method;

use super::calls::{percent_encoded, with_query};
use super::{Client, ClientError};
use crate::dto::{DivergenceDto, DivergenceFilterDto, DivergencesDto, ResolveDto, ResolvedDto};

const DIVERGENCES: &str = "/api/v1/divergences";

impl Client {
    /// Lists what was changed on several machines at once.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn divergences(&self, filter: &DivergenceFilterDto) -> Result<DivergencesDto, ClientError> {
        self.get(&with_query(DIVERGENCES, filter)).await
    }

    /// A fact or an incident with its diverged fields, by its id or the beginning of it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn divergence(&self, id: &str) -> Result<DivergenceDto, ClientError> {
        self.get(&format!("{DIVERGENCES}/{}", percent_encoded(id))).await
    }

    /// Settles a divergence.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn resolve(&self, id: &str, resolve: &ResolveDto) -> Result<ResolvedDto, ClientError> {
        self.send(Method::POST, &format!("{DIVERGENCES}/{}/resolve", percent_encoded(id)), resolve).await
    }
}
