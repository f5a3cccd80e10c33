//! Receipts and the wipe check become JSON.

use antiphon_core::custody::Holding;
use antiphon_node::{FactHolding, FactReceipts, MemberReceipt, WipeCheck, WipeDocuments, WipeItem};

use crate::dto::{
    FactHoldingDto, FactReceiptsDto, MemberReceiptDto, ReceiptsDto, StuckDto, WipeCheckDto, WipeDocumentsDto,
    WipeItemDto,
};
use crate::time::rfc3339;

const WHOLE: &str = "whole";
const NO_RECEIPT: &str = "no_receipt";

pub(crate) fn fact_receipts(receipts: FactReceipts) -> FactReceiptsDto {
    let members: Vec<FactHoldingDto> = receipts.members.into_iter().map(fact_holding).collect();
    FactReceiptsDto {
        fact: receipts.fact.to_string(),
        shared: receipts.shared,
        edits: receipts.edits.len() as u64,
        held: members.iter().filter(|member| member.holding == WHOLE).count() as u64,
        members,
    }
}

fn fact_holding(member: FactHolding) -> FactHoldingDto {
    let (holding, reason) = match member.holding {
        None => (NO_RECEIPT, None),
        Some(Holding::Whole) => (WHOLE, None),
        Some(Holding::Header) => ("header", None),
        Some(Holding::Stuck(reason)) => ("stuck", Some(reason)),
        Some(Holding::Not) => ("not", None),
    };
    FactHoldingDto {
        peer_id: member.node.to_string(),
        name: member.name,
        holding: holding.to_owned(),
        reason,
        signed_at: member.at.map(rfc3339),
    }
}

pub(crate) fn receipts(members: Vec<MemberReceipt>) -> ReceiptsDto {
    ReceiptsDto { members: members.into_iter().map(member_receipt).collect() }
}

fn member_receipt(member: MemberReceipt) -> MemberReceiptDto {
    let whole = member.behind == 0 && member.headers == 0 && member.stuck.is_empty();
    let holding = match member.at {
        None => NO_RECEIPT,
        Some(_) if whole => WHOLE,
        Some(_) => "partly",
    };
    MemberReceiptDto {
        peer_id: member.node.to_string(),
        name: member.name,
        holding: holding.to_owned(),
        behind: member.behind,
        headers: member.headers,
        stuck: member.stuck.into_iter().map(|(reason, count)| StuckDto { reason, count }).collect(),
        documents: member.documents,
        documents_here: member.documents_here,
        signed_at: member.at.map(rfc3339),
    }
}

pub(crate) fn wipe_check(check: WipeCheck) -> WipeCheckDto {
    let item = |item: WipeItem| WipeItemDto {
        kind: item.kind.name().to_owned(),
        loses: item.loses,
        count: item.count,
        what: item.what,
        examples: item.examples,
        fix: item.fix,
    };
    let WipeDocuments { held, only_here, few, target } = check.documents;
    let documents = WipeDocumentsDto { held, only_here, few, target };
    WipeCheckDto { safe: check.is_safe(), items: check.items.into_iter().map(item).collect(), documents }
}
