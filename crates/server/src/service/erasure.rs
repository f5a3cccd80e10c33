//! Forgetting for good.

use super::Service;
use crate::convert::{self, Actor};
use crate::dto::{ActorDto, ErasureDto};
use crate::error::{Code, Problem};

impl Service {
    pub(crate) async fn erase(&self, id: &str, actor: ActorDto) -> Result<ErasureDto, Problem> {
        let provenance = convert::provenance_of(Actor::from(actor))?;
        let fact = self.handle.resolve_fact(id).await?;
        self.handle.erase(fact, provenance).await?;
        self.erasure(&fact.to_string()).await
    }

    pub(crate) async fn erasure(&self, id: &str) -> Result<ErasureDto, Problem> {
        let fact = self.handle.resolve_fact(id).await?;
        let erasure = self.handle.erasure(fact).await?;
        erasure.map(convert::erasure).ok_or_else(|| {
            Problem::new(Code::NotFound, format!("fact {fact} was not erased"))
                .hint(format!("to erase it everywhere for good: antiphon facts forget {fact} --hard"))
        })
    }
}
