//! Whether the node that runs is this very program.

use std::fs;

use antiphon_node::home::Holder;
use antiphon_server::dto::{DoctorCheckDto, StatusDto};

use super::{check, finding};
use crate::daemon::Session;

/// What mends it.
const FIX: &str = "antiphon down && antiphon up --detach";

/// The program that runs, beside the one that asks.
pub(super) fn examine(session: &Session, status: &StatusDto) -> DoctorCheckDto {
    let own = env!("CARGO_PKG_VERSION");
    let mut findings = Vec::new();
    if status.version != own {
        let what = format!("the node runs version {}, and this program is {own}", status.version);
        findings.push(finding("warning", &what, "commands may ask for what the node does not know yet", FIX));
    } else if let Ok(Holder::Process(Some(pid))) = session.home.lock_holder()
        && is_replaced(pid)
    {
        let what = format!("the program that process {pid} runs was replaced since it was started");
        findings.push(finding("warning", &what, "an upgrade holds after a restart of the node", FIX));
    }
    check("program", &format!("the node runs version {own}"), findings)
}

/// Whether the file that a process runs is gone.
fn is_replaced(pid: u32) -> bool {
    let program = fs::read_link(format!("/proc/{pid}/exe"));
    program.is_ok_and(|path| path.to_string_lossy().ends_with(" (deleted)"))
}
