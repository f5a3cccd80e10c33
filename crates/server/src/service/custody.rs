//! Who has signed that it holds what, and whether this machine can be wiped.

use super::Service;
use crate::convert;
use crate::dto::{FactReceiptsDto, ReceiptsAskedDto, ReceiptsDto, WipeCheckDto};
use crate::error::Problem;

impl Service {
    pub(crate) async fn fact_receipts(&self, id: &str) -> Result<FactReceiptsDto, Problem> {
        let fact = self.handle.resolve_fact(id).await?;
        Ok(convert::fact_receipts(self.handle.fact_receipts(fact).await?))
    }

    pub(crate) async fn receipts(&self) -> Result<ReceiptsDto, Problem> {
        Ok(convert::receipts(self.handle.receipts().await?))
    }

    pub(crate) async fn ask_for_receipts(&self) -> Result<ReceiptsAskedDto, Problem> {
        Ok(ReceiptsAskedDto { members: self.handle.ask_for_receipts().await? })
    }

    pub(crate) async fn wipe_check(&self) -> Result<WipeCheckDto, Problem> {
        Ok(convert::wipe_check(self.handle.wipe_check().await?))
    }
}
