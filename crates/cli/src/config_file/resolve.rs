//! What holds: defaults, then the file, then the environment, then flags.

use std::collections::BTreeMap;
use std::path::Path;

use super::environment::Environment;
use super::file::{File, NAME};
use super::setting::Setting;
use super::value::Value;
use super::wanted::Wanted;
use super::{agree, find};
use crate::outcome::{Code, Problem};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody said anything.
    Default,
    /// The file.
    File {
        /// Its line, from 1.
        line: usize,
    },
    /// The environment.
    Environment {
        /// The variable.
        name: String,
    },
    /// The command line of the node.
    Flag {
        /// The flag.
        name: String,
    },
}

impl Source {
    /// Its stable name.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Environment { .. } => "environment",
            Self::Flag { .. } => "flag",
        }
    }

    /// Its place, as people look it up.
    pub(crate) fn place(&self) -> Option<String> {
        match self {
            Self::Default => None,
            Self::File { line } => Some(format!("{NAME}:{line}")),
            Self::Environment { name } | Self::Flag { name } => Some(name.clone()),
        }
    }
}

/// A value that somebody gave.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// Of which setting.
    pub(crate) setting: &'static Setting,
    /// The value.
    pub(crate) value: Value,
    /// Who gave it.
    pub(crate) source: Source,
}

impl PartialEq for Given {
    fn eq(&self, other: &Self) -> bool {
        (self.setting.name, &self.value, &self.source) == (other.setting.name, &other.value, &other.source)
    }
}

impl Eq for Given {}

impl Given {
    /// What a flag says.
    ///
    /// # Errors
    /// A problem that names the flag.
    pub(crate) fn by_flag(setting: &str, flag: &str, text: &str) -> Result<Self, Problem> {
        let unknown = || {
            let problem = Problem::new(Code::Invalid, format!("{flag}: there is no setting {setting}"));
            match super::near(setting) {
                Some(near) => problem.hint(format!("did you mean {near}?")),
                None => problem.hint("antiphon config show lists them"),
            }
        };
        let setting = find(setting).ok_or_else(unknown)?;
        let wrong = |wrong: super::setting::Wrong| {
            Problem::new(Code::Invalid, format!("{flag}: {}", wrong.what)).hint(wrong.hint)
        };
        let value = setting.kind.parse(text).map_err(wrong)?;
        Ok(Self { setting, value, source: Source::Flag { name: flag.to_owned() } })
    }
}

/// What holds, and who said so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Resolved {
    /// The settings.
    pub(crate) wanted: Wanted,
    /// Who set those that are not as by default.
    sources: BTreeMap<&'static str, Source>,
}

impl Resolved {
    /// What holds in `home` for a node that is started with these flags.
    ///
    /// # Errors
    /// A problem that names the place of what makes no sense.
    pub(crate) fn read(home: &Path, environment: &Environment, flags: &[Given]) -> Result<Self, Problem> {
        let name = home.join(NAME).display().to_string();
        Self::of(&File::read(home)?, environment, flags, &name)
    }

    /// The same for a file that was read; `name` is what problems call it.
    ///
    /// # Errors
    /// As [`Resolved::read`].
    pub(crate) fn of(file: &File, environment: &Environment, flags: &[Given], name: &str) -> Result<Self, Problem> {
        let mut resolved = Self::default();
        for given in file.given.iter().chain(&environment.given()?).chain(flags) {
            (given.setting.set)(&mut resolved.wanted, &given.value)
                .map_err(|wrong| problem(&given.source, name, given.setting.name, &wrong))?;
            resolved.sources.insert(given.setting.name, given.source.clone());
        }
        let sources = &resolved.sources;
        agree(&mut resolved.wanted, &|setting| sources.contains_key(setting))
            .map_err(|(setting, wrong)| problem(&resolved.source_of(setting), name, setting, &wrong))?;
        Ok(resolved)
    }

    /// Who set a setting.
    pub(crate) fn source_of(&self, name: &str) -> Source {
        self.sources.get(name).cloned().unwrap_or(Source::Default)
    }

    /// Whether nobody said anything about a setting.
    pub(crate) fn is_default(&self, name: &str) -> bool {
        !self.sources.contains_key(name)
    }

    /// The value of a setting.
    pub(crate) fn value_of(&self, setting: &Setting) -> Value {
        (setting.get)(&self.wanted)
    }

