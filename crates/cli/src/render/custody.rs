//! Receipts and the wipe check, as they are shown.

use antiphon_server::dto::{
    FactHoldingDto, FactReceiptsDto, MemberReceiptDto, ReceiptsAskedDto, ReceiptsDto, StuckDto, WipeCheckDto,
    WipeItemDto,
};

use super::time::{ago, now_ms};
use super::{count, safe, snippet, table};
use crate::output::{BAD, FAINT, GOOD, styled};

/// Who has signed that it holds a fact.
pub(crate) fn fact_receipts(receipts: &FactReceiptsDto) -> String {
    if !receipts.shared {
        return format!("{} is not shared: it never leaves this machine, but for sealed copies.\n", receipts.fact);
    }
    if receipts.members.is_empty() {
        return "This machine is the team's only member.\n".to_owned();
    }
    let row = |member: &FactHoldingDto| {
        let held = match member.holding.as_str() {
            "whole" => "holds it".to_owned(),
            "header" => "header only, the text is missing".to_owned(),
            "stuck" => {
                let why = member.reason.as_deref().map(safe).unwrap_or_default();
                format!("holds it and cannot apply it: {why}")
            }
            "not" => "not yet".to_owned(),
            _ => "no receipt yet".to_owned(),
        };
        vec![safe(&member.name), held, signed(member.signed_at.as_deref())]
    };
    let list = table(&["member", "holds", "signed"], receipts.members.iter().map(row));
    format!("{list}\nSigned for by {} of {}.\n", receipts.held, count(receipts.members.len(), "member"))
}

/// What every other member has signed.
pub(crate) fn receipts(receipts: &ReceiptsDto) -> String {
    if receipts.members.is_empty() {
        return "This machine is the team's only member.\n".to_owned();
    }
    let documents = receipts.members.iter().any(|member| member.documents_here > 0);
    let row = |member: &MemberReceiptDto| {
        let held = match member.holding.as_str() {
            "whole" => "all that is here".to_owned(),
            "partly" => lacks(member),
            _ => "no receipt yet".to_owned(),
        };
        let shown = documents.then(|| format!("{} of {}", member.documents, member.documents_here));
        [Some(safe(&member.name)), Some(held), shown, Some(signed(member.signed_at.as_deref()))]
            .into_iter()
            .flatten()
            .collect()
    };
    let head: &[&str] =
        if documents { &["member", "holds", "documents", "signed"] } else { &["member", "holds", "signed"] };
    table(head, receipts.members.iter().map(row))
}

/// Whom this node has asked.
pub(crate) fn asked(asked: &ReceiptsAskedDto) -> String {
    if asked.members.is_empty() {
        return "This machine is the team's only member.\n".to_owned();
    }
    let names: Vec<String> = asked.members.iter().map(|name| safe(name)).collect();
    format!("Asked {}; who is away is asked when it is back. See antiphon receipts.\n", names.join(", "))
}

fn lacks(member: &MemberReceiptDto) -> String {
    let mut parts = Vec::new();
    if member.behind > 0 {
        parts.push(format!("{} not signed for", count(member.behind, "event")));
    }
    if member.headers > 0 {
        parts.push(format!("{} without its text", count(member.headers, "event")));
    }
    let stuck = |stuck: &StuckDto| format!("{} not applied ({})", count(stuck.count, "event"), safe(&stuck.reason));
    parts.extend(member.stuck.iter().map(stuck));
    format!("all but {}", parts.join(", "))
}

fn signed(at: Option<&str>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| ago(at, now_ms()))
}

/// Whether this machine can be wiped.
pub(crate) fn wipe_check(check: &WipeCheckDto) -> String {
    let mut out = if check.safe {
        styled(GOOD, "This machine can be wiped: nothing would be lost.")
    } else {
        styled(BAD, "Do not wipe this machine: something would be lost.")
    };
    out.push('\n');
    for item in &check.items {
        out.push_str(&wipe_item(item));
    }
    out
}

fn wipe_item(item: &WipeItemDto) -> String {
    let label = if item.loses { styled(BAD, "lost:") } else { styled(FAINT, "note:") };
    let mut out = format!("{label} {}\n", safe(&item.what));
    for example in &item.examples {
        out.push_str(&format!("      {}\n", styled(FAINT, &snippet(example))));
    }
    out.push_str(&format!("      try: {}\n", safe(&item.fix)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn every_way_to_hold_a_fact_has_its_words() {
        let member = |name: &str, holding: &str| FactHoldingDto {
            name: name.into(),
            holding: holding.into(),
            reason: (holding == "stuck").then(|| "unknown_action".into()),
            ..FactHoldingDto::default()
        };
        let members = vec![
            member("bob", "whole"),
            member("carol", "header"),
            member("dave", "stuck"),
            member("erin", "not"),
            member("frank", "no_receipt"),
        ];
        let receipts = FactReceiptsDto { fact: "F".into(), shared: true, edits: 1, held: 1, members };
        let shown = plain(&fact_receipts(&receipts));
        for words in ["holds it", "header only", "cannot apply it: unknown_action", "not yet", "no receipt yet"] {
            assert!(shown.contains(words), "{shown}");
        }
        assert!(shown.ends_with("Signed for by 1 of 5 members.\n"), "{shown}");
        let private = FactReceiptsDto { fact: "F".into(), ..FactReceiptsDto::default() };
        assert!(plain(&fact_receipts(&private)).starts_with("F is not shared"));
    }

    #[test]
    fn a_wipe_says_what_would_be_lost_and_what_to_do() {
        let item = WipeItemDto {
            kind: "unconfirmed".into(),
            loses: true,
            count: 2,
            what: "2 events".into(),
            examples: vec!["01 the port\u{1b}[2J".into()],
            fix: "antiphon status".into(),
        };
        let check = WipeCheckDto { safe: false, items: vec![item], ..WipeCheckDto::default() };
        let want = "Do not wipe this machine: something would be lost.\n\
                    lost: 2 events\n      01 the port\\u{001B}[2J\n      try: antiphon status\n";
        assert_eq!(plain(&wipe_check(&check)), want);
        let safe = WipeCheckDto { safe: true, ..WipeCheckDto::default() };
        assert_eq!(plain(&wipe_check(&safe)), "This machine can be wiped: nothing would be lost.\n");
    }
}
