//! The control socket.

use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use hyper::upgrade;
use hyper_util::rt::TokioIo;
use schemars::JsonSchema;
use serde_json::json;
use tokio::net::{UnixListener, UnixSocket};

use super::Error;
use super::tasks::Tasks;
use crate::error::{Code, Problem};
use crate::mcp::{self, ToolProfile};
use crate::openapi::{Draft, Input, Output, Routes, get};
use crate::service::Service;

/// What the control socket's MCP stream calls itself in an HTTP upgrade.
pub const MCP_PROTOCOL: &str = "antiphon-mcp";

/// Connections that wait until they are taken.
const WAITING_CONNECTIONS_MAX: u32 = 1_024;

/// The socket's file.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    /// Device and inode, so that another node's socket under the same name is left alone.
    file: (u64, u64),
}

impl Socket {
    /// Binds the socket. A file that is there already belongs to a node that is gone: the home is locked by ours.
    pub(super) fn bind(path: &Path) -> Result<(Self, UnixListener), Error> {
        let failed = |source| Error::Socket { path: path.to_owned(), source };
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let socket = UnixSocket::new_stream().map_err(failed)?;
        socket.bind(path).map_err(failed)?;
        // The home may have been made by somebody who lets others in. Nobody can connect before the socket listens.
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        let file = file_of(path).map_err(failed)?;
        let listener = socket.listen(WAITING_CONNECTIONS_MAX).map_err(failed)?;
        Ok((Self { path: path.to_owned(), file }, listener))
    }

    /// Removes the file, if it is still ours.
    pub(super) fn remove(&self) {
        if file_of(&self.path).is_ok_and(|file| file == self.file)
            && let Err(error) = fs::remove_file(&self.path)
        {
            // The next node replaces it; until then clients find nobody listening, which is true.
            tracing::warn!(path = %self.path.display(), %error, "the control socket could not be removed");
        }
    }
}

fn file_of(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

/// What the control socket has beside the API.
pub(super) fn mcp(service: Arc<Service>, tasks: Tasks) -> Router {
    routes().wrapped(|router| router.layer(Extension(tasks))).with_state(service)
}

/// The route that turns a connection into an MCP stream.
pub(crate) fn routes() -> Routes {
    let summary = "Turns the connection into an MCP stream, by an upgrade to `antiphon-mcp`.";
    Routes::new().route("/api/v1/mcp", get(summary, upgrade_to_mcp))
}

/// An answer after which the connection speaks MCP, or a problem.
struct Upgraded(Response);

impl IntoResponse for Upgraded {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Output for Upgraded {
    fn describe(draft: &mut Draft) {
        draft.gives(101, "The connection is an MCP stream from here on.", json!({}));
    }
}

/// The whole request, for the upgrade.
struct Whole(Request);

impl<S: Sync> FromRequest<S> for Whole {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        Ok(Self(request))
    }
}

impl Input for Whole {
    fn describe(draft: &mut Draft) {
        draft.reads_query::<ProfileAsk>();
    }
}

/// What may stand behind the `?`.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is read from the request by hand, and described here")]
struct ProfileAsk {
    /// Which tools are offered: `core` or another profile that `antiphon mcp --help` lists.
    profile: Option<String>,
}

impl Input for Extension<Tasks> {
    fn describe(_: &mut Draft) {}
}

async fn upgrade_to_mcp(
    State(service): State<Arc<Service>>,
    Extension(tasks): Extension<Tasks>,
    Whole(request): Whole,
) -> Upgraded {
    Upgraded(upgrade_or_refuse(service, tasks, request))
}

fn upgrade_or_refuse(service: Arc<Service>, tasks: Tasks, request: Request) -> Response {
    if request.headers().get(header::UPGRADE).is_none_or(|protocol| protocol != MCP_PROTOCOL) {
        let problem = Problem::new(Code::Invalid, format!("this address speaks {MCP_PROTOCOL} after an upgrade"));
        return problem.hint("antiphon mcp").into_response();
    }
    let profile = match ToolProfile::of_query(request.uri().query()) {
        Ok(profile) => profile,
        Err(name) => {
            let hint = format!("use one of {}", ToolProfile::NAMES.join(", "));
            return Problem::bad_value("profile", &name, hint).into_response();
        }
    };
    let doors = tasks.clone();
    tasks.spawn(async move {
        match upgrade::on(request).await {
            Ok(stream) => mcp::stream(service, profile, TokioIo::new(stream), doors).await,
            Err(error) => tracing::debug!(%error, "an upgrade broke off"),
        }
    });
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static(MCP_PROTOCOL)),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}
