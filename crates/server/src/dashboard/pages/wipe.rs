//! Whether this machine can be wiped, and what would be lost.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;

use crate::dashboard::Dash;
use crate::dashboard::page::{Page, Shown, Tab};
use crate::dashboard::show;
use crate::dto::{MemberReceiptDto, WipeItemDto};

pub(super) fn routes() -> Router<Dash> {
    Router::new().route("/wipe", get(show_check))
}

#[derive(Template)]
#[template(path = "wipe.html")]
struct View {
    items: Vec<WipeItemDto>,
    members: Vec<Row>,
}

struct Row {
    href: String,
    name: String,
    class: &'static str,
    word: &'static str,
    lacks: String,
    signed: String,
}

async fn show_check(State(dash): State<Dash>) -> Shown {
    let now_ms = dash.now().0;
    let check = dash.wipe_check().await?;
    let receipts = dash.receipts().await?;
    let view =
        View { items: check.items, members: receipts.members.iter().map(|member| row(member, now_ms)).collect() };
    let heading = if check.safe {
        "This machine can be wiped: nothing would be lost"
    } else {
        "Do not wipe this machine: something would be lost"
    };
    let page = Page::new(Tab::Other, "Safe to wipe?", &view)?.heading(heading);
    Ok(page.says("by what members have signed that they hold"))
}

fn row(member: &MemberReceiptDto, now_ms: u64) -> Row {
    let (class, word) = match member.holding.as_str() {
        "whole" => ("ok", "all that is here"),
        "partly" => ("warn", "not all"),
        _ => ("info", "no receipt yet"),
    };
    let mut lacks = Vec::new();
    if member.behind > 0 {
        lacks.push(format!("{} not signed for", show::count(member.behind, "event")));
    }
    if member.headers > 0 {
        lacks.push(format!("{} without its text", show::count(member.headers, "event")));
    }
    lacks.extend(member.stuck.iter().map(|stuck| format!("{} not applied ({})", stuck.count, stuck.reason)));
    Row {
        href: format!("/peers/{}", member.peer_id),
        name: show::called(&member.name, &member.peer_id),
        class,
        word,
        lacks: lacks.join(", "),
        signed: show::ago_or(member.signed_at.as_deref(), now_ms, "never"),
    }
}
