//! Asking the memory: here, at a time, and at members.

use antiphon_core::fact::Level;
use antiphon_core::ids::StoreId;
use antiphon_node::Origin;

use super::Service;
use super::divergences::SIDE_OF_MANY_BYTES_MAX;
use crate::convert;
use crate::dto::{RecallDto, RecallRequestDto, ShownDto};
use crate::error::Problem;

impl Service {
    pub(crate) async fn recall(&self, request: RecallRequestDto) -> Result<RecallDto, Problem> {
        let seen = self.seen();
        let author = self.author_of(request.author.as_deref()).await?;
        let origin = self.origin_of(request.origin.as_deref()).await?;
        let query = convert::query_of(&request, author, origin, seen.now)?;
        let (limit, as_of) = (query.limit, query.as_of);
        let members = async {
            match request.peers {
                Some(true) => self.handle.recall_at_members(&query).await.map(Some),
                _ => Ok(None),
            }
        };
        let (here, told) = tokio::join!(self.handle.recall(query.clone()), members);
        let mut answer = convert::recall(here?, as_of, seen);
        self.counts.recalled();
        if as_of.is_none() {
            self.add_sides(answer.hits.iter_mut().map(|hit| &mut hit.fact), SIDE_OF_MANY_BYTES_MAX).await?;
        }
        if let Some(told) = told? {
            convert::add_told(&mut answer, told, limit, seen);
        }
        Ok(answer)
    }

    /// The store or the node that a filter names.
    async fn origin_of(&self, name: Option<&str>) -> Result<Option<Origin>, Problem> {
        match name.and_then(|name| name.trim().parse::<StoreId>().ok()) {
            Some(store) => Ok(Some(Origin::Store(store))),
            None => Ok(self.author_of(name).await?.map(Origin::Node)),
        }
    }

    /// The deepest level that the team shares.
    pub(crate) async fn shared_up_to(&self) -> Result<Level, Problem> {
        Ok(self.handle.shared_up_to().await?)
    }

    pub(crate) async fn shown(&self) -> Result<ShownDto, Problem> {
        Ok(convert::shown(self.handle.shown_on_request().await?))
    }

    pub(crate) async fn set_shown(&self, shown: &ShownDto) -> Result<ShownDto, Problem> {
        let up_to = convert::shown_of(shown)?;
        self.handle.set_shown_on_request(up_to).await?;
        Ok(convert::shown(up_to))
    }
}
