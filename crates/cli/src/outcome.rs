//! How a command ends. What went wrong is a [`Problem`], the same words that the other doors of the node show.

use std::io;
use std::path::Path;

use antiphon_server::client::ClientError;
pub(crate) use antiphon_server::error::{Code, Problem};

/// Why a command ended before its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It failed, and nothing was said about it yet.
    Problem(Box<Problem>),
    /// Everything was said; this is the exit code.
    Exit(u8),
    /// Nobody reads the output any more.
    Hangup,
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        Problem::from(error).into()
    }
}

/// How a command ends.
pub(crate) type Outcome<T = ()> = Result<T, Stop>;

/// A file or directory of the user that could not be used.
pub(crate) fn file_problem(doing: &str, path: &Path, source: &io::Error) -> Problem {
    let code = match source.kind() {
        io::ErrorKind::NotFound => Code::NotFound,
        io::ErrorKind::StorageFull => Code::Full,
        _ => Code::Failed,
    };
    Problem::new(code, format!("cannot {doing} {}", path.display()))
        .why(source.to_string())
        .hint(format!("check the path: ls -ld {}", path.display()))
}
