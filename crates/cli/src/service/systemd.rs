//! systemd, as every user has one of their own.

use super::{Said, Service, State, ask, by_hand, command};
use crate::outcome::{Code, Problem};

const SYSTEMCTL: &str = "systemctl";
/// What to look at when it does not start.
const LOOK: &str = "journalctl --user -e -u antiphon";

/// The unit that runs `program` on `home`.
///
/// What restricts it is what the manager of a user may restrict without help: system calls and kinds of sockets. What
/// hides parts of the disk needs namespaces, which many systems refuse to users.
pub(super) fn unit(program: &str, home: &str) -> String {
    let (program, shown) = (quoted(program), home.replace('%', "%%"));
    let home = quoted(home);
    format!(
        "[Unit]
Description=Antiphon, shared memory for AI agents ({shown})
Documentation=man:antiphon(1)
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=exec
ExecStart={program} --home {home} up --no-recovery
Restart=on-failure
RestartSec=5
# Wrong usage and a refusal do not get better by trying again.
RestartPreventExitStatus=2 4
TimeoutStopSec=60
UMask=0077
LimitNOFILE=65536
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
"
    )
}

/// A word of a command line, as systemd reads it: nothing in it stands for anything else.
fn quoted(word: &str) -> String {
    let word = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    format!("\"{word}\"")
}

/// Whether there is a systemd to speak to.
pub(super) fn ready() -> Result<(), Problem> {
    let missing =
        |why: String| Problem::new(Code::Failed, "systemd does not run services for you here").why(why).hint(by_hand());
    match ask(SYSTEMCTL, &["--user", "show-environment"]) {
        Ok(Said { good: true, .. }) => Ok(()),
        Ok(Said { why, .. }) if why.contains("bus") => Err(missing(format!(
            "systemctl --user says: {why} (in a container there is often none; after su, log in properly or use machinectl shell)"
        ))),
        Ok(Said { why, .. }) => Err(missing(format!("systemctl --user says: {why}"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(missing("there is no program systemctl on PATH".to_owned()))
        }
        Err(error) => Err(missing(format!("systemctl cannot be started: {error}"))),
    }
}

/// Has it started, now and from now on; whether that changed anything.
pub(super) fn start(service: &Service, written: bool) -> Result<bool, Problem> {
    let before = state(service);
    if written {
        reload()?;
    }
    if !before.enabled {
        command(SYSTEMCTL, &["--user", "enable", &service.name], LOOK)?;
    }
    match (before.active, written) {
        (true, false) => {}
        (true, true) => command(SYSTEMCTL, &["--user", "restart", &service.name], LOOK)?,
        (false, _) => command(SYSTEMCTL, &["--user", "start", &service.name], LOOK)?,
    }
    Ok(!before.enabled || !before.active)
}

/// Has it stopped, now and from now on.
pub(super) fn stop(service: &Service) -> Result<(), Problem> {
    ready()?;
    command(SYSTEMCTL, &["--user", "disable", "--now", &service.name], "systemctl --user status antiphon")
}

/// Has the files of services read again.
pub(super) fn reload() -> Result<(), Problem> {
    command(SYSTEMCTL, &["--user", "daemon-reload"], LOOK)
}

/// How it stands; where nothing answers it neither runs nor will.
pub(super) fn state(service: &Service) -> State {
    let says = |verb: &str| ask(SYSTEMCTL, &["--user", verb, &service.name]).is_ok_and(|said| said.good);
    State { enabled: says("is-enabled"), active: says("is-active"), lingers: lingers() }
}

/// Whether the services of this user go on when nobody is logged in.
fn lingers() -> Option<bool> {
    let user = rustix::process::getuid().as_raw().to_string();
    let said = ask("loginctl", &["show-user", "--property=Linger", "--value", &user]).ok().filter(|said| said.good)?;
    match said.out.as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_can_say_anything_but_itself() {
        let unit = unit("/opt/my tools/antiphon", "/srv/50% \"$HOME\" \\x");
        let line = unit.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
        let want = "ExecStart=\"/opt/my tools/antiphon\" --home \"/srv/50%% \\\"$$HOME\\\" \\\\x\" up --no-recovery";
        assert_eq!(line, want);
        assert!(unit.contains("Restart=on-failure\n") && unit.contains("WantedBy=default.target\n"));
    }
}
