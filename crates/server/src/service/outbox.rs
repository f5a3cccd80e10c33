//! What waits for peers that cannot be reached.

use antiphon_core::outbox::Level;
use antiphon_node::{OUTBOX_PAGE_MAX, OutboxFilter, OutboxId};

use super::Service;
use crate::convert;
use crate::dto::{
    OutboxFilterDto, OutboxItemDto, OutboxItemsDto, OutboxLevelsDto, OutboxRetriedDto, OutboxRetryDto, OutboxStatsDto,
};
use crate::error::Problem;

/// Items on a page when nobody says how many.
const PAGE_DEFAULT: usize = 100;

impl Service {
    pub(crate) async fn outbox(&self, filter: OutboxFilterDto) -> Result<OutboxItemsDto, Problem> {
        let level = |name: String| {
            let found = Level::from_name(&name).filter(|level| *level != Level::None);
            found.ok_or_else(|| Problem::bad_value("level", &name, "use critical or moderate: others never wait"))
        };
        let peer = match &filter.peer {
            Some(text) => Some(self.handle.peer(text).await?.peer_id),
            None => None,
        };
        let level = filter.level.map(level).transpose()?;
        let after = filter.after.as_deref().map(id_of).transpose()?;
        let limit = filter.limit.unwrap_or(PAGE_DEFAULT).clamp(1, OUTBOX_PAGE_MAX);
        let page = self.handle.outbox(OutboxFilter { peer, level, after }, limit).await?;
        Ok(convert::outbox_items(page))
    }

    pub(crate) async fn outbox_item(&self, id: &str) -> Result<OutboxItemDto, Problem> {
        Ok(convert::outbox_item(self.handle.outbox_item(id_of(id)?).await?))
    }

    pub(crate) async fn retry_outbox(&self, retry: OutboxRetryDto) -> Result<OutboxRetriedDto, Problem> {
        let retried = match retry.id {
            Some(id) => self.handle.retry_outbox_item(id_of(&id)?).await?,
            None => self.handle.retry_outbox().await?,
        };
        Ok(convert::outbox_retried(retried))
    }

    pub(crate) async fn drop_outbox(&self, id: &str) -> Result<OutboxItemDto, Problem> {
        Ok(convert::outbox_item(self.handle.drop_outbox(id_of(id)?).await?))
    }

    pub(crate) fn outbox_levels(&self) -> OutboxLevelsDto {
        convert::outbox_levels(self.handle.outbox_levels())
    }

    pub(crate) async fn outbox_stats(&self) -> Result<OutboxStatsDto, Problem> {
        Ok(convert::outbox_stats(self.handle.outbox_stats().await?))
    }
}

fn id_of(text: &str) -> Result<OutboxId, Problem> {
    OutboxId::read(text).map_err(|error| Problem::from(&error))
}
