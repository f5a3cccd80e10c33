//! The node as a service, with a `systemctl` that writes down what it is asked.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Machine, Run, finish};

/// It notes every call, and remembers what is enabled and active, as the real one does.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$*" >> "$FAKE/calls"
shift
case "$1" in
  show-environment|daemon-reload) exit 0 ;;
  enable) touch "$FAKE/enabled" ;;
  start|restart) touch "$FAKE/active" ;;
  disable) rm -f "$FAKE/enabled" "$FAKE/active" ;;
  is-enabled) test -e "$FAKE/enabled" ;;
  is-active) test -e "$FAKE/active" ;;
  *) echo "unknown: $1" >&2; exit 1 ;;
esac
"#;

struct Computer {
    machine: Machine,
    dir: tempfile::TempDir,
}

impl Computer {
    fn new(systemctl: Option<&str>) -> Self {
        let computer = Self { machine: Machine::new("alice"), dir: tempfile::tempdir().unwrap() };
        fs::create_dir(computer.path("bin")).unwrap();
        if let Some(script) = systemctl {
            fs::write(computer.path("bin/systemctl"), script).unwrap();
            fs::set_permissions(computer.path("bin/systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
        }
        computer.machine.run(&["init", "--team", "choir"]).good();
        computer.machine.run(&["down"]).good();
        computer
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Run {
        let mut command = self.machine.command(args);
        // The script itself needs a few programs; the real systemctl is not among them.
        for program in ["sh", "touch", "rm", "test"] {
            let real = ["/usr/bin", "/bin"].iter().map(|dir| Path::new(dir).join(program)).find(|path| path.exists());
            let link = self.path("bin").join(program);
            if let Some(real) = real.filter(|_| !link.exists()) {
                std::os::unix::fs::symlink(real, link).unwrap();
            }
        }
        command.env("PATH", self.path("bin")).env("FAKE", self.dir.path());
        command.env("XDG_CONFIG_HOME", self.path("config")).env("HOME", self.dir.path());
        finish(command, b"")
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        // What only looks is asked as often as needed.
        let looks = ["show-environment", "is-enabled", "is-active"];
        calls.lines().filter(|call| !looks.iter().any(|look| call.contains(look))).map(str::to_owned).collect()
    }

    fn units(&self) -> Vec<PathBuf> {
        let dir = fs::read_dir(self.path("config/systemd/user"));
        dir.map(|dir| dir.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
    }
}

#[test]
fn a_service_is_installed_once_looked_at_and_taken_away() {
    let alice = Computer::new(Some(SYSTEMCTL));
    let before = alice.run(&["--json", "service", "status"]).good().json();
    assert_eq!((&before["installed"], &before["active"]), (&false.into(), &false.into()), "{before:#}");
    let first = alice.run(&["--json", "service", "install"]).good().json();
    assert_eq!((&first["changed"], &first["active"], &first["enabled"]), (&true.into(), &true.into(), &true.into()));
    let [unit] = alice.units().try_into().unwrap();
    let name = unit.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(first["name"], name.as_str());
    let text = fs::read_to_string(&unit).unwrap();
    let home = alice.machine.home().to_str().unwrap();
    assert!(
        text.contains(&format!("--home \"{home}\" up --no-recovery\n")) && text.contains("ExecStart=\"/"),
        "{text}"
    );
    let want = ["--user daemon-reload", &format!("--user enable {name}"), &format!("--user start {name}")];
    assert_eq!(alice.calls(), want);
    let again = alice.run(&["--json", "service", "install"]).good().json();
    assert_eq!((&again["changed"], alice.calls().len()), (&false.into(), 3), "{again:#}");
    fs::write(&unit, "[Service]\n").unwrap();
    let old = alice.run(&["service", "status"]).good();
    assert!(old.stdout.contains("antiphon service install"), "{old:#?}");
    alice.run(&["service", "install"]).good();
    assert_eq!(fs::read_to_string(&unit).unwrap(), text, "what was changed by hand is written again");
    assert_eq!(alice.calls()[3..], ["--user daemon-reload".to_owned(), format!("--user restart {name}")]);
    let gone = alice.run(&["--json", "service", "uninstall"]).good().json();
    assert_eq!((&gone["changed"], &gone["installed"]), (&true.into(), &false.into()), "{gone:#}");
    assert_eq!(alice.calls()[5..], [format!("--user disable --now {name}"), "--user daemon-reload".to_owned()]);
    assert!(alice.units().is_empty());
    let again = alice.run(&["--json", "service", "uninstall"]).good().json();
    assert_eq!(again["changed"], false, "{again:#}");
}

#[test]
fn without_systemd_the_person_hears_what_is_missing_and_what_to_do() {
    let none = Computer::new(None);
    none.run(&["service", "install"]).refused(1, &["no program systemctl", "up --detach"]);
    assert!(none.units().is_empty(), "nothing is written that nobody reads");
    let no_bus = "#!/bin/sh\necho 'Failed to connect to bus: No medium found' >&2\nexit 1\n";
    let container = Computer::new(Some(no_bus));
    container.run(&["service", "install"]).refused(1, &["No medium found", "container", "up --detach"]);
    let status = container.run(&["service", "status"]).good();
    assert!(status.stdout.contains("Not installed"), "{status:#?}");
}

#[test]
fn a_service_takes_no_home_that_is_in_use_or_new() {
    let alice = Computer::new(Some(SYSTEMCTL));
    alice.machine.run(&["up", "--detach"]).good();
    alice.run(&["service", "install"]).refused(4, &["a node runs on", "antiphon down"]);
    alice.machine.run(&["down"]).good();
    let empty = alice.path("empty");
    alice.run(&["--home", empty.to_str().unwrap(), "service", "install"]).refused(3, &["no node", "antiphon init"]);
    assert!(alice.units().is_empty() && alice.calls().is_empty());
}

#[test]
fn the_unit_is_one_that_systemd_reads() {
    let alice = Computer::new(None);
    let printed = alice.run(&["service", "install", "--print"]).good().stdout;
    assert!(printed.starts_with("[Unit]\n") && alice.units().is_empty(), "{printed}");
    let plist = alice.run(&["service", "install", "--print", "--manager", "launchd"]).good().stdout;
    assert!(plist.contains("<key>ProgramArguments</key>"), "{plist}");
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("skipped: there is no program systemd-analyze");
        return;
    }
    let unit = alice.path("antiphon-check.service");
    fs::write(&unit, printed).unwrap();
    let mut verify = Command::new("systemd-analyze");
    // Without a login there is no directory for what runs.
    verify.args(["verify", "--user", "--man=no"]).arg(&unit).env("XDG_RUNTIME_DIR", alice.dir.path());
    let verify = verify.output().unwrap();
    let said = String::from_utf8_lossy(&verify.stderr).into_owned();
    assert!(verify.status.success() && !said.contains("antiphon-check.service"), "{said}");
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let alice = Machine::new("alice");
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("man1");
    let pages = alice.json(&["man", "--out", out.to_str().unwrap()]);
    let pages = pages["pages"].as_array().unwrap();
    assert!(pages.len() > 60, "{}", pages.len());
    let page = fs::read_to_string(out.join("antiphon-service-install.1")).unwrap();
    assert!(page.contains("started when you log in"), "{page}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), pages.len());
}
