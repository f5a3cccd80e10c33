//! Completion: what may stand in an argument of a prompt, or in the address of a resource.
//!
//! Values come from what is here: ids of facts and divergences, domains, and the parts of documents' addresses, where
//! the parts that were chosen before narrow down the rest. What is not known gets no suggestion, which is no error: a
//! person types it.

use std::collections::BTreeSet;

use antiphon_core::address::Address;
use antiphon_core::ids::FactId;
use rmcp::model::{ArgumentInfo, CompleteRequestParams, CompletionContext, CompletionInfo, Reference};

use super::prompts::{BRIEFING, REVIEW};
use super::subject::FACT;
use crate::dto::{ContentFilterDto, DivergenceFilterDto, FactFilterDto};
use crate::error::Problem;
use crate::service::Service;

/// Most things that are looked at for values.
const LOOKED_AT_MAX: usize = 1_000;
/// Letters of an id.
const ID_LETTERS: usize = 26;

/// What fits an argument as far as it is typed.
pub(super) async fn complete(service: &Service, asked: CompleteRequestParams) -> Result<CompletionInfo, Problem> {
    let CompleteRequestParams { r#ref: of, argument, context, .. } = asked;
    let values = match &of {
        Reference::Prompt(prompt) => match (prompt.name.as_str(), argument.name.as_str()) {
            (BRIEFING, "domain") => service.domain_names(&argument.value, CompletionInfo::MAX_VALUES + 1).await?,
            (REVIEW, "id") => divergences(service, &argument.value).await?,
            _ => Vec::new(),
        },
        Reference::Resource(template) => match argument.name.as_str() {
            "id" if template.uri.starts_with(FACT) => facts(service, &argument.value).await?,
            _ if template.uri.starts_with(antiphon_core::address::SCHEME) => {
                parts(service, argument, context.unwrap_or_default()).await?
            }
            _ => Vec::new(),
        },
        // Another kind of reference is one of a revision that is not spoken here.
        _ => Vec::new(),
    };
    Ok(shown(values))
}

/// As many as may be shown, and whether there are more.
fn shown(mut values: Vec<String>) -> CompletionInfo {
    let more = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    let mut info = CompletionInfo::default();
    (info.values, info.has_more) = (values, Some(more));
    info
}

async fn divergences(service: &Service, typed: &str) -> Result<Vec<String>, Problem> {
    let filter = DivergenceFilterDto { limit: Some(LOOKED_AT_MAX), ..DivergenceFilterDto::default() };
    let found = service.divergences(filter).await?.divergences;
    Ok(found.into_iter().map(|one| one.id).filter(|id| begins(id, typed)).collect())
}

/// Ids that begin with what is typed, the newest first, as facts are listed.
async fn facts(service: &Service, typed: &str) -> Result<Vec<String>, Problem> {
    let typed = typed.to_ascii_uppercase();
    let Some(after) = behind(&typed) else { return Ok(Vec::new()) };
    let filter = FactFilterDto { limit: Some(CompletionInfo::MAX_VALUES + 1), after, ..FactFilterDto::default() };
    let found = service.facts(filter).await?.facts;
    Ok(found.into_iter().map(|fact| fact.id).filter(|id| begins(id, &typed)).collect())
}

/// The first id behind all that begin with `typed`: none where there is no such, nothing at all where nothing can begin
/// with it.
fn behind(typed: &str) -> Option<Option<String>> {
    // No id begins with a letter above 7.
    let typed = if typed.is_empty() { "7" } else { typed };
    let last: FactId = format!("{typed:Z<ID_LETTERS$}").parse().ok()?;
    let first = u128::from_be_bytes(last.0).checked_add(1);
    Some(first.map(|first| FactId(first.to_be_bytes()).to_string()))
}

/// Values of one part of an address, among the newest documents that have the parts chosen before.
async fn parts(service: &Service, argument: ArgumentInfo, context: CompletionContext) -> Result<Vec<String>, Problem> {
    let chosen = context.arguments.unwrap_or_default();
    let given = |part: &str| chosen.get(part).filter(|word| !word.is_empty() && argument.name != part).cloned();
    let filter = ContentFilterDto {
        agent: given("agent"),
        role: given("role"),
        project: given("project"),
        task: given("task"),
        limit: Some(LOOKED_AT_MAX),
        ..ContentFilterDto::default()
    };
    let found = service.contents(filter).await?.contents;
    let part = |address: &Address| {
        Some(match argument.name.as_str() {
            "agent" => address.agent().to_owned(),
            "role" => address.role().to_owned(),
            "project" => address.project().to_owned(),
            "task" => address.task().to_owned(),
            "path" => address.path().to_owned(),
            _ => return None,
        })
    };
    let live = found.into_iter().filter(|content| !content.removed && !content.unauthorised);
    let addresses = live.filter_map(|content| Some(Address::parse(&content.address).ok()?.0));
    let values: BTreeSet<String> =
        addresses.filter_map(|address| part(&address)).filter(|value| begins(value, &argument.value)).collect();
    Ok(values.into_iter().collect())
}

fn begins(value: &str, typed: &str) -> bool {
    value.get(..typed.len()).is_some_and(|head| head.eq_ignore_ascii_case(typed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_looked_for_from_the_last_that_can_begin_so() {
        assert_eq!(behind(""), Some(None));
        assert_eq!(behind("01"), Some(Some("02000000000000000000000000".to_owned())));
        assert_eq!(behind("7Z"), Some(None));
        assert_eq!(behind("8"), None);
        assert_eq!(behind("01!"), None);
        assert_eq!(behind(&"0".repeat(40)), None);
    }

    #[test]
    fn what_begins_so_is_shown_up_to_the_bound() {
        assert!(begins("Backend", "back") && !begins("Backend", "backends") && begins("é", "") && !begins("é", "e"));
        let info = shown((0..150).map(|n| n.to_string()).collect());
        assert_eq!((info.values.len(), info.has_more), (100, Some(true)));
        assert_eq!(shown(vec!["a".to_owned()]).has_more, Some(false));
    }
}
