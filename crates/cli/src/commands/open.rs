//! `antiphon open`: the dashboard in a browser, already signed in.
//!
//! Every user of a machine can read the command lines of all its programs, so the link must not stand on that of the
//! browser. The browser is given a file instead, which only the owner of the home can read, and the file leads on to the
//! link. A browser that is locked up may not be allowed to read it; so the link is printed, too.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde::Serialize;

use crate::daemon::Session;
use crate::outcome::{Outcome, Problem, file_problem};

/// The file that leads to the link, in the home. It stays, with a link that can no longer be used.
const LEADS_ON: &str = "signin.html";

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
    let opened = !args.print && has_screen() && start_browser(&lead(session.home.path(), &link.url)?);
    session.output.result(&Opened { url: link.url, seconds: link.seconds, opened }, words)
}

fn words(opened: &Opened) -> String {
    let Opened { url, seconds, .. } = opened;
    if opened.opened {
        format!(
            "{url}\nA browser opens it. Should it show nothing, open the link in it yourself: it works once, within \
             {seconds} seconds.\n"
        )
    } else {
        format!("{url}\nOpen it in a browser on this machine. The link works once, within {seconds} seconds.\n")
    }
}

/// Writes the file that leads to the link, for its owner's eyes only.
fn lead(home: &Path, url: &str) -> Result<PathBuf, Problem> {
    let path = home.join(LEADS_ON);
    write(&path, &page(url)).map_err(|error| file_problem("write", &path, &error))?;
    Ok(path)
}

fn write(path: &Path, page: &str) -> io::Result<()> {
    // A new file, whatever the modes of the one before.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(page.as_bytes())
}

fn page(url: &str) -> String {
    let url = url.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"refresh\" content=\"0; url={url}\">\n<title>Antiphon</title>\n\
         <p><a href=\"{url}\">Sign in to the dashboard</a></p>\n</html>\n"
    )
}

fn has_screen() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(target_os = "macos") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// Whether there was a program that opens files. What it does then is its own business, and nobody waits for it.
fn start_browser(file: &Path) -> bool {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_link_is_in_a_file_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        for url in ["http://127.0.0.1:1/signin?token=old", "http://127.0.0.1:1/signin?token=a&b=\"<"] {
            let path = lead(home.path(), url).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        let written = fs::read_to_string(home.path().join(LEADS_ON)).unwrap();
        assert!(written.contains("0; url=http://127.0.0.1:1/signin?token=a&amp;b=&quot;&lt;\""), "{written}");
        assert!(!written.contains("old"), "{written}");
    }
}
