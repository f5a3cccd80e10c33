//! Routes about documents. A document is the whole body of a request or an answer, as it is, and is never held as a
//! whole: bytes flow through as the other side takes them.

use std::sync::Arc;
use std::time::Duration;

use antiphon_node::{Feed, OpenContent, intake};
use axum::Json;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use http_body_util::BodyExt;
use serde_json::json;

use super::input::{Body, Query};
use crate::convert;
use crate::dto::{
    ContentAnnouncedDto, ContentAskDto, ContentCleanedDto, ContentDto, ContentFilterDto, ContentMetricsDto,
    ContentPlanDto, ContentProvidersDto, ContentRemoveDto, ContentRemovedDto, ContentStatusDto, ContentStoredDto,
    ContentVersionsDto, ContentsDto, NewContentDto, RoleKeyAskDto, RoleKeyDto,
};
use crate::error::{Code, Problem};
use crate::openapi::{Draft, Output, Routes, get, post, put};
use crate::service::Service;

type Answer<T> = Result<Json<T>, Problem>;
type Node = State<Arc<Service>>;

/// The header of an answer that says which document it carries, as JSON.
pub(crate) const CONTENT_HEADER: &str = "antiphon-content";
/// Longest silence of whoever sends a document, in seconds.
const SILENCE_SECONDS_MAX: u64 = 60;
/// Most bytes of a refused document that are read and thrown away, so that the answer arrives.
const THROWN_AWAY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Those that ask and write little.
pub(super) fn short() -> Routes {
    Routes::new()
        .route("/api/v1/content/list", get("Lists documents, by filter and in pages.", list))
        .route("/api/v1/content/plan", get("For whom a document would be encrypted.", plan))
        .route("/api/v1/content/versions", get("The versions of a document.", versions))
        .route("/api/v1/content/status", get("Where a document is.", status))
        .route("/api/v1/content/metrics", get("Documents in numbers.", metrics))
        .route("/api/v1/content/cleanup", post("Takes what has expired out of the cache.", clean))
        .route("/api/v1/content/remove", post("Removes a document.", remove))
}

/// Those that wait for members.
pub(super) fn long() -> Routes {
    Routes::new()
        .route("/api/v1/content/providers", get("Who holds a document.", providers))
        .route("/api/v1/content/announce", post("Tells the hash table again that this node has a document.", announce))
}

/// Those that carry documents; they take as long as the documents are.
pub(super) fn streams() -> Routes {
    Routes::new().route("/api/v1/content", get("Reads a document.", read).and(put("Stores a document.", store)))
}

/// What only the owner of the home may have.
pub(super) fn owner() -> Routes {
    Routes::new().route(
        "/api/v1/team/role-key",
        post("Gives the key of a role, with which the stock `age` program opens documents.", role_key),
    )
}

async fn store(service: Node, Query(new): Query<NewContentDto>, body: HttpBody) -> Answer<ContentStoredDto> {
    store_body(&service, new, body).await.map(Json)
}

/// Stores what a request carries, as it comes.
pub(crate) async fn store_body(
    service: &Service,
    new: NewContentDto,
    body: HttpBody,
) -> Result<ContentStoredDto, Problem> {
    let (feed, plain) = intake();
    let kind = if new.agent.is_some() { "agent" } else { "human" };
    let (stored, ()) = tokio::join!(service.put_content(new, kind, plain), pump(body, feed));
    stored
}

/// Hands the body over as it comes. What nobody takes any more is thrown away, so that whoever sends it reads why.
async fn pump(mut body: HttpBody, feed: Feed) {
    let (mut feed, mut thrown_away) = (Some(feed), 0);
    loop {
        let next = tokio::time::timeout(Duration::from_secs(SILENCE_SECONDS_MAX), body.frame()).await;
        // Silence and a broken connection end the pipe without its end, so nothing is stored.
        let Ok(next) = next else { return };
        match next {
            None => break,
            Some(Err(_)) => return,
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                let bytes = data.len();
                let taken = match &feed {
                    Some(feed) => feed.send(data.to_vec()).await,
                    None => false,
                };
                if !taken {
                    feed = None;
                    thrown_away += bytes;
                }
                if thrown_away > THROWN_AWAY_BYTES_MAX {
                    return;
                }
            }
        }
    }
    if let Some(feed) = feed {
        feed.finish().await;
    }
}

