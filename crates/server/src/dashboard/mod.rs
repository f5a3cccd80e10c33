//! The dashboard: pages for people, on the HTTP door.
//!
//! | file | what |
//! |---|---|
//! | `session` | one-time links, sessions, the cookie |
//! | `csrf` | whether a form was sent by a page of this node |
//! | `headers` | what browsers are told: the content security policy and its kin |
//! | `escape` | how texts get into pages; templates cannot forget it |
//! | `page` | what handlers give and take: [`page::Page`], [`page::Oops`], [`page::Form`], [`page::Query`] |
//! | `flash` | [`flash::Done`]: how a form ends, with a message on the next page |
//! | `layout` | what stands around a page |
//! | `live` | server-sent events, for pages and programs |
//! | `show`, `say` | numbers, times and states in words, and as parts of pages |
//! | `plot`, `qr` | figures over time, and tickets, as pictures |
//! | `pages` | the pages themselves |
//!
//! A page is a file in `pages` with `pub(super) fn routes() -> Router<Dash>`, a struct with what it shows, and a template
//! of the same name. Its handler asks the [`Service`], as every other door does, and returns a `Page`; its forms send a
//! POST, do one thing, and return `Done`, which leads to a page. Templates hold neither scripts nor styles: the policy
//! forbids them. A region with an `id` and `data-live="TOPIC …"` is replaced when one of its topics changes.
//!
//! Everything works without a script but the refreshing.

mod assets;
mod csrf;
pub(crate) mod escape;
mod flash;
mod headers;
mod layout;
pub(crate) mod live;
mod page;
mod pages;
mod plot;
mod qr;
mod say;
pub(crate) mod session;
mod show;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use antiphon_core::time::UnixMillis;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;
use tower::limit::GlobalConcurrencyLimitLayer;

use crate::door::Tasks;
use crate::dto::TrailVerdictDto;
use crate::error::{Code, Problem};
use crate::service::Service;
use flash::Done;
use layout::Asked;
use page::{Form, Oops, Query};
use session::{Sessions, Theme, Visitor};

/// What pages keep beside what the node does.
pub(crate) struct DashboardState {
    pub(crate) sessions: Sessions,
    pub(crate) feeds: live::Feeds,
    /// When the trail was last checked, by whichever door, and what came of it.
    trail: Mutex<Option<(UnixMillis, TrailVerdictDto)>>,
}

impl DashboardState {
    /// For pages at this address, if the HTTP door is open.
    pub(crate) fn new(url: Option<String>) -> Self {
        Self { sessions: Sessions::new(url), feeds: live::Feeds::default(), trail: Mutex::default() }
    }

    /// Keeps what a check of the whole trail came to.
    pub(crate) fn note_trail(&self, at: UnixMillis, verdict: TrailVerdictDto) {
        *self.trail.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, verdict));
    }

    /// The last check of the trail since the node started.
    pub(crate) fn trail(&self) -> Option<(UnixMillis, TrailVerdictDto)> {
        self.trail.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the handlers of pages work with.
pub(crate) type Dash = Arc<Service>;

/// Most pages that are written at the same time.
const PAGES_MAX: usize = 16;
/// Longest time for a page, in seconds.
const PAGE_SECONDS_MAX: u64 = 60;

/// Every page. The door has looked at where a request comes from before; a page takes a session instead of a token.
pub(crate) fn pages(service: Arc<Service>, tasks: &Tasks) -> Router {
    let inside = pages::routes()
        .route("/signout", post(sign_out))
        .route("/theme", post(set_theme))
        .layer(from_fn(in_time))
        .layer(GlobalConcurrencyLimitLayer::new(PAGES_MAX))
        .route("/events", get(events))
        .merge(pages::files())
        .layer(from_fn_with_state(service.clone(), let_in));
    let outside = Router::new().route("/signin", get(show_link).post(use_link)).merge(assets::routes());
    inside.merge(outside).layer(Extension(tasks.clone())).layer(from_fn(headers::add)).with_state(service)
}

/// Lets in who has a session, and from him what his own pages send; then puts what stands around a page around it.
async fn let_in(State(service): State<Dash>, mut request: Request, next: Next) -> Response {
    let live = Asked::is_live(request.headers());
    let Some(visitor) = service.dashboard().sessions.visitor(request.headers(), !live, Instant::now()) else {
        return signed_out();
    };
    let here = request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let asked = Asked { visitor: visitor.clone(), here, live };
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        request = match csrf::check(request, &visitor).await {
            Ok(request) => request,
            Err(problem) => return layout::dress(&service, &asked, Oops(problem).into_response()).await,
        };
    }
    request.extensions_mut().insert(visitor);
    let response = next.run(request).await;
    layout::dress(&service, &asked, response).await
}

