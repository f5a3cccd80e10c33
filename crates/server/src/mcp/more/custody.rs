//! The tools about who holds what.

use antiphon_node::count;
use serde::Deserialize;

use super::More;
use super::show::{Answer, answer, lines};
use crate::dto::{FactHoldingDto, FactReceiptsDto, MemberReceiptDto, ReceiptsDto, WipeCheckDto};
use crate::error::Problem;
use crate::mcp::args::{Nothing, read};
use crate::mcp::render::{Rendered, quoted};
use crate::service::Service;

/// Arguments of `receipts`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MaybeFact {
    id: Option<String>,
}

pub(super) async fn run(
    service: &Service,
    tool: More,
    arguments: rmcp::model::JsonObject,
) -> Result<Rendered, Problem> {
    if tool == More::WipeCheck {
        let Nothing {} = read(arguments)?;
        return wipe(&service.wipe_check().await?);
    }
    match read::<MaybeFact>(arguments)?.id {
        Some(id) => of_fact(&service.fact_receipts(&id).await?),
        None => all(&service.receipts().await?),
    }
}

fn of_fact(receipts: &FactReceiptsDto) -> Answer {
    let heading = if receipts.shared {
        format!("{}: {} of {} other members hold it.", receipts.fact, receipts.held, receipts.members.len())
    } else {
        format!("{}: it is not shared.", receipts.fact)
    };
    let line = |member: &FactHoldingDto| {
        let why = member.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!("- {} {}{why}", quoted(&member.name), member.holding)
    };
    answer(lines(heading, &receipts.members, line), receipts)
}

fn all(receipts: &ReceiptsDto) -> Answer {
    let line = |member: &MemberReceiptDto| {
        let stuck: u64 = member.stuck.iter().map(|stuck| stuck.count).sum();
        let MemberReceiptDto { holding, behind, headers, documents, documents_here, .. } = member;
        let documents = match documents_here {
            0 => String::new(),
            here => format!(", {documents} of {}", count(*here, "document")),
        };
        let name = quoted(&member.name);
        format!(
            "- {name} {holding}: {} behind, {} only, {stuck} stuck{documents}",
            count(*behind, "event"),
            count(*headers, "header")
        )
    };
    answer(lines(format!("{}.", count(receipts.members.len(), "other member")), &receipts.members, line), receipts)
}

fn wipe(check: &WipeCheckDto) -> Answer {
    let heading = if check.safe { "Nothing would be lost." } else { "A wipe of this machine would lose something." };
    let text = lines(heading.to_owned(), &check.items, |item| {
        let examples: Vec<String> = item.examples.iter().map(|example| quoted(example)).collect();
        let such = if examples.is_empty() { String::new() } else { format!(" Such as {}.", examples.join(", ")) };
        format!("- {}{}: {}.{such} Next: {}", item.kind, if item.loses { " (lost)" } else { "" }, item.what, item.fix)
    });
    answer(text, check)
}
