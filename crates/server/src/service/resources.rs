//! Resources: offering them, finding those of others, and agreeing on their use.

use std::time::Duration;

use super::Service;
use crate::convert;
use crate::dto::{
    NewConsiderDto, NewResourceDto, OfferListDto, ResourceDetailDto, ResourceEditDto, ResourceFilterDto,
    ResourcePlanDto, ResourceSearchDto, ResourceToldDto, ResourceVerifiedDto, ResourcesDto,
};
use crate::error::Problem;

/// Resources on a page when nobody says how many.
const PAGE_RESOURCES_DEFAULT: usize = 100;
/// Most resources on one page.
const PAGE_RESOURCES_MAX: usize = 1_000;
/// How long somebody waits for an owner that is connected.
const VERIFY_PATIENCE: Duration = Duration::from_secs(10);

impl Service {
    pub(crate) async fn create_resource(&self, resource: NewResourceDto) -> Result<ResourceToldDto, Problem> {
        let draft = convert::resource_of(resource)?;
        Ok(convert::resource_told(self.handle.create_resource(draft).await?))
    }

    pub(crate) async fn update_resource(&self, id: &str, edit: ResourceEditDto) -> Result<ResourceToldDto, Problem> {
        let edit = convert::resource_edit_of(edit)?;
        let id = self.handle.resolve_resource(id).await?;
        Ok(convert::resource_told(self.handle.update_resource(id, edit).await?))
    }

    pub(crate) async fn delete_resource(&self, id: &str) -> Result<ResourceToldDto, Problem> {
        let id = self.handle.resolve_resource(id).await?;
        Ok(convert::resource_told(self.handle.delete_resource(id).await?))
    }

    pub(crate) async fn resources(&self, filter: ResourceFilterDto) -> Result<ResourcesDto, Problem> {
        let limit = filter.limit.unwrap_or(PAGE_RESOURCES_DEFAULT).clamp(1, PAGE_RESOURCES_MAX);
        let owner = self.author_of(filter.owner.as_deref()).await?;
        let by_words = filter.text.as_deref().is_some_and(|text| !text.trim().is_empty());
        let filter = convert::resource_filter_of(filter, owner)?;
        let views = self.handle.resources(filter, limit.saturating_add(1)).await?;
        Ok(convert::resources(views, limit, by_words))
    }

    pub(crate) async fn resource(&self, id: &str) -> Result<ResourceDetailDto, Problem> {
        let id = self.handle.resolve_resource(id).await?;
        Ok(convert::resource_detail(self.handle.resource(id).await?))
    }

    pub(crate) async fn search_resources(&self, filter: ResourceFilterDto) -> Result<ResourceSearchDto, Problem> {
        let ask = filter.peers.unwrap_or(false);
        let question = convert::question_of(filter)?;
        Ok(convert::resource_search(self.handle.search_resources(question, ask).await?))
    }

    pub(crate) async fn offers(&self) -> Result<OfferListDto, Problem> {
        let offers = self.handle.offers().await?;
        Ok(OfferListDto { offers: offers.into_iter().map(convert::offer).collect() })
    }

    pub(crate) async fn verify_resource(&self, id: &str) -> Result<ResourceVerifiedDto, Problem> {
        let id = self.handle.resolve_resource(id).await?;
        Ok(convert::resource_verified(self.handle.verify_resource(id, VERIFY_PATIENCE).await?))
    }

    pub(crate) async fn plan_resource(&self, id: &str, plan: ResourcePlanDto) -> Result<ResourceToldDto, Problem> {
        let windows = convert::windows_of(plan)?;
        let id = self.handle.resolve_resource(id).await?;
        Ok(convert::resource_told(self.handle.plan_resource(id, windows).await?))
    }

    pub(crate) async fn consider_resource(
        &self,
        id: &str,
        consider: NewConsiderDto,
    ) -> Result<ResourceToldDto, Problem> {
        let peer = match consider.peer.as_deref() {
            Some(peer) => Some(self.handle.peer(peer).await?.peer_id),
            None => None,
        };
        let planned = convert::planned_use_of(consider)?;
        let id = self.handle.resolve_resource(id).await?;
        Ok(convert::resource_told(self.handle.consider_resource(id, planned, peer).await?))
    }
}
