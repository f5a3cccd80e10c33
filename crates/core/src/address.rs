//! Addresses: how documents are named.
//!
//! A document belongs to somebody's work: an agent wrote it, in a role, in a project, for a task, and it has a place in
//! there, its path. People and agents guess such a name from what they know, and find it without asking anybody, as long
//! as one document has one name. So every spelling is read, and one is written:
//!
//! | form | example |
//! |---|---|
//! | slash form, which is canonical | `ucxl://agent001/backend_developer/project123/task456/decision/x` |
//! | the same with a selector | `ucxl://agent001/backend_developer/project123/task456/*~3/decision/x` |
//! | colon form | `ucxl://agent001:backend_developer@project123:task456/*^/decision/x` |
//! | the same without a selector | `ucxl://agent001:backend_developer@project123:task456/decision/x` |
//!
//! Agent, role, project and task are `[A-Za-z0-9_-]+`; capitals count. The path is `[A-Za-z0-9_./-]*` without `..`, its
//! segments are neither empty nor `.`, because such a path would be a second spelling of another one. It may be empty,
//! and one slash at its end is read and left out, since people type it without meaning anything. The word `any` stands
//! for every value in a [`Pattern`], so it names nothing in an address. What chooses a version is the [`Selector`]: it
//! is no part of the name. It stands where the path begins; no path can be mistaken for one.
//!
//! Limits: the canonical form has at most [`ADDRESS_BYTES_MAX`] bytes.

mod error;
mod pattern;
mod selector;

use std::fmt;

use data_encoding::BASE64URL_NOPAD;

pub use error::{Component, Error};
pub use pattern::Pattern;
pub use selector::Selector;

use crate::ids::{ContentId, Hash};

/// What every address begins with.
pub const SCHEME: &str = "ucxl://";
/// Longest canonical form of an address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 512;
/// The word that stands for every value in a search.
pub const ANY: &str = "any";

/// Longest text that can be an address: what the other forms add is a selector, its slash, and one at the end.
const TEXT_BYTES_MAX: usize = ADDRESS_BYTES_MAX + selector::SELECTOR_BYTES_MAX + 2;

/// The name of one document.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    agent: String,
    role: String,
    project: String,
    task: String,
    path: String,
}

impl Address {
    /// Reads an address in any form, and which version is meant: the latest, if nothing is said.
    ///
    /// # Errors
    /// [`Error`] that names the component and what is allowed there.
    pub fn parse(text: &str) -> Result<(Self, Selector), Error> {
        let parts = Parts::split(text)?;
        let named = |component: Component, part: Option<&str>| {
            let part = part.ok_or(Error::Missing(component))?;
            word(component, part)?;
            Ok(part.to_owned())
        };
        let address = Self {
            agent: named(Component::Agent, parts.words[0])?,
            role: named(Component::Role, parts.words[1])?,
            project: named(Component::Project, parts.words[2])?,
            task: named(Component::Task, parts.words[3])?,
            path: path(parts.path)?.to_owned(),
        };
        address.check_len()?;
        Ok((address, parts.selector.unwrap_or_default()))
    }

    /// Makes an address of its components.
    ///
    /// # Errors
    /// [`Error`] that names the component and what is allowed there.
    pub fn new(agent: &str, role: &str, project: &str, task: &str, path: &str) -> Result<Self, Error> {
        let named = |component: Component, part: &str| word(component, part).map(|()| part.to_owned());
        let address = Self {
            agent: named(Component::Agent, agent)?,
            role: named(Component::Role, role)?,
            project: named(Component::Project, project)?,
            task: named(Component::Task, task)?,
            path: self::path(path)?.to_owned(),
        };
        address.check_len()?;
        Ok(address)
    }

    /// Reads the canonical form and no other: what stands in an event has one spelling.
    ///
    /// # Errors
    /// As [`Address::parse`], and [`Error::NotCanonical`] for every other form.
    pub fn read(text: &str) -> Result<Self, Error> {
        let (address, _) = Self::parse(text)?;
        if address.to_string() == text { Ok(address) } else { Err(Error::NotCanonical(error::cut(text))) }
    }

    /// Whose work it is.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// In which role.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// In which project.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// For which task.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// Its place in there, without slashes at its ends; may be empty.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The id of the document: SHA-256 of the canonical form.
    pub fn id(&self) -> ContentId {
        ContentId(Hash::of(self.to_string().as_bytes()).0)
    }

