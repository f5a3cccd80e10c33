//! What a setting is. All of them stand in one table ([`super::all`]); whatever reads, writes, shows or documents settings
//! goes by it, so that a file, the environment, a flag and the reference page cannot come to differ.

use super::value::{Kind, Value};
use super::wanted::Wanted;

/// From when on a changed setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// As soon as the configuration is read again.
    Reload,
    /// From the next start.
    Restart,
    /// When the home is made, and never again.
    Founding,
}

impl Takes {
    /// Its stable name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Restart => "restart",
            Self::Founding => "founding",
        }
    }
}

/// A shorter name in the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Short {
    /// It says the same.
    Same(&'static str),
    /// It says the opposite, as in `ANTIPHON_NO_HTTP`.
    Not(&'static str),
}

/// Why a value cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// What is wrong.
    pub(crate) what: String,
    /// What to write instead.
    pub(crate) hint: String,
}

impl Wrong {
    pub(crate) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// Reads a value from everything that is wanted.
type Get = fn(&Wanted) -> Value;
/// Puts a value there. It has the kind of the setting.
type Set = fn(&mut Wanted, &Value) -> Result<(), Wrong>;

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// Its table and key, as in `outbox.retry`.
    pub(crate) name: &'static str,
    /// What values it takes.
    pub(crate) kind: Kind,
    /// What it does, for people.
    pub(crate) what: &'static str,
    /// What holds when it is not set, where the default is no value.
    pub(crate) unset: &'static str,
    /// From when on a change holds.
    pub(crate) takes: Takes,
    /// The flag of `up` that sets it.
    pub(crate) flag: Option<&'static str>,
    /// A shorter name in the environment.
    pub(crate) short: Option<Short>,
    /// Reads it.
    pub(crate) get: Get,
    /// Sets it.
    pub(crate) set: Set,
}

impl Setting {
    /// A setting that holds from the next start.
    pub(crate) const fn new(name: &'static str, kind: Kind, what: &'static str, get: Get, set: Set) -> Self {
        Self { name, kind, what, unset: "none", takes: Takes::Restart, flag: None, short: None, get, set }
    }

    /// The same, taken over while the node runs.
    pub(crate) const fn reloads(self) -> Self {
        Self { takes: Takes::Reload, ..self }
    }

    /// The same, used when a home is made.
    pub(crate) const fn founds(self) -> Self {
        Self { takes: Takes::Founding, ..self }
    }

    /// The same with a flag of `up`.
    pub(crate) const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    /// The same with a shorter name in the environment.
    pub(crate) const fn short(self, short: Short) -> Self {
        Self { short: Some(short), ..self }
    }

    /// The same with words for what holds when nothing is set.
    pub(crate) const fn unset(self, unset: &'static str) -> Self {
        Self { unset, ..self }
    }

    /// Its table and its key.
    pub(crate) fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }

    /// Its name in the environment: `ANTIPHON_OUTBOX_RETRY`.
    pub(crate) fn variable(&self) -> String {
        format!("{}{}", super::PREFIX, self.name.replace('.', "_").to_uppercase())
    }

    /// What it is when nobody sets it.
    pub(crate) fn default(&self) -> Value {
        (self.get)(&Wanted::default())
    }

    /// A value as people read it.
    pub(crate) fn shown(&self, value: &Value) -> String {
        match value {
            Value::Unset => self.unset.to_owned(),
            Value::List(texts) if texts.is_empty() => self.unset.to_owned(),
            Value::Map(_) => value.text_beside(&self.default()),
            _ => value.text(),
        }
    }
}