/// Gives up a page that takes too long. What carries a file takes as long as the file is.
async fn in_time(request: Request, next: Next) -> Response {
    let written = tokio::time::timeout(Duration::from_secs(PAGE_SECONDS_MAX), next.run(request)).await;
    written.unwrap_or_else(|_| Oops(Problem::timed_out(PAGE_SECONDS_MAX)).into_response())
}

fn signed_out() -> Response {
    let says = "This browser is not signed in to this node, or its session has ended.";
    layout::outside(StatusCode::FORBIDDEN, "Not signed in", says, "antiphon open")
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
}

/// Shows a page that exchanges the link, and exchanges nothing itself: whatever looks at links before people do must
/// not use them up.
async fn show_link(link: Result<Query<Token>, Oops>) -> Response {
    // What cannot be read is no link, and is refused like every other wrong one.
    layout::exchange(&link.map(|Query(Token { token })| token).unwrap_or_default())
}

async fn use_link(State(service): State<Dash>, request: Request) -> Response {
    let refused = |problem: &Problem| {
        let hint = problem.hint.as_deref().unwrap_or("antiphon open");
        layout::outside(StatusCode::FORBIDDEN, "Not signed in", &problem.what, hint)
    };
    if let Err(problem) = csrf::origin(request.headers()) {
        return refused(&problem);
    }
    let entered = match read_token(request).await {
        Ok(token) => service.dashboard().sessions.enter(&token, Instant::now()),
        Err(problem) => Err(problem),
    };
    match entered {
        Ok(Some(cookie)) => ([(header::SET_COOKIE, cookie)], Done::at("/")).into_response(),
        Ok(None) => refused(
            &Problem::new(Code::Refused, "This link was used before, is older than a minute, or was not copied whole.")
                .hint("antiphon open"),
        ),
        Err(problem) => refused(&problem),
    }
}

async fn read_token(request: Request) -> Result<String, Problem> {
    use axum::extract::FromRequest;
    let form = Form::<Token>::from_request(request, &()).await;
    form.map(|Form(Token { token })| token).map_err(|Oops(problem)| problem)
}

async fn sign_out(State(service): State<Dash>, visitor: Visitor) -> Response {
    let cookie = service.dashboard().sessions.leave(&visitor, Instant::now());
    let says = "This browser is signed out.";
    let page = layout::outside(StatusCode::OK, "Signed out", says, "antiphon open");
    ([(header::SET_COOKIE, cookie)], page).into_response()
}

#[derive(Deserialize)]
struct ThemeForm {
    theme: String,
    #[serde(default)]
    here: String,
}

async fn set_theme(State(service): State<Dash>, visitor: Visitor, Form(form): Form<ThemeForm>) -> Done {
    service.dashboard().sessions.set_theme(&visitor, Theme::named(&form.theme), Instant::now());
    Done::at(form.here)
}

async fn events(
    State(service): State<Dash>,
    Extension(tasks): Extension<Tasks>,
    visitor: Visitor,
) -> Result<Response, Oops> {
    Ok(live::feed(service, tasks.stop().clone(), Some(visitor))?)
}
