//! Documents as files. A file is the whole body of a request or an answer and is never held as a whole: its bytes flow
//! through as the other side takes them.
//!
//! A browser can send a file as the body of a request only by a script; a plain form would wrap it, and taking a wrapped
//! file apart as it flows is a parser more in front of what others send. So without a script the page names the command.

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tower::limit::GlobalConcurrencyLimitLayer;

use crate::dashboard::Dash;
use crate::dashboard::page::{Oops, Query};
use crate::dto::{ContentAskDto, ContentStoredDto, NewContentDto};
use crate::error::Problem;
use crate::routes::{document_of, store_body};

/// Longest name that a file is given, in characters.
const NAME_CHARS_MAX: usize = 100;

/// Most files that are sent or taken at the same time. They take as long as they take, and little memory.
const FILES_MAX: usize = 8;

pub(super) fn routes() -> Router<Dash> {
    Router::new().route("/content/file", get(download).put(upload)).layer(GlobalConcurrencyLimitLayer::new(FILES_MAX))
}

/// Which file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Which {
    address: String,
    /// `cipher` for the encrypted form.
    form: String,
}

async fn download(State(dash): State<Dash>, Query(which): Query<Which>) -> Result<Response, Oops> {
    let cipher = which.form == "cipher";
    let ask = ContentAskDto { address: which.address, ciphertext: Some(cipher) };
    let (content, body) = document_of(&dash, ask).await?;
    let name = file_name(&content.address, cipher);
    let mut response = body.into_response();
    let headers = response.headers_mut();
    // Whatever it is, a browser keeps it as a file and shows nothing of it under this origin.
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    headers.insert(header::CONTENT_DISPOSITION, disposition.unwrap_or(HeaderValue::from_static("attachment")));
    Ok(response)
}

/// What goes wrong is answered as JSON: a script reads it.
async fn upload(
    State(dash): State<Dash>,
    Query(new): Query<NewContentDto>,
    body: Body,
) -> Result<Json<ContentStoredDto>, Problem> {
    store_body(&dash, new, body).await.map(Json)
}

/// The last part of an address, in letters that every system takes for a file.
fn file_name(address: &str, cipher: bool) -> String {
    let last = address.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = last.chars().take(NAME_CHARS_MAX).map(safe).collect();
    let name = name.trim_start_matches('.');
    let name = if name.is_empty() { "document" } else { name };
    if cipher { format!("{name}.age") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_names_that_hide_nothing() {
        let check = |address: &str, want: &str| assert_eq!(file_name(address, false), want);
        check("ucxl://a/b/c/d/notes/plan.md", "plan.md");
        check("ucxl://a/b/c/d/..", "document");
        check("ucxl://a/b/c/d/a\"b\r\nc", "a_b__c");
        check("ucxl://a/b/c/d/.bashrc", "bashrc");
        check("", "document");
        assert_eq!(file_name("x/plan", true), "plan.age");
        assert!(file_name(&"x".repeat(500), false).len() == NAME_CHARS_MAX);
    }
}
