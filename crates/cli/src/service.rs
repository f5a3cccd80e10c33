//! The node as a service of the person who uses it: it starts when they log in, and again when it ended badly.
//!
//! What starts programs differs by system: systemd on Linux, launchd on macOS. Each gets a file that names this program
//! and this home by their whole paths, because a service knows no working directory and no shell.

mod launchd;
mod systemd;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use antiphon_node::Home;
use serde::Serialize;

use crate::locate::{self, Environment};
use crate::outcome::{Code, Problem, file_problem};

/// Longest part of a home's name in the name of its service, in characters.
const NAME_CHARS_MAX: usize = 40;

/// What starts programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Manager {
    /// systemd, for the user
    Systemd,
    /// launchd, for the user
    Launchd,
}

impl Manager {
    /// That of this system.
    pub(crate) const fn of_system() -> Self {
        if cfg!(target_os = "macos") { Self::Launchd } else { Self::Systemd }
    }
}

/// The service of one home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    /// What starts it.
    pub(crate) manager: Manager,
    /// Its name there.
    pub(crate) name: String,
    /// Its file.
    pub(crate) path: PathBuf,
    /// What the file says.
    pub(crate) text: String,
}

/// What became of a command about a service; the shape of its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ServiceStatus {
    /// What starts it.
    pub(crate) manager: Manager,
    /// Its name there.
    pub(crate) name: String,
    /// Its file.
    pub(crate) path: PathBuf,
    /// The home of the node.
    pub(crate) home: PathBuf,
    /// Whether the file is there.
    pub(crate) installed: bool,
    /// Whether the file says what this program would write now.
    pub(crate) current: bool,
    /// Whether it starts by itself.
    pub(crate) enabled: bool,
    /// Whether it runs.
    pub(crate) active: bool,
    /// Whether it goes on when the person logs out; missing where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lingers: Option<bool>,
    /// Whether the command changed anything; missing where it only looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changed: Option<bool>,
}

impl Service {
    /// The service of a home.
    ///
    /// # Errors
    /// A problem when there is no place for it, or this program cannot be found again.
    pub(crate) fn of(home: &Home, manager: Manager, environment: &Environment) -> Result<Self, Problem> {
        let program = std::env::current_exe().map_err(|error| {
            Problem::new(Code::Failed, "the path of this program is not known").why(error.to_string())
        })?;
        let (program, dir) = (utf8(&program)?.to_owned(), utf8(home.path())?);
        let plain = locate::is_default(home.path(), environment);
        let label = if plain { "antiphon".to_owned() } else { format!("antiphon-{}", label(home.path())) };
        let (name, path, text) = match manager {
            Manager::Systemd => {
                let name = format!("{label}.service");
                let path = config_dir(environment)?.join("systemd/user").join(&name);
                (name, path, systemd::unit(&program, dir))
            }
            Manager::Launchd => {
                let name = format!("dev.antiphon.{label}");
                let path = user_home(environment)?.join("Library/LaunchAgents").join(format!("{name}.plist"));
                let text = launchd::plist(&name, &program, dir);
                (name, path, text)
            }
        };
        Ok(Self { manager, name, path, text })
    }

    /// Writes its file, and has it started now and from now on. Doing so again changes nothing.
    ///
    /// # Errors
    /// A problem that says what is missing.
    pub(crate) fn install(&self) -> Result<bool, Problem> {
        match self.manager {
            Manager::Systemd => systemd::ready()?,
            Manager::Launchd => launchd::ready()?,
        }
        let written = !self.is_current()?;
        if written {
            self.write()?;
        }
        let started = match self.manager {
            Manager::Systemd => systemd::start(self, written)?,
            Manager::Launchd => launchd::start(self, written)?,
        };
        Ok(written || started)
    }

    /// Stops it, and takes its file away. Where there is none nothing changes.
    ///
    /// # Errors
    /// A problem that says what is missing.
    pub(crate) fn uninstall(&self) -> Result<bool, Problem> {
        if !self.path.exists() {
            return Ok(false);
        }
        match self.manager {
            Manager::Systemd => systemd::stop(self)?,
            Manager::Launchd => launchd::stop(self)?,
        }
        std::fs::remove_file(&self.path).map_err(|error| file_problem("remove", &self.path, &error))?;
        if self.manager == Manager::Systemd {
            systemd::reload()?;
        }
        Ok(true)
    }

    /// How it stands.
    ///
    /// # Errors
    /// A problem when its file cannot be read.
    pub(crate) fn status(&self, home: &Home, changed: Option<bool>) -> Result<ServiceStatus, Problem> {
        let installed = self.path.exists();
        let state = match self.manager {
            _ if !installed => State::default(),
            Manager::Systemd => systemd::state(self),
            Manager::Launchd => launchd::state(self),
        };
        Ok(ServiceStatus {
            manager: self.manager,
            name: self.name.clone(),
            path: self.path.clone(),
            home: home.path().to_owned(),
            installed,
            current: self.is_current()?,
            enabled: state.enabled,
            active: state.active,
            lingers: state.lingers,
            changed,
        })
    }