async fn read(service: Node, Query(ask): Query<ContentAskDto>) -> Result<Document, Problem> {
    let (content, body) = document_of(&service, ask).await?;
    let shown = serde_json::to_string(&content).map_err(|error| Problem::new(Code::Failed, error.to_string()))?;
    let shown =
        HeaderValue::from_bytes(shown.as_bytes()).map_err(|error| Problem::new(Code::Failed, error.to_string()))?;
    let octets = HeaderValue::from_static("application/octet-stream");
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, octets);
    response.headers_mut().insert(CONTENT_HEADER, shown);
    Ok(Document(response))
}

/// A document, and its bytes as they come.
pub(crate) async fn document_of(service: &Service, ask: ContentAskDto) -> Result<(ContentDto, HttpBody), Problem> {
    let mut open = service.open_content(ask).await?;
    let content = convert::open_content(&open);
    // A failure before the first byte is an answer of its own; later the connection can only break.
    let first = open.next().await.transpose()?;
    Ok((content, body_of(first, open)))
}

/// A document as an answer.
struct Document(Response);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Output for Document {
    fn describe(draft: &mut Draft) {
        let header = json!({
            "description": "Which document it is: a `Content`, as JSON.",
            "schema": { "type": "string", "contentMediaType": "application/json" },
        });
        let response = json!({
            "headers": { CONTENT_HEADER: header },
            "content": { "application/octet-stream": {} },
        });
        draft.gives(200, "The document, or its ciphertext, as it is.", response);
    }
}

fn body_of(first: Option<Vec<u8>>, open: OpenContent) -> HttpBody {
    let Some(first) = first else { return HttpBody::empty() };
    let rest = stream::unfold(open, async |mut open| {
        let next = open.next().await?.map(Bytes::from).map_err(|error| error.to_string());
        Some((next, open))
    });
    HttpBody::from_stream(stream::StreamExt::chain(stream::iter([Ok(Bytes::from(first))]), rest))
}

async fn plan(service: Node, Query(new): Query<NewContentDto>) -> Answer<ContentPlanDto> {
    service.content_plan(new).await.map(Json)
}

async fn list(service: Node, Query(filter): Query<ContentFilterDto>) -> Answer<ContentsDto> {
    service.contents(filter).await.map(Json)
}

async fn versions(service: Node, Query(ask): Query<ContentAskDto>) -> Answer<ContentVersionsDto> {
    service.content_versions(ask).await.map(Json)
}

async fn status(service: Node, Query(ask): Query<ContentAskDto>) -> Answer<ContentStatusDto> {
    service.content_status(ask).await.map(Json)
}

async fn providers(service: Node, Query(ask): Query<ContentAskDto>) -> Answer<ContentProvidersDto> {
    service.content_providers(ask).await.map(Json)
}

async fn announce(service: Node, Body(ask): Body<ContentAskDto>) -> Answer<ContentAnnouncedDto> {
    service.announce_content(ask).await.map(Json)
}

async fn remove(service: Node, Body(remove_dto): Body<ContentRemoveDto>) -> Answer<ContentRemovedDto> {
    service.remove_content(remove_dto).await.map(Json)
}

async fn metrics(service: Node) -> Answer<ContentMetricsDto> {
    service.content_metrics().await.map(Json)
}

async fn clean(service: Node) -> Answer<ContentCleanedDto> {
    service.clean_content_cache().await.map(Json)
}

async fn role_key(service: Node, Body(ask): Body<RoleKeyAskDto>) -> Answer<RoleKeyDto> {
    service.role_key(ask).await.map(Json)
}
