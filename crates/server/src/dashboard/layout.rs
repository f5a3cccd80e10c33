//! What stands around a page: the list of pages with what is to be seen on each, the search, what a form said, and who
//! this node is.

use std::sync::Arc;
use std::time::Instant;

use askama::Template;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::assets;
use super::flash::Flash;
use super::page::{Oops, Page, Piece, Tab};
use super::session::Visitor;
use super::show;
use crate::error::{Code, Problem};
use crate::service::Service;

/// Header of a request that a page sends by itself, to refresh what it shows.
pub(super) const LIVE_HEADER: &str = "x-antiphon-live";

/// An entry of the list of pages.
struct Entry {
    href: &'static str,
    name: &'static str,
    current: bool,
    /// What is to be seen there, if it can be counted.
    count: Option<String>,
    /// Whether it waits for a person.
    hot: bool,
}

#[derive(Template)]
#[template(path = "layout.html")]
struct Layout<'a> {
    page: &'a Page,
    frame: Frame,
    flash: Option<Flash>,
    csrf: String,
    theme: &'static str,
    /// Where the theme's form leads back to.
    here: &'a str,
    style: &'a str,
    script: &'a str,
    icon: &'a str,
}

/// What is known of this node for every page.
#[derive(Default)]
struct Frame {
    entries: Vec<Entry>,
    name: String,
    id: String,
    team: String,
    roles: String,
    steward: bool,
    version: String,
    /// Whether the node answered; if not, the page says so by itself.
    known: bool,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    what: &'a str,
    why: Option<&'a str>,
    hint: Option<&'a str>,
}

/// A page for somebody who is not signed in.
#[derive(Template)]
#[template(path = "outside.html")]
struct Outside<'a> {
    heading: &'a str,
    says: &'a str,
    hint: &'a str,
    /// The secret of a link, to be exchanged.
    token: Option<&'a str>,
    style: &'a str,
    script: &'a str,
    icon: &'a str,
}

/// What a request was, as far as its page shows it.
pub(super) struct Asked {
    pub(super) visitor: Visitor,
    /// Path and query.
    pub(super) here: String,
    /// Whether the page asked by itself.
    pub(super) live: bool,
}

impl Asked {
    /// Whether a request was sent by a page itself.
    pub(super) fn is_live(headers: &HeaderMap) -> bool {
        headers.contains_key(LIVE_HEADER)
    }
}

/// Puts what stands around a page around it. What is neither a page nor a problem stays as it is.
pub(super) async fn dress(service: &Arc<Service>, asked: &Asked, mut response: Response) -> Response {
    let now = Instant::now();
    if let Some(flash) = response.extensions_mut().remove::<Flash>() {
        service.dashboard().sessions.put_flash(&asked.visitor, flash, now);
    }
    let page = match (response.extensions_mut().remove::<Page>(), response.extensions_mut().remove::<Oops>()) {
        (Some(page), _) => page,
        (None, Some(Oops(problem))) => match of_problem(&problem) {
            Ok(page) => page,
            Err(error) => return plain(&error),
        },
        (None, None) => return response,
    };
    let frame = Frame::of(service, page.tab).await.unwrap_or_default();
    let flash = if asked.live { None } else { service.dashboard().sessions.take_flash(&asked.visitor, now) };
    let layout = Layout {
        page: &page,
        frame,
        flash,
        csrf: asked.visitor.csrf(),
        theme: asked.visitor.theme.name(),
        here: &asked.here,
        style: &assets::STYLE.path,
        script: &assets::SCRIPT.path,
        icon: &assets::ICON.path,
    };
    match layout.render() {
        Ok(text) => html(response.status(), text),
        Err(error) => plain(&error),
    }
}

/// A problem as a page.
fn of_problem(problem: &Problem) -> Result<Page, askama::Error> {
    let view = ErrorPage { what: &problem.what, why: problem.why.as_deref(), hint: problem.hint.as_deref() };
    let title = match problem.code {
        Code::NotFound => "There is no such thing",
        Code::Refused | Code::Unauthorized => "This was refused",
        Code::Invalid | Code::Undecided | Code::TooLarge => "This cannot be done so",
        Code::Unreachable | Code::Busy | Code::TimedOut | Code::TooMany => "This could not be reached",
        Code::Failed | Code::Full => "This failed",
    };
    let title = title.to_owned();
    Ok(Page { tab: Tab::Other, heading: title.clone(), title, under: Vec::new(), body: view.render()? })
}

/// A page for somebody who is not signed in.
pub(super) fn outside(status: StatusCode, heading: &str, says: &str, hint: &str) -> Response {
    write_outside(status, heading, says, hint, None)
}

/// The page that exchanges the secret of a link.
pub(super) fn exchange(token: &str) -> Response {
    let says = "This link lets this browser into the dashboard of your node, once.";
    write_outside(StatusCode::OK, "Antiphon", says, "", Some(token))
}

fn write_outside(status: StatusCode, heading: &str, says: &str, hint: &str, token: Option<&str>) -> Response {
    let (style, script, icon) = (&assets::STYLE.path, &assets::SCRIPT.path, &assets::ICON.path);
    match (Outside { heading, says, hint, token, style, script, icon }).render() {
        Ok(text) => html(status, text),
        Err(error) => plain(&error),
    }
}

fn html(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
}

/// When not even a page can be written.
fn plain(error: &askama::Error) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("the page could not be written: {error}\n")).into_response()
}

impl Frame {
    async fn of(service: &Arc<Service>, tab: Tab) -> Result<Self, Problem> {
        let status = service.status().await?;
        let tally = service.handle().tally().await?;
        let number = |count: u64| (count > 0).then(|| show::number(count));
        let entry =
            |name, href, at, count: Option<String>, hot: bool| Entry { href, name, current: at == tab, count, hot };
        let entries = vec![
            entry("Overview", "/", Tab::Overview, number(status.problems.len() as u64), true),
            entry("Facts", "/facts", Tab::Facts, Some(show::number(status.facts)), false),
            entry("Divergences", "/divergences", Tab::Divergences, number(tally.diverged), true),
            entry("Peers", "/peers", Tab::Peers, Some(show::number(status.peers.len() as u64)), false),
            entry("Content", "/content", Tab::Content, number(tally.documents), false),
            entry("Messages", "/messages", Tab::Messages, number(status.unread), false),
            entry("Outbox", "/outbox", Tab::Outbox, number(status.outbox.pending), status.outbox.stuck > 0),
            entry("Incidents", "/incidents", Tab::Incidents, number(tally.incidents), false),
            entry("Charter", "/charter", Tab::Charter, None, false),
            entry("Audit", "/audit", Tab::Audit, None, false),
            entry("Metrics", "/plots", Tab::Metrics, None, false),
            entry("Settings", "/settings", Tab::Settings, None, false),
        ];
        Ok(Self {
            entries,
            id: show::short(&status.node_id),
            team: status.team.name,
            roles: if status.steward { "steward".to_owned() } else { status.roles.join(", ") },
            name: status.name,
            steward: status.steward,
            version: status.version,
            known: true,
        })
    }
}

impl Piece {
    fn link(&self) -> Option<&str> {
        self.href.as_deref()
    }
}
