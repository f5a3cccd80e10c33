//! Documents: the tree of their addresses, how their copies stand, who holds what; storing, reading and removing them.

mod files;
mod tree;
mod view;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;

use crate::dashboard::Dash;
use crate::dashboard::flash::{Done, Flash};
use crate::dashboard::page::{Form, Oops, Page, Query, Sent, Shown, Tab, given};
use crate::dashboard::say::{bytes, link, many, number};
use crate::dashboard::session::Visitor;
use crate::dto::{
    ContentAskDto, ContentFilterDto, ContentRemoveDto, HealthCountsDto, ReplicationAskDto, ReplicationRunDto,
};
use crate::error::{Code, Problem as Refusal};
use tree::{Leaf, Row};
use view::{Detail, Holder, Problem, Share};

/// Documents on one page.
const DOCUMENTS_PER_PAGE: usize = 200;
/// Most documents whose copies are named above the list.
const PROBLEMS_MAX: usize = 8;

/// The pages about documents.
pub(super) fn routes() -> Router<Dash> {
    Router::new()
        .route("/content", get(list))
        .route("/content/document", get(document))
        .route("/content/repair", post(repair))
        .route("/content/remove", post(remove))
}

/// Documents as files.
pub(super) fn files() -> Router<Dash> {
    files::routes()
}

/// Which documents are listed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Filter {
    agent: String,
    role: String,
    project: String,
    task: String,
    path: String,
    after: String,
}

impl Filter {
    fn dto(&self) -> ContentFilterDto {
        ContentFilterDto {
            agent: given(&self.agent),
            role: given(&self.role),
            project: given(&self.project),
            task: given(&self.task),
            path: given(&self.path),
            limit: Some(DOCUMENTS_PER_PAGE),
            after: given(&self.after),
            ..ContentFilterDto::default()
        }
    }

    fn is_set(&self) -> bool {
        [&self.agent, &self.role, &self.project, &self.task, &self.path].iter().any(|text| given(text).is_some())
    }

    /// The same further on.
    fn after(&self, after: &str) -> String {
        let query = [
            ("agent", self.agent.as_str()),
            ("role", &self.role),
            ("project", &self.project),
            ("task", &self.task),
            ("path", &self.path),
            ("after", after),
        ];
        link("/content", &query)
    }
}

#[derive(Template)]
#[template(path = "content.html")]
struct List {
    csrf: String,
    problems: Vec<Problem>,
    problems_title: String,
    health_words: String,
    factor_words: String,
    total: u64,
    shares: Vec<Share>,
    held_bytes: String,
    held_words: String,
    rows: Vec<Row>,
    listed_words: String,
    next: Option<String>,
    filter: Filter,
    filtered: bool,
    roles: Vec<String>,
}

async fn list(State(dash): State<Dash>, visitor: Visitor, Query(filter): Query<Filter>) -> Shown {
    let now = dash.now();
    let (page, metrics, status) =
        (dash.contents(filter.dto()).await?, dash.content_metrics().await?, dash.status().await?);
    let mut problems = Vec::new();
    let mut copies = dash.replication(ask_for("critical")).await?;
    problems.extend(copies.replicas.iter().filter_map(|replica| view::problem(replica, now)));
    if copies.health.degraded > 0 {
        copies = dash.replication(ask_for("degraded")).await?;
        problems.extend(copies.replicas.iter().filter_map(|replica| view::problem(replica, now)));
    }
    problems.truncate(PROBLEMS_MAX);
    let HealthCountsDto { healthy, degraded, critical } = copies.health;
    let listed = many(page.contents.len() as u64, "document", "documents");
    let view = List {
        csrf: visitor.csrf(),
        problems_title: view::problems_title(copies.health),
        problems,
        health_words: view::health_words(copies.health),
        factor_words: format!("{} of each, while enough members offer room", many(copies.factor, "copy", "copies")),
        total: healthy + degraded + critical,
        shares: view::shares(copies.health),
        held_bytes: bytes(metrics.blob_bytes),
        held_words: view::held_words(metrics.blobs, metrics.cached),
        next: page.next.as_deref().map(|after| filter.after(after)),
        listed_words: if page.next.is_some() { format!("{listed} of more, those stored last") } else { listed },
        rows: tree::tree(page.contents, now),
        filtered: filter.is_set(),
        filter,
        roles: status.roles,
    };
    let heading = match (critical, degraded) {
        (0, 0) if healthy == 0 => "No documents yet".to_owned(),
        (0, 0) => "Every document has its copies".to_owned(),
        (0, few) => format!("{} with too few copies", many(few, "version", "versions")),
        (gone, _) => format!("{} with no copy in reach", many(gone, "version", "versions")),
    };
    Ok(Page::new(Tab::Content, "Content", &view)?.heading(heading).says("encrypted for roles, held by members"))
}

