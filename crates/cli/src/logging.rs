//! Logs go to stderr, in the background to the file that stderr is then.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

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

/// Begins to log. `ANTIPHON_LOG` takes a filter in the syntax of `tracing`; `-v` and `-vv` are shorter.
pub(crate) fn start(verbose: u8, role: Role) {
    let level = match (verbose, role) {
        (0, Role::Command) => "error",
        (0, Role::Foreground) => "warn",
        (0, Role::Background) => "warn,antiphon=info",
        (1, _) => "info,antiphon=debug",
        (_, _) => "debug",
    };
    let filter = EnvFilter::try_from_env("ANTIPHON_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let logger = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // Only a second start could fail, and there is none.
    let _ = logger.try_init();
}
