//! Where a node's home is: `--home`, else `--profile` under the XDG data directory, else `ANTIPHON_HOME`, else the
//! profile `default`.

use std::path::{Path, PathBuf};

use antiphon_node::Config;
use antiphon_node::home::Home;

use crate::outcome::{Code, Problem};

/// Longest path of a Unix socket, in bytes: `sun_path` has 108 and ends with a NUL.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The profile that is used when none is named.
pub(crate) const PROFILE_DEFAULT: &str = "default";

/// Where the data directory of programs is, from the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// `ANTIPHON_HOME`.
    pub(crate) antiphon_home: Option<PathBuf>,
    /// `XDG_DATA_HOME`; a relative path is ignored, as the specification asks.
    pub(crate) xdg_data_home: Option<PathBuf>,
    /// `HOME`.
    pub(crate) home: Option<PathBuf>,
}

impl Environment {
    /// What the process was started with.
    pub(crate) fn of_process() -> Self {
        let var = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self { antiphon_home: var("ANTIPHON_HOME"), xdg_data_home: var("XDG_DATA_HOME"), home: var("HOME") }
    }

    fn data_dir(&self) -> Option<PathBuf> {
        let xdg = self.xdg_data_home.clone().filter(|path| path.is_absolute());
        xdg.or_else(|| Some(self.home.clone().filter(|path| path.is_absolute())?.join(".local/share")))
    }
}

/// The home that the flags and the environment name.
///
/// # Errors
/// [`Problem`] when there is no such place, or its socket could not be bound for the length of the path.
pub(crate) fn home(
    explicit: Option<PathBuf>,
    profile: Option<&str>,
    environment: &Environment,
) -> Result<Home, Problem> {
    let path = match (explicit, profile, &environment.antiphon_home) {
        (Some(path), _, _) => path,
        (None, None, Some(path)) => path.clone(),
        (None, profile, _) => profile_dir(profile.unwrap_or(PROFILE_DEFAULT), environment)?,
    };
    // The daemon outlives this directory, so its home must not depend on it.
    let path = std::path::absolute(&path).map_err(|source| {
        Problem::new(Code::Invalid, format!("{} is not a directory that can be used", path.display()))
            .why(source.to_string())
    })?;
    if path.exists() && !path.is_dir() {
        let what = format!("the home {} is not a directory", path.display());
        return Err(Problem::new(Code::Invalid, what).hint("antiphon --home DIR …"));
    }
    let home = Home::new(path);
    let length = home.socket().as_os_str().len();
    if length > SOCKET_PATH_BYTES_MAX {
        let what = format!("the path of the home is too long: {}", home.path().display());
        let why = format!("its control socket would have {length} bytes, the system allows {SOCKET_PATH_BYTES_MAX}");
        return Err(Problem::new(Code::Invalid, what).why(why).hint("antiphon --home /a/shorter/path …"));
    }
    Ok(home)
}

/// Whether a program that is told nothing would find this home.
pub(crate) fn is_default(path: &Path, environment: &Environment) -> bool {
    environment.antiphon_home.is_none() && profile_dir(PROFILE_DEFAULT, environment).is_ok_and(|dir| dir == path)
}

/// The settings of a node at `home` that is told nothing. Two nodes of one machine get different names by their profiles.
pub(crate) fn config(home: Home) -> Config {
    let profile = profile(home.path(), &Environment::of_process());
    Config { profile, ..Config::new(home) }
}

/// The profile that a home belongs to, if it is one with a name of its own.
fn profile(path: &Path, environment: &Environment) -> Option<String> {
    let name = path.file_name()?.to_str().filter(|name| *name != PROFILE_DEFAULT)?;
    (profile_dir(name, environment).ok()? == path).then(|| name.to_owned())
}

fn profile_dir(profile: &str, environment: &Environment) -> Result<PathBuf, Problem> {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if profile.is_empty() || profile.starts_with('.') || !profile.chars().all(fit) {
        return Err(Problem::new(Code::Invalid, format!("{profile:?} is not a profile name"))
            .why("a profile is named with letters, digits, '-', '_' and '.', and does not begin with '.'")
            .hint("antiphon --profile work status"));
    }
    let data = environment.data_dir().ok_or_else(|| {
        Problem::new(Code::Invalid, "there is no place for the node's data")
            .why("neither HOME nor XDG_DATA_HOME is set")
            .hint("antiphon --home DIR …")
    })?;
    Ok(data.join("antiphon").join(profile))
}

/// How a person calls this program: by its name if that finds it, else by its path.
pub(crate) fn program() -> String {
    const NAME: &str = "antiphon";
    let Ok(own) = std::env::current_exe() else { return NAME.to_owned() };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(NAME)).find(|program| program.is_file());
    let same = found.and_then(|found| found.canonicalize().ok()) == own.canonicalize().ok();
    if same { NAME.to_owned() } else { own.display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(xdg: Option<&str>, home: Option<&str>) -> Environment {
        Environment { antiphon_home: None, xdg_data_home: xdg.map(PathBuf::from), home: home.map(PathBuf::from) }
    }

    #[test]
    fn the_home_is_found_in_the_order_flag_profile_default() {
        let both = environment(Some("/data"), Some("/home/alice"));
        let check = |explicit: Option<&str>, profile: Option<&str>, environment: &Environment, want: &str| {
            let found = home(explicit.map(PathBuf::from), profile, environment).unwrap();
            assert_eq!(found.path(), Path::new(want));
        };
        check(Some("/nowhere/here"), Some("work"), &both, "/nowhere/here");
        check(None, Some("work"), &both, "/data/antiphon/work");
        check(None, None, &both, "/data/antiphon/default");
        let named = Environment { antiphon_home: Some("/srv/a".into()), ..both.clone() };
        check(None, None, &named, "/srv/a");
        check(None, Some("work"), &named, "/data/antiphon/work");
        check(None, None, &environment(None, Some("/home/alice")), "/home/alice/.local/share/antiphon/default");
        check(None, None, &environment(Some("relative"), Some("/home/bob")), "/home/bob/.local/share/antiphon/default");
    }

    #[test]
    fn a_home_below_the_data_directory_is_that_of_its_profile() {
        let alice = environment(None, Some("/home/alice"));
        let of = |path: &str| profile(Path::new(path), &alice);
        assert_eq!(of("/home/alice/.local/share/antiphon/work").as_deref(), Some("work"));
        assert_eq!(of("/home/alice/.local/share/antiphon/default"), None);
        assert_eq!(of("/home/alice/.local/share/antiphon/a b"), None);
        assert_eq!(of("/srv/work"), None);
        assert_eq!(of("/"), None);
    }

    #[test]
    fn unfit_homes_are_refused_with_a_hint() {
        let none = environment(None, None);
        assert!(home(None, None, &none).is_err());
        assert!(home(None, Some("../eve"), &environment(None, Some("/home/bob"))).is_err());
        assert!(home(Some(PathBuf::from(format!("/{}", "x".repeat(200)))), None, &none).is_err());
    }
}
