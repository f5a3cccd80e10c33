//! The files that pages need. They are part of the program, and their names hold a hash of what is in them, so a browser
//! may keep them for ever and never shows an old one.

use std::sync::LazyLock;

use antiphon_core::ids::Hash;
use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Characters of the hash that stand in a name.
const HASH_CHARS: usize = 16;

/// One file.
#[derive(Debug)]
pub(super) struct Asset {
    /// Its path on this site.
    pub(super) path: String,
    media: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(name: &str, ending: &str, media: &'static str, text: &'static str) -> Self {
        let hash: String = Hash::of(text.as_bytes()).to_string().chars().take(HASH_CHARS).collect();
        Self { path: format!("/assets/{name}.{hash}.{ending}"), media, text }
    }
}

/// How pages look.
pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "antiphon",
        "css",
        "text/css; charset=utf-8",
        concat!(include_str!("../../assets/antiphon.css"), include_str!("../../assets/pages.css")),
    )
});
/// What makes them live.
pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "live",
        "js",
        "text/javascript; charset=utf-8",
        concat!(include_str!("../../assets/live.js"), include_str!("../../assets/pages.js")),
    )
});
/// What stands beside their titles.
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("../../assets/icon.svg")));

/// Hands them out; whoever asks sees nothing of this node in them.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{name}", get(show)).route("/favicon.ico", get(|| async { file(&ICON) }))
}

async fn show(Path(name): Path<String>) -> Response {
    let path = format!("/assets/{name}");
    let found = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.path == path);
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |asset| file(asset))
}

fn file(asset: &Asset) -> Response {
    let headers = [(header::CONTENT_TYPE, asset.media), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, asset.text).into_response()
}
