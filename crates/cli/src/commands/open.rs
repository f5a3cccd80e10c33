//! `antiphon open`: the dashboard in a browser, already signed in.

use std::process::{Command, Stdio};

use clap::Args;
use serde::Serialize;

use crate::daemon::Session;
use crate::outcome::Outcome;

/// Options of the command.
#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// Print the link and start no browser
    #[arg(long)]
    print: bool,
}

#[derive(Serialize)]
struct Opened {
    /// The link; it can be used once.
    url: String,
    /// How long it can be used, in seconds.
    seconds: u64,
    /// Whether a browser was asked to open it.
    opened: bool,
}

/// Runs the command.
pub(crate) async fn run(args: OpenArgs, session: &Session) -> Outcome {
    let link = session.node().await?.dashboard_link().await?;
    let opened = !args.print && start_browser(&link.url);
    session.output.result(&Opened { url: link.url, seconds: link.seconds, opened }, words)
}

fn words(opened: &Opened) -> String {
    let Opened { url, seconds, .. } = opened;
    if opened.opened {
        format!("{url}\nA browser opens it. The link works once, within {seconds} seconds.\n")
    } else {
        format!("{url}\nOpen it in a browser on this machine. The link works once, within {seconds} seconds.\n")
    }
}

/// Whether there was a program that opens links. What it does then is its own business, and nobody waits for it.
fn start_browser(url: &str) -> bool {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let screen = cfg!(target_os = "macos")
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let start =
        || Command::new(program).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    screen && start().is_ok()
}
