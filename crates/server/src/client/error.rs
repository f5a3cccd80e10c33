//! Why a call to the node failed.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Code, Problem};

/// Why a call to the node failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens there: no node runs on this home.
    #[error("no node answers at {}", socket.display())]
    NoDaemon {
        /// The control socket.
        socket: PathBuf,
    },
    /// The node answered with a problem.
    #[error("{0}")]
    Problem(Problem),
    /// The socket or a pipe failed.
    #[error("the connection to the node failed: {source}")]
    Io {
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the node broke: {source}")]
    Http {
        /// What HTTP said.
        source: hyper::Error,
    },
    /// The request cannot be written.
    #[error("the request cannot be sent: {source}")]
    Request {
        /// What HTTP said.
        source: hyper::http::Error,
    },
    /// The answer broke off, or is too long.
    #[error("the answer cannot be read: {reason}")]
    Body {
        /// Why.
        reason: String,
    },
    /// The answer is of another shape: client and node are of different versions.
    #[error("the answer is not understood: {source}")]
    Json {
        /// What is unexpected.
        source: serde_json::Error,
    },
    /// The answer is a failure without an explanation.
    #[error("the node answered with HTTP status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// A document that should be sent cannot be read.
    #[error("the document cannot be read: {source}")]
    Source {
        /// What the system said.
        source: io::Error,
    },
    /// A document that came cannot be written.
    #[error("the document cannot be written: {source}")]
    Sink {
        /// What the system said.
        source: io::Error,
    },
    /// No answer came.
    #[error("the node did not answer within {seconds} seconds")]
    Silent {
        /// How long was waited.
        seconds: u64,
    },
}

impl ClientError {
    pub(super) fn connect(socket: &Path, source: io::Error) -> Self {
        match source.kind() {
            reason if nobody_listens(reason) => Self::NoDaemon { socket: socket.to_owned() },
            _ => Self::Io { source },
        }
    }

    /// Whether no node runs on this home, so that starting one helps.
    pub const fn is_no_daemon(&self) -> bool {
        matches!(self, Self::NoDaemon { .. })
    }

    /// Whether the node went away before it answered, if there was one.
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::NoDaemon { .. } | Self::Io { .. } | Self::Http { .. })
    }
}

/// Whether a socket that cannot be reached for this reason is nobody's. A node that was killed leaves it behind, and nobody
/// accepts there any more; one that stops may close it while it is being reached.
pub const fn nobody_listens(reason: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound};
    matches!(reason, NotFound | ConnectionRefused | ConnectionReset)
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        let what = error.to_string();
        match error {
            ClientError::Problem(problem) => problem,
            ClientError::NoDaemon { .. } => {
                Self::new(Code::Unreachable, what).why("it is not running").hint("antiphon up --detach")
            }
            ClientError::Silent { .. } => {
                Self::new(Code::Unreachable, what).hint("see what it does in the node.log of its home")
            }
            ClientError::Json { .. } | ClientError::Status { .. } => Self::new(Code::Failed, what)
                .why("this command and the running node may be of different versions")
                .hint("antiphon down, then antiphon up --detach"),
            ClientError::Io { .. } | ClientError::Http { .. } | ClientError::Body { .. } => {
                Self::new(Code::Unreachable, what).hint("antiphon status")
            }
            ClientError::Request { .. } => Self::new(Code::Invalid, what),
            ClientError::Source { .. } => Self::new(Code::Failed, what).why("nothing was stored"),
            ClientError::Sink { source } if source.kind() == io::ErrorKind::StorageFull => {
                Self::new(Code::Full, what).hint("free space, then repeat")
            }
            ClientError::Sink { .. } => Self::new(Code::Failed, what),
        }
    }
}
