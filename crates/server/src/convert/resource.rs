//! Resources between the documented shapes and the node's values.

use std::collections::BTreeSet;

use antiphon_core::ids::{NodeId, ResourceId};
use antiphon_core::resource::notice::{Plan, Window};
use antiphon_core::resource::question::{FOUND_MAX, Question, Summary};
use antiphon_core::resource::{Edit, Error, Kind};
use antiphon_core::time::UnixMillis;
use antiphon_node::{
    ConsiderView, Offer, PlannedUse, ResourceDetail, ResourceDraft, ResourceFilter, ResourceSearch, ResourceTold,
    ResourceView, SearchedPeer, Verification,
};

use crate::dto::{
    Change, ConsiderDto, NewConsiderDto, NewResourceDto, OfferDto, OffersDto, ResourceCheckedDto, ResourceDetailDto,
    ResourceDto, ResourceEditDto, ResourceFilterDto, ResourcePlanDto, ResourceSearchDto, ResourceToldDto,
    ResourceVerifiedDto, ResourcesDto, Scalar, SearchedPeerDto, WindowDto,
};
use crate::error::Problem;
use crate::time::{self, rfc3339};

/// Resources that a search finds when nobody says how many.
const FOUND_DEFAULT: usize = 20;

/// A resource to be offered.
pub(crate) fn resource_of(dto: NewResourceDto) -> Result<ResourceDraft, Problem> {
    Ok(ResourceDraft {
        kind: kind_of(&dto.kind)?,
        name: dto.name,
        description: dto.description.unwrap_or_default(),
        address: dto.address,
        capabilities: set_of(dto.capabilities),
        tags: set_of(dto.tags),
        key: dto.idempotency_key,
    })
}

/// A change of one.
pub(crate) fn resource_edit_of(dto: ResourceEditDto) -> Result<Edit, Problem> {
    let labels = |change| changed(change).map(|labels| set_of(labels.unwrap_or_default()));
    Ok(Edit {
        kind: dto.kind.as_deref().map(kind_of).transpose()?,
        name: dto.name,
        description: changed(dto.description).map(Option::unwrap_or_default),
        address: changed(dto.address),
        capabilities: labels(dto.capabilities),
        tags: labels(dto.tags),
    })
}

fn changed<T>(change: Change<T>) -> Option<Option<T>> {
    match change {
        Change::Keep => None,
        Change::Clear => Some(None),
        Change::Set(value) => Some(Some(value)),
    }
}

fn kind_of(name: &str) -> Result<Kind, Problem> {
    Ok(name.parse::<Kind>().map_err(Error::from)?)
}

/// Labels without the white space around them.
fn set_of(labels: Vec<String>) -> BTreeSet<String> {
    labels.into_iter().map(|label| label.trim().to_owned()).collect()
}

/// Which resources to list; `owner` is the node that was named.
pub(crate) fn resource_filter_of(dto: ResourceFilterDto, owner: Option<NodeId>) -> Result<ResourceFilter, Problem> {
    Ok(ResourceFilter {
        text: dto.text.unwrap_or_default(),
        kind: dto.kind.as_deref().map(kind_of).transpose()?,
        capability: dto.capability,
        tag: dto.tag,
        owner,
        after: dto.after.as_deref().map(after_of).transpose()?,
    })
}

fn after_of(id: &str) -> Result<ResourceId, Problem> {
    let hint = "a resource id has 26 characters, as antiphon resources list shows them";
    id.parse().map_err(|_| Problem::bad_value("after", id, hint))
}

/// What to search for.
pub(crate) fn question_of(dto: ResourceFilterDto) -> Result<Question, Problem> {
    let question = Question {
        text: dto.text.unwrap_or_default(),
        kind: dto.kind.as_deref().map(kind_of).transpose()?,
        capability: dto.capability,
        tag: dto.tag,
        limit: dto.limit.unwrap_or(FOUND_DEFAULT).clamp(1, FOUND_MAX),
    };
    question.check()?;
    Ok(question)
}

/// When a resource can be used.
pub(crate) fn windows_of(plan: ResourcePlanDto) -> Result<Vec<Window>, Problem> {
    let window = |window: WindowDto| {
        Ok(Window { from: at_of("from", &window.from)?, until: at_of("until", &window.until)?, note: window.note })
    };
    plan.windows.into_iter().map(window).collect()
}

/// An acknowledgement of a planned use.
pub(crate) fn planned_use_of(dto: NewConsiderDto) -> Result<PlannedUse, Problem> {
    let (from, until) = (at_of("from", &dto.from)?, at_of("until", &dto.until)?);
    Ok(PlannedUse { from, until, yes: dto.yes, note: dto.note })
}

