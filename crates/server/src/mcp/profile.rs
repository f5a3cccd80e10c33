//! Which tools an agent is shown.
//!
//! Every word of a tool list is read by every agent in every session, so most agents get the few tools that most work
//! needs. Whoever works on the team itself asks for more, and whoever must change nothing gets no tool that writes, and of
//! one that reads and writes the actions that read. No profile has a tool that grants, removes, appoints or adds a gene: that is for people.

use super::call::Tool;

/// Which tools an agent is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ToolProfile {
    /// What most work needs.
    #[default]
    Core,
    /// Everything that an agent may do.
    Full,
    /// Everything that changes nothing.
    ReadOnly,
    /// The tools of the official MCP memory server, instead of any of these.
    MemoryServer,
}

impl ToolProfile {
    /// Names of all profiles.
    pub const NAMES: [&'static str; 4] = ["core", "full", "read-only", "memory-server"];

    /// The profile of a name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Core, Self::Full, Self::ReadOnly, Self::MemoryServer].into_iter().find(|profile| profile.name() == name)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Full => "full",
            Self::ReadOnly => "read-only",
            Self::MemoryServer => "memory-server",
        }
    }

    /// The profile that the query of an address names, as in `?profile=full`; the default when it names none.
    ///
    /// # Errors
    /// The name that is no profile.
    pub(crate) fn of_query(query: Option<&str>) -> Result<Self, String> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query.unwrap_or_default()).unwrap_or_default();
        match pairs.into_iter().find(|(key, _)| key == "profile") {
            None => Ok(Self::default()),
            Some((_, name)) => Self::named(&name).ok_or(name),
        }
    }

    /// Whether an agent of this profile may call a tool.
    pub(super) fn has(self, tool: Tool) -> bool {
        match self {
            Self::Core => !matches!(tool, Tool::More(_)),
            Self::Full => true,
            Self::ReadOnly => tool.only_reads() || !tool.reading_actions().is_empty(),
            Self::MemoryServer => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_a_profile() {
        assert_eq!(ToolProfile::of_query(None), Ok(ToolProfile::Core));
        assert_eq!(ToolProfile::of_query(Some("a=b&profile=read-only")), Ok(ToolProfile::ReadOnly));
        assert_eq!(ToolProfile::of_query(Some("profile=all")), Err("all".to_owned()));
        for name in ToolProfile::NAMES {
            assert_eq!(ToolProfile::named(name).unwrap().name(), name);
        }
    }
}