    /// Where a pointer to the document stands in the distributed hash table: `/<prefix>/ucxl/` and the id in base64url.
    /// Slashes around `prefix` change nothing.
    pub fn dht_key(&self, prefix: &str) -> String {
        dht_key(prefix, &self.id())
    }

    /// The colon form, which says which version is meant.
    pub fn at(&self, selector: Selector) -> String {
        let Self { agent, role, project, task, path } = self;
        let slash = if path.is_empty() { "" } else { "/" };
        format!("{SCHEME}{agent}:{role}@{project}:{task}/{selector}{slash}{path}")
    }

    fn check_len(&self) -> Result<(), Error> {
        let Self { agent, role, project, task, path } = self;
        let parts = [agent, role, project, task, path].map(String::len);
        let slashes = if path.is_empty() { 3 } else { 4 };
        let bytes = SCHEME.len() + parts.iter().sum::<usize>() + slashes;
        if bytes > ADDRESS_BYTES_MAX { Err(Error::TooLong(bytes)) } else { Ok(()) }
    }
}

/// As [`Address::dht_key`], where only the id is known.
pub fn dht_key(prefix: &str, id: &ContentId) -> String {
    format!("/{}/ucxl/{}", prefix.trim_matches('/'), BASE64URL_NOPAD.encode(&id.0))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agent, role, project, task, path } = self;
        let slash = if path.is_empty() { "" } else { "/" };
        f.pad(&format!("{SCHEME}{agent}/{role}/{project}/{task}{slash}{path}"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text cut where its form says, nothing of it looked at yet.
struct Parts<'t> {
    /// Agent, role, project, task.
    words: [Option<&'t str>; 4],
    selector: Option<Selector>,
    path: &'t str,
}

impl<'t> Parts<'t> {
    fn split(text: &'t str) -> Result<Self, Error> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Error::TooLong(text.len()));
        }
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| Error::Scheme(error::cut(text)))?;
        let authority = rest.split('/').next().unwrap_or(rest);
        let (words, rest) = if authority.contains([':', '@']) {
            (colons(authority)?, rest.strip_prefix(authority).and_then(|rest| rest.strip_prefix('/')))
        } else {
            let mut parts = rest.splitn(5, '/');
            ([parts.next(), parts.next(), parts.next(), parts.next()], parts.next())
        };
        let (selector, path) = selector::leading(rest.unwrap_or_default())?;
        Ok(Self { words, selector, path })
    }
}

/// Cuts `agent:role@project:task`.
fn colons(authority: &str) -> Result<[Option<&str>; 4], Error> {
    let form = || Error::Form(error::cut(authority));
    let (who, what) = authority.split_once('@').ok_or_else(form)?;
    let (agent, role) = who.split_once(':').ok_or_else(form)?;
    let (project, task) = what.split_once(':').ok_or_else(form)?;
    Ok([agent, role, project, task].map(Some))
}

/// Checks one of the four words of an address.
fn word(component: Component, text: &str) -> Result<(), Error> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if text.is_empty() {
        return Err(Error::Missing(component));
    }
    if !text.bytes().all(fits) {
        return Err(Error::Word { component, text: error::cut(text) });
    }
    if text == ANY { Err(Error::Any(component)) } else { Ok(()) }
}

/// Checks a path; one slash at its end is left out.
fn path(text: &str) -> Result<&str, Error> {
    let path = text.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(text);
    let refused = |why: &'static str| Error::Path { text: error::cut(text), why };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-');
    if path.is_empty() {
        return Ok(path);
    }
    if !path.bytes().all(fits) {
        let selector = path.split('/').any(|segment| segment.starts_with(['*', '~', '^']));
        return Err(if selector { Error::SelectorPlace(error::cut(text)) } else { refused(error::PATH_ALLOWED) });
    }
    if path.contains("..") {
        return Err(refused("it may not hold `..`"));
    }
    for segment in path.split('/') {
        match segment {
            "" => return Err(refused("it may not hold an empty segment")),
            "." => return Err(refused("it may not hold the segment `.`")),
            ANY => return Err(Error::Any(Component::Path)),
            _ => {}
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests;
