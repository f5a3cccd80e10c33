//! The node as a service.

use super::safe;
use crate::output::{GOOD, WARNING, styled};
use crate::service::{Manager, ServiceStatus};

/// How it stands.
pub(crate) fn status(status: &ServiceStatus) -> String {
    let path = safe(&status.path.display().to_string());
    if !status.installed {
        return match status.changed {
            Some(true) => format!("{} is stopped and removed: {path}.", status.name),
            Some(false) => "It was not installed; nothing is changed.".to_owned(),
            None => "Not installed. antiphon service install has the node started by itself.".to_owned(),
        };
    }
    let state = match (status.active, status.enabled) {
        (true, true) => styled(GOOD, "It runs, and starts by itself."),
        (true, false) => styled(WARNING, "It runs, and does not start by itself."),
        (false, true) => styled(WARNING, "It starts by itself, and does not run now."),
        (false, false) => styled(WARNING, "It neither runs nor starts by itself."),
    };
    let mut out = format!("{} ({path})\n{state}", status.name);
    if status.changed == Some(false) {
        out.push_str("\nIt was installed already; nothing is changed.");
    }
    if !status.current {
        let line = "This program would write another file. Install it again: antiphon service install";
        out.push_str(&format!("\n{}", styled(WARNING, line)));
    }
    if status.lingers == Some(false) {
        out.push_str("\nIt stops when you log out. To have it go on: loginctl enable-linger");
    }
    if !status.active {
        let look = match status.manager {
            Manager::Systemd => format!("journalctl --user -e -u {}", status.name),
            Manager::Launchd => safe(&status.home.join("service.log").display().to_string()),
        };
        out.push_str(&format!("\nWhat it said last: {look}"));
    }
    out
}