    /// The same with some settings as in another.
    pub(crate) fn with(&self, other: &Self, taken: impl Fn(&Setting) -> bool) -> Self {
        let mut mixed = self.clone();
        for setting in super::all().filter(|setting| taken(setting)) {
            // It was read from what holds together, so it is taken.
            if (setting.set)(&mut mixed.wanted, &other.value_of(setting)).is_err() {
                continue;
            }
            match other.source_of(setting.name) {
                Source::Default => drop(mixed.sources.remove(setting.name)),
                source => drop(mixed.sources.insert(setting.name, source)),
            }
        }
        mixed
    }
}

fn problem(source: &Source, file: &str, setting: &str, wrong: &super::setting::Wrong) -> Problem {
    let place = match source {
        Source::Default => setting.to_owned(),
        Source::File { line } => format!("{file}:{line}: {setting}"),
        Source::Environment { name } | Source::Flag { name } => name.clone(),
    };
    Problem::new(Code::Invalid, format!("{place}: {}", wrong.what)).hint(wrong.hint.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Resolved, Problem> {
        let environment = Environment::of(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let flags =
            flags.iter().map(|(name, text)| Given::by_flag(name, "--set", text)).collect::<Result<Vec<_>, _>>()?;
        Resolved::of(&File::parse(file, "f.toml")?, &environment, &flags, "f.toml")
    }

    #[test]
    fn what_is_said_nearer_to_the_start_goes_before() {
        let file = "[outbox]\nretry = \"1m\"\nitems_per_peer = 5\n[content]\ncache = \"1MiB\"\n";
        let variables = [("ANTIPHON_OUTBOX_RETRY", "2m"), ("ANTIPHON_OUTBOX_ITEMS_PER_PEER", "6")];
        let resolved = resolved(file, &variables, &[("outbox.retry", "3m")]).unwrap();
        let check = |name: &str, text: &str, source: &str, place: Option<&str>| {
            let (setting, from) = (find(name).unwrap(), resolved.source_of(name));
            assert_eq!(resolved.value_of(setting).text(), text, "{name}");
            assert_eq!((from.name(), from.place().as_deref()), (source, place), "{name}");
        };
        check("outbox.retry", "3m", "flag", Some("--set"));
        check("outbox.items_per_peer", "6", "environment", Some("ANTIPHON_OUTBOX_ITEMS_PER_PEER"));
        check("content.cache", "1MiB", "file", Some("antiphon.toml:5"));
        check("outbox.bytes_per_peer", "64MiB", "default", None);
    }

    #[test]
    fn levels_of_several_places_add_up() {
        let resolved = resolved(
            "[outbox.levels]\nplanner = \"none\"\nmessage = \"none\"",
            &[("ANTIPHON_OUTBOX_LEVELS", "message=moderate")],
            &[],
        )
        .unwrap();
        let setting = find("outbox.levels").unwrap();
        assert_eq!(setting.shown(&resolved.value_of(setting)), "message=moderate,planner=none");
    }

    #[test]
    fn what_does_not_agree_is_told_where_it_was_said() {
        let told = |variables: &[(&str, &str)], flags: &[(&str, &str)]| {
            resolved("[replication]\nfactor = 5", variables, flags).unwrap_err().what
        };
        assert!(
            told(&[("ANTIPHON_REPLICATION_PROVIDERS_PER_KEY", "2")], &[]).starts_with("ANTIPHON_REPLICATION_PROVIDERS")
        );
        assert!(told(&[], &[("replication.providers_per_key", "2")]).starts_with("--set: "));
        assert!(told(&[("ANTIPHON_OUTBOX_LEVELS", "mesage=none")], &[]).starts_with("ANTIPHON_OUTBOX_LEVELS: "));
        assert!(told(&[], &[("outbox.retrys", "2s")]).contains("outbox.retrys"));
    }

    #[test]
    fn only_what_may_change_is_taken_over() {
        let before = resolved("[http]\nlisten = \"127.0.0.1:1\"\n[outbox]\nretry = \"1m\"", &[], &[]).unwrap();
        let after = resolved("[http]\nlisten = \"127.0.0.1:2\"\n[storage]\noffer = false", &[], &[]).unwrap();
        let mixed = before.with(&after, |setting| setting.takes == crate::config_file::Takes::Reload);
        assert_eq!((mixed.wanted.http.listen.as_str(), mixed.wanted.storage.offer), ("127.0.0.1:1", false));
        assert_eq!(mixed.wanted.outbox.retry_ms, Wanted::default().outbox.retry_ms);
        assert_eq!(
            (mixed.source_of("outbox.retry"), mixed.source_of("storage.offer").name()),
            (Source::Default, "file")
        );
    }
}