    /// Whether it runs now.
    pub(crate) fn is_active(&self) -> bool {
        self.path.exists()
            && match self.manager {
                Manager::Systemd => systemd::state(self).active,
                Manager::Launchd => launchd::state(self).active,
            }
    }

    fn is_current(&self) -> Result<bool, Problem> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Ok(text == self.text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(file_problem("read", &self.path, &error)),
        }
    }

    fn write(&self) -> Result<(), Problem> {
        let problem = |error: io::Error| file_problem("write", &self.path, &error);
        std::fs::create_dir_all(self.path.parent().unwrap_or(Path::new("/"))).map_err(problem)?;
        // Whoever starts programs reads it whole or not at all.
        let part = self.path.with_extension("part");
        std::fs::write(&part, &self.text).and_then(|()| std::fs::rename(&part, &self.path)).map_err(problem)
    }
}

/// What a manager says of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    enabled: bool,
    active: bool,
    lingers: Option<bool>,
}

/// What a program of the system said.
struct Said {
    good: bool,
    out: String,
    why: String,
}

/// Asks a program of the system.
fn ask(program: &str, args: &[&str]) -> io::Result<Said> {
    let mut command = Command::new(program);
    let output = command.args(args).stdin(Stdio::null()).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok(Said { good: output.status.success(), out: text(&output.stdout), why: text(&output.stderr) })
}

/// The same, for one that must go well.
fn command(program: &str, args: &[&str], hint: &str) -> Result<(), Problem> {
    let line = format!("{program} {}", args.join(" "));
    let why = match ask(program, args) {
        Ok(said) if said.good => return Ok(()),
        Ok(Said { why, out, .. }) => {
            if why.is_empty() {
                out
            } else {
                why
            }
        }
        Err(error) => error.to_string(),
    };
    Err(Problem::new(Code::Failed, format!("{line} failed")).why(why).hint(hint))
}

/// How the node is run where nothing starts it.
fn by_hand() -> String {
    let program = locate::program();
    format!(
        "run it under what starts programs here, in the foreground: {program} up; or in the background: {program} up --detach"
    )
}

fn utf8(path: &Path) -> Result<&str, Problem> {
    let text = path.to_str().filter(|text| !text.contains(['\n', '\r', '\0']));
    text.ok_or_else(|| {
        Problem::new(Code::Invalid, format!("{} cannot stand in the file of a service", path.display()))
            .why("it has a line break, or is not UTF-8")
            .hint("move it to another path")
    })
}

fn user_home(environment: &Environment) -> Result<PathBuf, Problem> {
    let home = environment.home.clone().filter(|path| path.is_absolute());
    home.ok_or_else(|| {
        Problem::new(Code::Invalid, "there is no place for the file of the service")
            .why("HOME is not set")
            .hint("HOME=/home/NAME antiphon service install")
    })
}

fn config_dir(environment: &Environment) -> Result<PathBuf, Problem> {
    let xdg = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    xdg.map_or_else(|| user_home(environment).map(|home| home.join(".config")), Ok)
}

/// What a home that is not the usual one is called: its name, and what tells it from others of that name.
fn label(home: &Path) -> String {
    let name = home.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(plain).take(NAME_CHARS_MAX).collect();
    let hash = antiphon_core::ids::Hash::of(home.as_os_str().as_encoded_bytes()).to_string();
    format!("{}-{}", name.trim_matches('-'), hash.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(home: &str, manager: Manager) -> Service {
        let environment = Environment { home: Some("/home/alice".into()), ..Environment::default() };
        Service::of(&Home::new(home), manager, &environment).unwrap()
    }

    #[test]
    fn every_home_has_a_service_of_its_own() {
        let usual = service("/home/alice/.local/share/antiphon/default", Manager::Systemd);
        assert_eq!(usual.name, "antiphon.service");
        let (work, other) = (service("/srv/Work!", Manager::Systemd), service("/opt/Work!", Manager::Systemd));
        assert!(work.name.starts_with("antiphon-work-") && work.name != other.name, "{work:?} {other:?}");
        let mac = service("/home/alice/.local/share/antiphon/default", Manager::Launchd);
        assert_eq!(mac.path, Path::new("/home/alice/Library/LaunchAgents/dev.antiphon.antiphon.plist"));
    }

    #[test]
    fn a_path_that_would_break_the_file_is_refused() {
        assert!(utf8(Path::new("/a\nExecStart=/bin/evil")).is_err());
    }
}