fn ask_for(health: &str) -> ReplicationAskDto {
    ReplicationAskDto { health: Some(health.to_owned()), limit: Some(PROBLEMS_MAX), after: None }
}

/// Which document.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Which {
    address: String,
    sure: String,
}

#[derive(Template)]
#[template(path = "document.html")]
struct Document {
    csrf: String,
    address: String,
    problems: Vec<Problem>,
    copies_words: String,
    holders: Vec<Holder>,
    leaf: Leaf,
    content_type: String,
    stored_size: String,
    hash: String,
    readable: bool,
    removed: bool,
    download: String,
    cipher: String,
    versions: Vec<Leaf>,
    versions_words: String,
}

async fn document(State(dash): State<Dash>, visitor: Visitor, Query(which): Query<Which>) -> Shown {
    let now = dash.now();
    let ask = ContentAskDto { address: which.address.clone(), ciphertext: None };
    let status = dash.content_status(ask).await?;
    let whole = ContentAskDto { address: status.content.address.clone(), ciphertext: None };
    let versions = dash.content_versions(whole).await?.versions;
    let Detail { leaf, stored_size } = Detail::of(&status, now);
    let mut problems: Vec<Problem> = view::damage(&status).into_iter().collect();
    problems.extend(status.copies.as_ref().and_then(|copies| view::problem(copies, now)));
    let holders = status.copies.iter().flat_map(|copies| &copies.providers);
    let content = &status.content;
    let file = |form: &str| link("/content/file", &[("address", &which.address), ("form", form)]);
    let view = Document {
        csrf: visitor.csrf(),
        address: which.address.clone(),
        problems,
        copies_words: view::copies_words(status.copies.as_ref()),
        holders: holders.map(|holder| view::holder(holder, now)).collect(),
        content_type: content.content_type.clone(),
        stored_size,
        hash: content.hash.clone(),
        readable: content.readable && !content.removed,
        removed: content.removed,
        download: file(""),
        cipher: file("cipher"),
        versions_words: format!("{}, the newest first", many(versions.len() as u64, "version", "versions")),
        versions: versions.iter().map(|version| Leaf::of(version, now)).collect(),
        leaf,
    };
    let title = view.leaf.path.clone();
    Ok(Page::new(Tab::Content, title, &view)?.says(content.address.clone()).leads("all documents", "/content"))
}

async fn repair(State(dash): State<Dash>, Form(which): Form<Which>) -> Sent {
    let address = given(&which.address);
    let back = address
        .as_deref()
        .map_or_else(|| "/content".to_owned(), |address| link("/content/document", &[("address", address)]));
    let ran = dash.replicate(ReplicationRunDto { address }).await?;
    let said = format!(
        "The holders of {} are asked now, and what is missing is made. {} have all their copies so far.",
        many(ran.asked, "version", "versions"),
        number(ran.health.healthy)
    );
    Ok(Done::at(back).saying(Flash::done(said)))
}

async fn remove(State(dash): State<Dash>, Form(which): Form<Which>) -> Sent {
    if which.sure != "yes" {
        let refused = Refusal::new(Code::Undecided, "the document stays: nobody said that it is to go");
        return Err(Oops(refused.hint("tick the box, and press Remove again")));
    }
    let remove = ContentRemoveDto { address: which.address, ..ContentRemoveDto::default() };
    let removed = dash.remove_content(remove).await?;
    let said = format!("{} is removed; {} are free on this node.", removed.address, bytes(removed.freed_bytes));
    Ok(Done::at("/content").saying(Flash::done(said)))
}
