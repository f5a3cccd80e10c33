//! Logs go to stderr, in the background to the file that stderr is then.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::outcome::{Code, Problem};

/// Whose log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A command that asks a node.
    Command,
    /// A node that a person looks at.
    Foreground,
    /// A node that logs to its file.
    Background,
}

/// The filter that is in force, and the one that holds when no setting says otherwise.
struct Filter {
    handle: Handle<EnvFilter, Registry>,
    usual: &'static str,
}

/// There is one log in a process.
static FILTER: OnceLock<Filter> = OnceLock::new();

/// Begins to log. `ANTIPHON_LOG` takes a filter in the syntax of `tracing`; `-v` and `-vv` are shorter.
pub(crate) fn start(verbose: u8, role: Role) {
    let usual = match (verbose, role) {
        (0, Role::Command) => "error",
        (0, Role::Foreground) => "warn",
        (0, Role::Background) => "warn,antiphon=info",
        (1, _) => "info,antiphon=debug",
        (_, _) => "debug",
    };
    let filter = EnvFilter::try_from_env("ANTIPHON_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let (filter, handle) = reload::Layer::new(filter);
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    // Only a second start could fail, and there is none.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    let _ = FILTER.set(Filter { handle, usual });
}

/// Logs from now on what this filter lets through, or what is usual.
///
/// # Errors
/// A problem when it is not a filter.
pub(crate) fn set(filter: Option<&str>) -> Result<(), Problem> {
    let Some(log) = FILTER.get() else { return Ok(()) };
    let failed = |why: String| Problem::new(Code::Invalid, "the log cannot be changed").why(why);
    let filter = EnvFilter::try_new(filter.unwrap_or(log.usual)).map_err(|error| failed(error.to_string()))?;
    log.handle.reload(filter).map_err(|error| failed(error.to_string()))
}
