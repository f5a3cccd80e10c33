//! Divergences: listing, showing and settling them, and telling the sides of facts that are recalled.

use std::collections::BTreeMap;

use antiphon_node::SubjectId;

use super::Service;
use crate::convert::{self, Actor};
use crate::dto::{DivergenceDto, DivergenceFilterDto, DivergencesDto, FactDto, ResolveDto, ResolvedDto};
use crate::error::Problem;

/// Divergences on a page when nobody says how many.
const PAGE_DEFAULT: usize = 50;
/// Most divergences on one page.
const PAGE_MAX: usize = 200;
/// Longest value in a list, in bytes.
const LISTED_BYTES_MAX: usize = 400;
/// Most sides that come along with one fact.
const SIDES_MAX: usize = 8;
/// Longest value of a side that comes along with one fact, in bytes; the divergence itself gives the whole.
pub(super) const SIDE_BYTES_MAX: usize = 1_500;
/// Longest value of a side that comes along with one of many facts, in bytes.
pub(super) const SIDE_OF_MANY_BYTES_MAX: usize = 400;

impl Service {
    pub(crate) async fn divergences(&self, filter: DivergenceFilterDto) -> Result<DivergencesDto, Problem> {
        let limit = filter.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        // The kind does not matter: pages are in the order of the ids.
        let after = filter.after.as_deref().map(convert::after_of).transpose()?.map(SubjectId::Fact);
        let mut found = self.handle.divergences(limit.saturating_add(1), after).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|diverged| diverged.id().to_string());
        let divergences = found.into_iter().map(|one| convert::divergence(one, LISTED_BYTES_MAX)).collect();
        Ok(DivergencesDto { divergences, next })
    }

    pub(crate) async fn divergence(&self, id: &str) -> Result<DivergenceDto, Problem> {
        let id = self.handle.resolve_subject(id).await?;
        Ok(convert::divergence(self.handle.divergence(id).await?, usize::MAX))
    }

    pub(crate) async fn resolve(&self, id: &str, resolve: ResolveDto) -> Result<ResolvedDto, Problem> {
        let choice = convert::choice_of(&resolve)?;
        let ResolveDto { agent, tool, session, source_kind, .. } = resolve;
        let provenance = convert::provenance_of(Actor { agent, tool, session, source_kind })?;
        let id = self.handle.resolve_subject(id).await?;
        Ok(convert::resolved(id, self.handle.settle(id, choice, provenance).await?))
    }

    /// Puts the sides of diverged facts beside what is shown of them; values longer than `bytes` are cut.
    pub(super) async fn add_sides<'a>(
        &self,
        facts: impl Iterator<Item = &'a mut FactDto>,
        bytes: usize,
    ) -> Result<(), Problem> {
        let mut diverged: BTreeMap<_, _> = facts
            .filter(|fact| !fact.diverged.is_empty())
            .filter_map(|fact| Some((fact.id.parse().ok()?, fact)))
            .collect();
        if diverged.is_empty() {
            return Ok(());
        }
        for (id, sides) in self.handle.sides_of(diverged.keys().copied().collect(), SIDES_MAX).await? {
            if let Some(fact) = diverged.get_mut(&id) {
                fact.sides = convert::fact_sides(sides, bytes);
            }
        }
        Ok(())
    }
}
