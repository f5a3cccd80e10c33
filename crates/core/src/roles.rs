//! Roles: what a member may do, and whose documents it may read.
//!
//! A role is a gene, `role.NAME`, whose text reads `authority: LEVEL; decrypts: ROLE, ROLE` or `decrypts: *`. A role
//! always reads what is sealed to itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::fact::check_label;
use crate::genome::Genome;

/// What the ids of role genes begin with.
pub const ROLE_PREFIX: &str = "role.";
/// Longest name of a role, in bytes.
pub const ROLE_NAME_BYTES_MAX: usize = 48;
/// Most roles of a team.
pub const ROLES_MAX: usize = 128;

/// Roles every team has: name and rule.
pub(crate) const PREDEFINED: [(&str, &str); 9] = [
    ("admin", "authority: master; decrypts: *"),
    ("senior_architect", "authority: decision; decrypts: *"),
    ("devops_engineer", "authority: decision; decrypts: devops_engineer, backend_developer, frontend_developer"),
    ("backend_developer", "authority: suggestion; decrypts: backend_developer"),
    ("frontend_developer", "authority: suggestion; decrypts: frontend_developer"),
    ("qa_engineer", "authority: suggestion; decrypts: qa_engineer"),
    ("security_engineer", "authority: decision; decrypts: *"),
    ("technical_writer", "authority: suggestion; decrypts: technical_writer"),
    ("observer", "authority: read_only; decrypts: observer"),
];

/// How much a role's word weighs, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Authority {
    /// It may read.
    ReadOnly,
    /// It may propose.
    Suggestion,
    /// It may say who does what.
    Coordination,
    /// It may decide.
    Decision,
    /// It may do everything.
    Master,
}

impl Authority {
    const ALL: [Self; 5] = [Self::ReadOnly, Self::Suggestion, Self::Coordination, Self::Decision, Self::Master];

    /// Its name in a gene.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Suggestion => "suggestion",
            Self::Coordination => "coordination",
            Self::Decision => "decision",
            Self::Master => "master",
        }
    }

    /// The authority of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|authority| authority.name() == name)
    }
}

/// Whose documents a role may read, besides its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decrypts {
    /// Everybody's.
    All,
    /// Those of these roles.
    Roles(BTreeSet<String>),
}

/// What the gene of a role says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule {
    /// How much its word weighs.
    pub authority: Authority,
    /// Whose documents it may read.
    pub decrypts: Decrypts,
}

/// A text that is no rule of a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a role reads \"authority: read_only|suggestion|coordination|decision|master; decrypts: * or ROLE, ROLE\"; got {0:?}"
)]
pub struct RuleError(String);

impl RoleRule {
    /// Reads the text of a role gene.
    ///
    /// # Errors
    /// [`RuleError`] with what was given.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError(text.chars().take(120).collect());
        let (authority, decrypts) = text.split_once(';').ok_or_else(wrong)?;
        let authority = authority.trim().strip_prefix("authority:").and_then(|name| Authority::from_name(name.trim()));
        let decrypts = decrypts.trim().strip_prefix("decrypts:").ok_or_else(wrong)?.trim();
        let decrypts = if decrypts == "*" {
            Decrypts::All
        } else {
            let roles: BTreeSet<String> = decrypts.split(',').map(|role| role.trim().to_owned()).collect();
            if !roles.iter().all(|role| is_role_name(role)) {
                return Err(wrong());
            }
            Decrypts::Roles(roles)
        };
        Ok(Self { authority: authority.ok_or_else(wrong)?, decrypts })
    }
}

impl fmt::Display for RoleRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "authority: {}; decrypts: ", self.authority.name())?;
        match &self.decrypts {
            Decrypts::All => f.write_str("*"),
            Decrypts::Roles(roles) => f.write_str(&roles.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// Whether `name` can name a role.
pub fn is_role_name(name: &str) -> bool {
    let fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    name.chars().all(fit) && check_label("role", name, ROLE_NAME_BYTES_MAX).is_ok()
}

/// The roles of a team.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roles(BTreeMap<String, RoleRule>);

impl Roles {
    /// The roles that the genes name; a gene that is no rule names none.
    pub fn of(genome: &Genome) -> Self {
        let roles = genome.genes().filter_map(|(id, text)| {
            let name = id.strip_prefix(ROLE_PREFIX).filter(|name| is_role_name(name))?;
            Some((name.to_owned(), RoleRule::parse(text).ok()?))
        });
        Self(roles.take(ROLES_MAX).collect())
    }

    /// Names of the roles, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The rule of a role.
    pub fn get(&self, name: &str) -> Option<&RoleRule> {
        self.0.get(name)
    }

    /// Whether a holder of `roles` may read what is sealed to `role`.
    pub fn may_read(&self, roles: &[String], role: &str) -> bool {
        roles.iter().any(|held| {
            held == role
                || self.0.get(held).is_some_and(|rule| match &rule.decrypts {
                    Decrypts::All => true,
                    Decrypts::Roles(readable) => readable.contains(role),
                })
        })
    }

    /// Every role whose documents a holder of `roles` may read.
    pub fn readable(&self, roles: &[String]) -> Vec<String> {
        self.names().filter(|role| self.may_read(roles, role)).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    #[test]
    fn the_predefined_roles_read_what_they_may() {
        let roles = Roles::of(&Genome::found("acme", &[7; 32], &NodeId([1; 32])).unwrap());
        assert_eq!(roles.names().count(), PREDEFINED.len());
        let may = |held: &str, role: &str| roles.may_read(&[held.to_owned()], role);
        assert!(may("admin", "observer") && may("senior_architect", "qa_engineer"));
        assert!(may("devops_engineer", "backend_developer") && !may("devops_engineer", "qa_engineer"));
        assert!(may("technical_writer", "technical_writer") && !may("technical_writer", "backend_developer"));
        assert!(!may("nobody", "observer"));
    }

    #[test]
    fn a_rule_reads_back_and_junk_is_none() {
        for (_, text) in PREDEFINED {
            let rule = RoleRule::parse(text).unwrap();
            assert_eq!(RoleRule::parse(&rule.to_string()), Ok(rule));
        }
        for text in ["", "authority: master", "authority: king; decrypts: *", "authority: master; decrypts: A B"] {
            assert!(RoleRule::parse(text).is_err(), "{text}");
        }
    }
}
