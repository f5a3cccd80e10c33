//! Settings in the environment.

use std::collections::BTreeMap;

use super::resolve::{Given, Source};
use super::setting::{Setting, Short};
use super::value::Value;
use super::{PREFIX, all};
use crate::outcome::{Code, Problem};
use crate::toml_reader::nearest;

/// Names that are no settings: where the home is, and what the tests of this program say to themselves.
const OTHERS: &[&str] = &["ANTIPHON_HOME"];
const TESTS: &[&str] = &["ANTIPHON_TEST_", "ANTIPHON_LAW_", "ANTIPHON_BLESS"];

/// What the environment says, of all that is meant for this program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// That of this process. What is no UTF-8 cannot be a setting.
    pub(crate) fn of_process() -> Self {
        let texts =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::of(texts)
    }

    /// One made of these variables.
    pub(crate) fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        // An empty variable is one that was cleared.
        let ours = |(name, value): &(String, String)| name.starts_with(PREFIX) && !value.trim().is_empty();
        Self(variables.into_iter().filter(ours).collect())
    }

    /// The settings in it. The long name of a setting goes before its short one.
    ///
    /// # Errors
    /// A problem that names the variable whose value makes no sense.
    pub(super) fn given(&self) -> Result<Vec<Given>, Problem> {
        let mut given = Vec::new();
        for setting in all() {
            for (name, value) in self.values_of(setting) {
                let read = value
                    .map_err(|wrong| Problem::new(Code::Invalid, format!("{name}: {}", wrong.what)).hint(wrong.hint))?;
                given.push(Given { setting, value: read, source: Source::Environment { name } });
            }
        }
        Ok(given)
    }

    fn values_of(&self, setting: &'static Setting) -> Vec<(String, Result<Value, super::setting::Wrong>)> {
        let mut values = Vec::new();
        if let Some(short) = setting.short {
            let (Short::Same(name) | Short::Not(name)) = short;
            if let Some(text) = self.0.get(name) {
                let value = match short {
                    Short::Same(_) => setting.kind.parse(text),
                    Short::Not(_) => setting.kind.parse(text).map(|value| match value {
                        Value::Flag(flag) => Value::Flag(!flag),
                        other => other,
                    }),
                };
                values.push((name.to_owned(), value));
            }
        }
        let name = setting.variable();
        if let Some(text) = self.0.get(&name) {
            values.push((name, setting.kind.parse(text)));
        }
        values
    }

    /// Names that begin like a setting and are none, each with the name that is most like it.
    pub(crate) fn unknown(&self) -> Vec<(String, Option<String>)> {
        let known: Vec<String> = all().flat_map(names).chain(OTHERS.iter().map(|name| (*name).to_owned())).collect();
        let strange =
            self.0.keys().filter(|name| !known.contains(name) && !TESTS.iter().any(|test| name.starts_with(test)));
        let near = |name: &String| nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        strange.map(|name| (name.clone(), near(name))).collect()
    }
}

/// Every name of a setting in the environment.
fn names(setting: &'static Setting) -> Vec<String> {
    let short = setting.short.map(|short| match short {
        Short::Same(name) | Short::Not(name) => name.to_owned(),
    });
    short.into_iter().chain([setting.variable()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_variable_sets_what_its_name_says() {
        let given = environment(&[
            ("ANTIPHON_OUTBOX_RETRY", "2s"),
            ("ANTIPHON_NO_MDNS", "1"),
            ("ANTIPHON_HTTP", "127.0.0.1:1"),
            ("ANTIPHON_HTTP_LISTEN", "127.0.0.1:2"),
            ("ANTIPHON_NODE_NAME", "  "),
            ("PATH", "/bin"),
        ]);
        let given = given.given().unwrap();
        let said: Vec<(&str, String)> = given.iter().map(|one| (one.setting.name, one.value.text())).collect();
        let want = [
            ("http.listen", "127.0.0.1:1"),
            ("http.listen", "127.0.0.1:2"),
            ("node.mdns", "false"),
            ("outbox.retry", "2s"),
        ];
        assert_eq!(said, want.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn a_variable_that_makes_no_sense_is_named() {
        let problem = environment(&[("ANTIPHON_OUTBOX_RETRY", "soon")]).given().unwrap_err();
        assert!(problem.what.starts_with("ANTIPHON_OUTBOX_RETRY: "), "{problem}");
        assert!(problem.to_string().contains("15s"), "{problem}");
    }

    #[test]
    fn a_slip_in_a_name_is_noticed_and_tests_are_left_alone() {
        let strange = environment(&[
            ("ANTIPHON_OUTBOX_RETRYS", "2s"),
            ("ANTIPHON_HOEM", "/x"),
            ("ANTIPHON_HOME", "/x"),
            ("ANTIPHON_TEST_PYTHON", "python3"),
            ("ANTIPHON_BLESS", "1"),
        ]);
        let near = |name: &str| Some(name.to_owned());
        let want = [
            ("ANTIPHON_HOEM".to_owned(), near("ANTIPHON_HOME")),
            ("ANTIPHON_OUTBOX_RETRYS".to_owned(), near("ANTIPHON_OUTBOX_RETRY")),
        ];
        assert_eq!(strange.unknown(), want);
    }
}
