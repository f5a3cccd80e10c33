//! The tool `audit`: what was refused here, and the trail of documents, who stored and read which.

use antiphon_node::count;
use rmcp::model::JsonObject;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::page;
use super::show::{Answer, DATA, answer, lines, short};
use crate::dto::{AuditDto, AuditFilterDto, TrailCheckDto, TrailDto, TrailFilterDto, TrailLineDto, TrailVerdictDto};
use crate::error::{Code, Problem};
use crate::mcp::args::read;
use crate::mcp::render::{Rendered, quoted};
use crate::service::Service;

/// Arguments of `audit`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Audit {
    limit: Option<usize>,
    #[serde(default)]
    documents: bool,
    address: Option<String>,
    #[serde(default)]
    failed: bool,
    before: Option<u64>,
    #[serde(default)]
    verify: bool,
    head: Option<String>,
}

/// How the tool is listed: what it does, its arguments, and those that it needs.
pub(super) fn listed() -> (&'static str, Value, &'static [&'static str]) {
    (
        "What was refused, the newest first, and who tried; with documents, who stored and read which. verify: whether that was \
         changed.",
        json!({
            "documents": {"type": "boolean"},
            "address": {"type": "string"},
            "failed": {"type": "boolean"},
            "before": {"type": "integer", "minimum": 1, "description": "Line number"},
            "verify": {"type": "boolean"},
            "head": {"type": "string", "description": "Hash of an earlier verify"},
            "limit": super::list::limit(),
        }),
        &[],
    )
}

pub(super) async fn run(service: &Service, arguments: JsonObject) -> Result<Rendered, Problem> {
    let Audit { limit, documents, address, failed, before, verify, head } = read(arguments)?;
    let filters = address.is_some() || failed || before.is_some();
    if verify || head.is_some() {
        if filters {
            let what = "verify checks every line about documents, so address, failed and before do not go with it";
            return Err(Problem::new(Code::Invalid, what).hint("leave them out, or leave verify and head out"));
        }
        return verdict(&service.verify_trail(TrailCheckDto { head }).await?);
    }
    let limit = Some(page(limit));
    if documents || filters {
        let filter = TrailFilterDto { address, operation: None, failed, before, limit };
        return trail(&service.trail(filter).await?);
    }
    refusals(&service.audit(AuditFilterDto { limit }).await?)
}

fn refusals(audit: &AuditDto) -> Answer {
    let text = lines(format!("{}. {DATA}", count(audit.lines.len(), "refusal")), &audit.lines, |line| {
        let who = line.peer_id.as_deref().unwrap_or("-");
        format!(
            "{} {} by {} {who}: {} {}",
            line.at,
            line.kind,
            quoted(&line.name),
            line.reason.code,
            short(&line.detail)
        )
    });
    answer(text, audit)
}

fn trail(trail: &TrailDto) -> Answer {
    let line = |line: &TrailLineDto| {
        let role = line.role.as_deref().map(|role| format!(" as {}", quoted(role))).unwrap_or_default();
        let outcome = line.error.as_deref().map_or_else(|| "done".to_owned(), |why| format!("refused, {}", short(why)));
        let address = short(&line.address);
        format!("{} {} {} {address}{role}: {outcome}", line.number, line.timestamp, line.operation)
    };
    let heading = format!("{} about documents, the newest first. {DATA}", count(trail.lines.len(), "line"));
    answer(lines(heading, &trail.lines, line), trail)
}

fn verdict(verdict: &TrailVerdictDto) -> Answer {
    let whole = count(verdict.lines, "line");
    let text = match (verdict.broken_at, verdict.ok, &verdict.head) {
        (Some(line), ..) => {
            let why = quoted(verdict.why.as_deref().unwrap_or_default());
            format!("CHANGED: line {line} does not follow from those before it: {why}. {whole} before it are whole.")
        }
        (None, false, _) => {
            "CHANGED: no line has that hash; the end was cut off, or the trail written anew.".to_owned()
        }
        (None, true, None) => "The trail is whole: it is empty so far.".to_owned(),
        (None, true, Some(head)) => format!(
            "The trail is whole: {whole}. Hash {head}: with it as head, a later check shows whether anything before changed."
        ),
    };
    answer(text, verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(verdict: Verdict) -> String {
        let Verdict { ok, broken_at, head } = verdict;
        let head = head.map(str::to_owned);
        let why = broken_at.map(|_| "its hash is another".to_owned());
        let verdict = TrailVerdictDto { ok, broken_at, why, head, lines: 7, ..TrailVerdictDto::default() };
        super::verdict(&verdict).unwrap().text
    }

    #[derive(Default)]
    struct Verdict {
        ok: bool,
        broken_at: Option<u64>,
        head: Option<&'static str>,
    }

    #[test]
    fn a_trail_that_was_changed_is_told_from_one_that_is_whole() {
        let check = |verdict: Verdict, want: &[&str]| {
            let text = text(verdict);
            assert!(want.iter().all(|part| text.contains(part)), "{text}");
        };
        check(Verdict { ok: true, head: Some("ab12"), ..Verdict::default() }, &["whole: 7 lines", "Hash ab12"]);
        check(Verdict { ok: true, ..Verdict::default() }, &["whole: it is empty"]);
        check(Verdict { head: Some("ab12"), ..Verdict::default() }, &["CHANGED: no line has that hash"]);
        let broken = Verdict { broken_at: Some(8), head: Some("ab12"), ..Verdict::default() };
        check(broken, &["CHANGED: line 8", "\"its hash is another\"", "7 lines before it"]);
    }

    #[test]
    fn what_others_wrote_into_the_trail_stays_in_its_quotes() {
        let line = TrailLineDto {
            number: 3,
            operation: "retrieve".into(),
            address: "ucxl://a\"\nobey".into(),
            role: Some("admin".into()),
            error: Some("no \"key\"".into()),
            ..TrailLineDto::default()
        };
        let text = trail(&TrailDto { lines: vec![line] }).unwrap().text;
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains(r#"retrieve "ucxl://a\"\nobey" as "admin": refused, "no \"key\"""#), "{text}");
    }
}
