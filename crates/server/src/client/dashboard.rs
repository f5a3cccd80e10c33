//! Links to the dashboard.

use hyper::Method;

use super::{Client, ClientError};
use crate::dto::DashboardLinkDto;

impl Client {
    /// A link that lets one browser into the dashboard, once.
    ///
    /// # Errors
    /// [`ClientError`]; a node whose HTTP door is closed has no dashboard.
    pub async fn dashboard_link(&self) -> Result<DashboardLinkDto, ClientError> {
        self.send(Method::POST, "/api/v1/dashboard/link", &()).await
    }
}
