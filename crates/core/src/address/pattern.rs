//! Patterns: what a search asks for.

use std::fmt;
use std::str::FromStr;

use super::{ADDRESS_BYTES_MAX, ANY, Address, Component, Error, Parts, SCHEME, Selector, error, path, word};

/// Which addresses a search means: `None` is `any`. A pattern may end early; what it leaves out is `any`.
///
/// A path stands for itself and for everything below it: `decision` is met by `decision` and `decision/x`, and not by
/// `decisions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    agent: Option<String>,
    role: Option<String>,
    project: Option<String>,
    task: Option<String>,
    path: Option<String>,
}

impl Pattern {
    /// Reads a pattern in the forms of an address.
    ///
    /// # Errors
    /// [`Error`] that names the component and what is allowed there.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parts = Parts::split(text)?;
        // A search answers with the latest version of each, so to say that changes nothing.
        if let Some(selector) = parts.selector.filter(|selector| *selector != Selector::Latest) {
            return Err(Error::SelectorInSearch(selector.to_string()));
        }
        // Nothing after the scheme, or one slash at the end, leaves out what follows.
        let left_out = |n: usize| parts.words[n + 1..].iter().all(Option::is_none);
        let named = |n: usize, component: Component| match parts.words[n] {
            Some("") if left_out(n) => Ok(None),
            Some(part) => searched(component, part),
            None => Ok(None),
        };
        let pattern = Self {
            agent: named(0, Component::Agent)?,
            role: named(1, Component::Role)?,
            project: named(2, Component::Project)?,
            task: parts.words[3].map_or(Ok(None), |part| {
                if part.is_empty() && parts.path.is_empty() { Ok(None) } else { searched(Component::Task, part) }
            })?,
            path: searched(Component::Path, parts.path)?,
        };
        let bytes = pattern.to_string().len();
        if bytes > ADDRESS_BYTES_MAX { Err(Error::TooLong(bytes)) } else { Ok(pattern) }
    }

    /// Everything.
    pub fn any() -> Self {
        Self::default()
    }

    /// The same pattern with another value of `component`; `any`, and a path of nothing, stand for every value.
    ///
    /// # Errors
    /// [`Error`] that says what is allowed there.
    pub fn with(mut self, component: Component, text: &str) -> Result<Self, Error> {
        let value = searched(component, text)?;
        match component {
            Component::Agent => self.agent = value,
            Component::Role => self.role = value,
            Component::Project => self.project = value,
            Component::Task => self.task = value,
            Component::Path => self.path = value,
        }
        let bytes = self.to_string().len();
        if bytes > ADDRESS_BYTES_MAX { Err(Error::TooLong(bytes)) } else { Ok(self) }
    }

    /// What a component must be; `None` is whatever it is.
    pub fn get(&self, component: Component) -> Option<&str> {
        match component {
            Component::Agent => self.agent.as_deref(),
            Component::Role => self.role.as_deref(),
            Component::Project => self.project.as_deref(),
            Component::Task => self.task.as_deref(),
            Component::Path => self.path.as_deref(),
        }
    }

    /// Whether `address` is among those that are meant.
    pub fn matches(&self, address: &Address) -> bool {
        let is = |want: &Option<String>, got: &str| want.as_deref().is_none_or(|want| want == got);
        is(&self.agent, &address.agent)
            && is(&self.role, &address.role)
            && is(&self.project, &address.project)
            && is(&self.task, &address.task)
            && self.path.as_deref().is_none_or(|want| below(want, &address.path))
    }
}

impl From<&Address> for Pattern {
    fn from(address: &Address) -> Self {
        let some = |text: &str| Some(text.to_owned());
        Self {
            agent: some(&address.agent),
            role: some(&address.role),
            project: some(&address.project),
            task: some(&address.task),
            path: some(&address.path).filter(|path| !path.is_empty()),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [&self.agent, &self.role, &self.project, &self.task].map(|word| word.as_deref().unwrap_or(ANY));
        let path = self.path.as_deref().map(|path| format!("/{path}")).unwrap_or_default();
        f.pad(&format!("{SCHEME}{}{path}", words.join("/")))
    }
}

impl FromStr for Pattern {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

/// Reads one component of a search.
fn searched(component: Component, text: &str) -> Result<Option<String>, Error> {
    if component != Component::Path {
        return if text == ANY { Ok(None) } else { word(component, text).map(|()| Some(text.to_owned())) };
    }
    match text {
        "" | ANY | "any/" => Ok(None),
        // A part of a path that is `any` would promise more than searches do.
        _ => path(text).map(|path| Some(path.to_owned())).map_err(|refused| match refused {
            Error::Any(_) => {
                Error::Path { text: error::cut(text), why: "`any` stands for the whole path, not for a part of it" }
            }
            other => other,
        }),
    }
}

/// Whether `path` is `top` or below it.
fn below(top: &str, path: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
