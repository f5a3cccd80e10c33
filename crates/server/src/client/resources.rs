//! Calls about resources.

use hyper::Method;

use super::calls::{percent_encoded, with_query};
use super::{Client, ClientError};
use crate::dto::{
    NewConsiderDto, NewResourceDto, OfferListDto, ResourceDetailDto, ResourceEditDto, ResourceFilterDto,
    ResourcePlanDto, ResourceSearchDto, ResourceToldDto, ResourceVerifiedDto, ResourcesDto,
};

const RESOURCES: &str = "/api/v1/resources";

impl Client {
    /// Offers a resource to the team.
    ///
    /// # Errors
    /// [`ClientError`], as every method here.
    pub async fn create_resource(&self, resource: &NewResourceDto) -> Result<ResourceToldDto, ClientError> {
        self.send(Method::POST, RESOURCES, resource).await
    }

    /// Changes a resource of this node.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn update_resource(&self, id: &str, edit: &ResourceEditDto) -> Result<ResourceToldDto, ClientError> {
        self.send(Method::PATCH, &path(id, ""), edit).await
    }

    /// Offers a resource of this node no longer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete_resource(&self, id: &str) -> Result<ResourceToldDto, ClientError> {
        self.send(Method::DELETE, &path(id, ""), &()).await
    }

    /// Lists the resources that are known here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn resources(&self, filter: &ResourceFilterDto) -> Result<ResourcesDto, ClientError> {
        self.get(&with_query(RESOURCES, filter)).await
    }

    /// One resource by its id, the beginning of it, or its name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn resource(&self, id: &str) -> Result<ResourceDetailDto, ClientError> {
        self.get(&path(id, "")).await
    }

    /// Searches the resources that are known here, and those of connected members if the filter says so.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn search_resources(&self, filter: &ResourceFilterDto) -> Result<ResourceSearchDto, ClientError> {
        self.send(Method::POST, &format!("{RESOURCES}/search"), filter).await
    }

    /// What every node offers, at a glance.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn offers(&self) -> Result<OfferListDto, ClientError> {
        self.get("/api/v1/offers").await
    }

    /// Asks the owner of a resource whether it is there.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn verify_resource(&self, id: &str) -> Result<ResourceVerifiedDto, ClientError> {
        self.send(Method::POST, &path(id, "/verify"), &()).await
    }

    /// Says when a resource of this node can be used.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn plan_resource(&self, id: &str, plan: &ResourcePlanDto) -> Result<ResourceToldDto, ClientError> {
        self.send(Method::POST, &path(id, "/plan"), plan).await
    }

    /// Acknowledges a planned use of a resource.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn consider_resource(&self, id: &str, consider: &NewConsiderDto) -> Result<ResourceToldDto, ClientError> {
        self.send(Method::POST, &path(id, "/considers"), consider).await
    }
}

fn path(id: &str, rest: &str) -> String {
    format!("{RESOURCES}/{}{rest}", percent_encoded(id))
}
