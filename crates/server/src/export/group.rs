//! Which file of an export a fact stands in: one for each domain, and for each module of it.

use std::collections::{BTreeMap, BTreeSet};

/// Most groups with a file of their own; facts of further ones stand together in the last.
pub(super) const GROUPS_MAX: usize = 4_096;
/// Longest part of a file's name that is made of a domain or a module, in bytes.
const NAME_BYTES_MAX: usize = 60;
/// The name of the file for facts of no domain.
const GENERAL: &str = "general";
/// The name of the file for facts of groups that are too many.
const MORE: &str = "more";

/// Facts that belong together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Group {
    /// Their area of knowledge.
    pub domain: Option<String>,
    /// Their module inside it.
    pub module: Option<String>,
}

impl Group {
    /// What people call it.
    pub fn title(&self) -> String {
        match (&self.domain, &self.module) {
            (None, None) => GENERAL.to_owned(),
            (Some(domain), None) => domain.clone(),
            (None, Some(module)) => module.clone(),
            (Some(domain), Some(module)) => format!("{domain} / {module}"),
        }
    }
}

/// The groups of an export and the names of their files.
#[derive(Debug, Default)]
pub struct Groups {
    names: BTreeMap<Group, String>,
    taken: BTreeSet<String>,
}

impl Groups {
    /// The name of the file that a group stands in, and whether it is new.
    pub fn name(&mut self, group: &Group) -> (String, bool) {
        if let Some(name) = self.names.get(group) {
            return (name.clone(), false);
        }
        if self.names.len() >= GROUPS_MAX {
            return (format!("{MORE}.md"), self.taken.insert(MORE.to_owned()));
        }
        let parts: Vec<String> = [&group.domain, &group.module].into_iter().flatten().map(|part| slug(part)).collect();
        let plain = if parts.is_empty() { GENERAL.to_owned() } else { parts.join("--") };
        let numbered = |number: usize| if number == 1 { plain.clone() } else { format!("{plain}-{number}") };
        // Different names may look alike as file names; one of the first `taken + 1` numbers is free.
        let free = (1..).map(numbered).find(|name| *name != MORE && !self.taken.contains(name)).unwrap_or_default();
        self.taken.insert(free.clone());
        let name = format!("{free}.md");
        self.names.insert(group.clone(), name.clone());
        (name, true)
    }

    /// The names of all files, in the order of the groups.
    pub fn names(&self) -> Vec<String> {
        let more = self.taken.contains(MORE).then(|| format!("{MORE}.md"));
        self.names.values().cloned().chain(more).collect()
    }
}

/// A word that is a file's name anywhere.
fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let mut name: String = text.chars().map(plain).take(NAME_BYTES_MAX).collect();
    while name.contains("--") {
        name = name.replace("--", "-");
    }
    let name = name.trim_matches('-');
    if name.is_empty() { "x".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(domain: &str, module: Option<&str>) -> Group {
        Group { domain: Some(domain.into()), module: module.map(str::to_owned) }
    }

    #[test]
    fn names_are_harmless_and_never_shared() {
        let mut groups = Groups::default();
        let mut name = |group: &Group| groups.name(group).0;
        assert_eq!(name(&Group::default()), "general.md");
        assert_eq!(name(&group("../../etc", Some("passwd"))), "etc--passwd.md");
        assert_eq!(name(&group("A b", None)), "a-b.md");
        assert_eq!(name(&group("a/B", None)), "a-b-2.md");
        assert_eq!(name(&group("A b", None)), "a-b.md");
        assert_eq!(name(&group("\u{1F600}", None)), "x.md");
        assert_eq!(name(&group("more", None)), "more-2.md");
        assert_eq!(groups.names().len(), 6);
    }

    #[test]
    fn too_many_groups_share_a_file() {
        let mut groups = Groups::default();
        for number in 0..GROUPS_MAX + 2 {
            groups.name(&group(&format!("d{number}"), None));
        }
        assert_eq!(groups.names().len(), GROUPS_MAX + 1);
        assert_eq!(groups.name(&group("yet another", None)), ("more.md".to_owned(), false));
    }
}
