//! The closed vocabularies of incidents. Their numbers are in signed bytes and never change.

use std::fmt;
use std::str::FromStr;

/// Most characters of an unknown word that an error repeats.
const SHOWN_CHARS_MAX: usize = 32;

macro_rules! terms {
    (
        $(#[$doc:meta])* $name:ident, $(#[$unknown_doc:meta])* $unknown:ident, $what:literal,
        $($(#[$term_doc:meta])* $term:ident = $text:literal;)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$term_doc])* $term,)* }

        impl $name {
            /// Every one of them; its position is its number.
            pub const ALL: &[Self] = &[$(Self::$term,)*];

            /// Its number in an event.
            pub const fn number(self) -> u64 {
                self as u64
            }

            /// The one of a number, if this version knows it.
            pub fn from_number(number: u64) -> Option<Self> {
                Self::ALL.get(usize::try_from(number).ok()?).copied()
            }

            /// Its name at the doors.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$term => $text,)* }
            }

            /// All names, for people.
            pub fn names() -> String {
                Self::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        $(#[$unknown_doc])*
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[error("{0:?} is not {what}: use one of {names}", what = $what, names = $name::names())]
        pub struct $unknown(pub String);

        impl FromStr for $name {
            type Err = $unknown;
            /// Reads a name in any case; a dash stands for an underscore.
            fn from_str(text: &str) -> Result<Self, $unknown> {
                let plain = |text: &str| text.trim().replace('-', "_");
                let named = Self::ALL.iter().copied().find(|one| one.name().eq_ignore_ascii_case(&plain(text)));
                named.ok_or_else(|| $unknown(text.chars().take(SHOWN_CHARS_MAX).collect()))
            }
        }
    };
}

terms! {
    /// How far an incident has been dealt with.
    Status,
    /// A text that names no status.
    UnknownStatus, "a status",
    /// Reported, and nobody has looked into it.
    Open = "open";
    /// Somebody looks into it.
    Investigating = "investigating";
    /// It does no further harm.
    Contained = "contained";
    /// Its cause is gone.
    Resolved = "resolved";
    /// Nothing is left to do.
    Closed = "closed";
}

terms! {
    /// How bad an incident is.
    Severity,
    /// A text that names no severity.
    UnknownSeverity, "a severity",
    /// Worth knowing.
    Info = "info";
    /// It can wait.
    Low = "low";
    /// It should be looked into.
    Medium = "medium";
    /// It should be looked into today.
    High = "high";
    /// It does harm now.
    Critical = "critical";
}

terms! {
    /// How far an attack has got, by the seven phases of the Cyber Kill Chain.
    KillChainPhase,
    /// A text that names no phase.
    UnknownPhase, "a phase of the kill chain",
    /// The target is looked over.
    Reconnaissance = "reconnaissance";
    /// A weapon is made for it.
    Weaponization = "weaponization";
    /// The weapon reaches the target.
    Delivery = "delivery";
    /// A weakness is used.
    Exploitation = "exploitation";
    /// A foothold is left behind.
    Installation = "installation";
    /// The foothold takes orders.
    CommandAndControl = "command_and_control";
    /// The attacker does what he came for.
    ActionsOnObjectives = "actions_on_objectives";
}

#[expect(clippy::derivable_impls, reason = "the list of terms says nothing of a default")]
impl Default for Status {
    fn default() -> Self {
        Self::Open
    }
}

#[expect(clippy::derivable_impls, reason = "the list of terms says nothing of a default")]
impl Default for Severity {
    fn default() -> Self {
        Self::Medium
    }
}

impl Status {
    /// Whether somebody still has to do something.
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Open | Self::Investigating | Self::Contained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_by_name_and_number() {
        for (number, status) in (0..).zip(Status::ALL) {
            assert_eq!((Status::from_number(number), status.name().parse()), (Some(*status), Ok(*status)));
        }
        for (number, phase) in (0..).zip(KillChainPhase::ALL) {
            assert_eq!((KillChainPhase::from_number(number), phase.name().parse()), (Some(*phase), Ok(*phase)));
        }
        assert_eq!(
            (Severity::from_number(5), KillChainPhase::from_number(7), Status::from_number(u64::MAX)),
            (None, None, None)
        );
        assert_eq!("HIGH".parse(), Ok(Severity::High));
        assert_eq!("command-and-control".parse(), Ok(KillChainPhase::CommandAndControl));
    }

    #[test]
    fn an_unknown_term_is_answered_with_those_there_are() {
        let error = "urgent".parse::<Severity>().unwrap_err().to_string();
        assert_eq!(error, "\"urgent\" is not a severity: use one of info, low, medium, high, critical");
        assert!("x".repeat(1_000).parse::<Status>().unwrap_err().0.len() <= SHOWN_CHARS_MAX);
    }
}