fn at_of(key: &str, at: &Scalar) -> Result<UnixMillis, Problem> {
    let hint = "write it as 2026-01-31T10:30:00Z, as 2026-01-31, or in Unix milliseconds";
    time::parse(&at.0).ok_or_else(|| Problem::bad_value(key, &at.0, hint))
}

pub(crate) fn resource(view: ResourceView) -> ResourceDto {
    let ResourceView { resource, owner, owner_name, ownership, learned_at, checked } = view;
    ResourceDto {
        id: resource.id.to_string(),
        kind: resource.kind.name().to_owned(),
        name: resource.name,
        description: Some(resource.description).filter(|text| !text.is_empty()),
        address: resource.address,
        capabilities: resource.capabilities.into_iter().collect(),
        tags: resource.tags.into_iter().collect(),
        version: resource.stamp.version,
        updated_at: rfc3339(resource.stamp.at),
        owner_peer_id: owner.to_string(),
        owner: owner_name,
        ownership: ownership.name().to_owned(),
        learned_at: rfc3339(learned_at),
        verified: checked.map(|checked| ResourceCheckedDto {
            at: rfc3339(checked.at),
            there: checked.held.is_some(),
            version: checked.held.map(|stamp| stamp.version),
        }),
    }
}

/// A page of at most `limit`; `views` has one more where there is a next page. What is found by words stands in the
/// order of how well it fits, so there is no page after it.
pub(crate) fn resources(views: Vec<ResourceView>, limit: usize, by_words: bool) -> ResourcesDto {
    let more = views.len() > limit && !by_words;
    let resources: Vec<_> = views.into_iter().take(limit).map(resource).collect();
    let next = resources.last().filter(|_| more).map(|resource| resource.id.clone());
    ResourcesDto { resources, next }
}

pub(crate) fn resource_detail(detail: ResourceDetail) -> ResourceDetailDto {
    ResourceDetailDto {
        resource: resource(detail.view),
        plan: detail.plan.map(plan),
        considers: detail.considers.into_iter().map(consider).collect(),
    }
}

fn plan(plan: Plan) -> ResourcePlanDto {
    let time = |at| Scalar(rfc3339(at));
    let window = |window: Window| WindowDto { from: time(window.from), until: time(window.until), note: window.note };
    ResourcePlanDto { windows: plan.windows.into_iter().map(window).collect(), at: Some(rfc3339(plan.at)) }
}

fn consider(view: ConsiderView) -> ConsiderDto {
    ConsiderDto {
        peer_id: view.node.to_string(),
        peer: view.name,
        from: rfc3339(view.consider.from),
        until: rfc3339(view.consider.until),
        yes: view.consider.yes,
        note: view.consider.note,
        at: rfc3339(view.consider.at),
    }
}

pub(crate) fn resource_told(told: ResourceTold) -> ResourceToldDto {
    ResourceToldDto { id: told.id.to_string(), version: told.stamp.version, members: told.members }
}

fn offers(summary: Summary) -> OffersDto {
    OffersDto {
        total: summary.total(),
        kinds: summary.kinds.iter().map(|(kind, count)| (kind.name().to_owned(), *count)).collect(),
        capabilities: summary.capabilities.into_iter().collect(),
    }
}

pub(crate) fn offer(offer: Offer) -> OfferDto {
    OfferDto {
        peer_id: offer.node.to_string(),
        peer: offer.name,
        ownership: offer.ownership.name().to_owned(),
        offers: offers(offer.summary),
    }
}

pub(crate) fn resource_search(search: ResourceSearch) -> ResourceSearchDto {
    let asked = |peer: SearchedPeer| {
        let (found, offered, reason) = match peer.answer {
            Ok((summary, found)) => (Some(found), Some(offers(summary)), None),
            Err(reason) => (None, None, Some(reason.name().to_owned())),
        };
        SearchedPeerDto { peer_id: peer.node.to_string(), peer: peer.name, found, offers: offered, reason }
    };
    ResourceSearchDto {
        resources: search.found.into_iter().map(resource).collect(),
        asked: search.asked.into_iter().map(asked).collect(),
    }
}

pub(crate) fn resource_verified(done: Verification) -> ResourceVerifiedDto {
    ResourceVerifiedDto {
        verdict: done.verdict.name().to_owned(),
        connected: done.connected,
        resource: resource(done.view),
    }
}
