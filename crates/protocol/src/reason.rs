//! Why something did not happen: a closed list of stable names.
//!
//! Health records, logs and messages carry these names and never free text, so that a peer cannot put words into our
//! mouth and a dashboard can count causes. A name that a newer version added reads as [`Reason::Other`].

use std::fmt;

use antiphon_core::event::Header;
use antiphon_core::ids::{EventId, FactId};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The cause of a failure, as it is stored, sent and shown.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

reasons! {
    /// The subject of an event is not a valid id.
    InvalidTraceId = "invalid_trace_id",
    /// The subject of an event is malformed.
    InvalidFrontmatter = "invalid_frontmatter",
    /// An action of a newer version.
    UnknownAction = "unknown_action",
    /// A type of a newer version.
    UnknownType = "unknown_type",
    /// The peer's port is closed.
    NetworkRefused = "network_refused",
    /// The peer did not answer in time, or there is no route.
    NetworkTimeout = "network_timeout",
    /// The peer's name could not be resolved.
    NetworkDns = "network_dns",
    /// Noise or TLS failed.
    NetworkTls = "network_tls",
    /// The connection was reset.
    NetworkReset = "network_reset",
    /// The other end closed before it was done.
    NetworkEof = "network_eof",
    /// The peer is not who it says, or its answer is stale.
    Auth = "auth",
    /// The peer's store is not the pinned one.
    IdentityMismatch = "identity_mismatch",
    /// The peer names no store.
    IdentityMissing = "identity_missing",
    /// The peer has another genome.
    GenomeMismatch = "genome_mismatch",
    /// No grant of this team names the peer.
    NotAMember = "not_a_member",
    /// The peer was removed.
    Revoked = "revoked",
    /// The peer's grant is over.
    GrantExpired = "grant_expired",
    /// A signature is not valid.
    BadSignature = "bad_signature",
    /// A key signed two branches of one log.
    Equivocation = "equivocation",
    /// A counter is at its limit.
    ClockOverflow = "clock_overflow",
    /// An event comes from the future; it is applied and marked.
    ClockSkew = "clock_skew",
    /// A payload is not here.
    MissingPayload = "missing_payload",
    /// Something is larger than it may be.
    TooLarge = "too_large",
    /// Somebody used up what is allowed.
    Quota = "quota",
    /// None of the others.
    Other = "other",
}

impl Reason {
    /// Longest name, in bytes.
    pub const NAME_BYTES_MAX: usize = 32;

    /// The reason of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.name() == name)
    }

    /// Whether the network failed, so that trying again may help.
    pub const fn is_network(self) -> bool {
        matches!(
            self,
            Self::NetworkRefused
                | Self::NetworkTimeout
                | Self::NetworkDns
                | Self::NetworkTls
                | Self::NetworkReset
                | Self::NetworkEof
        )
    }

    /// Whether one of two nodes must be upgraded to understand the other.
    pub const fn is_schema_widening(self) -> bool {
        matches!(self, Self::InvalidTraceId | Self::InvalidFrontmatter | Self::UnknownAction | Self::UnknownType)
    }

    /// Whether the peer could not prove that it belongs here, so that trying again alone does not help.
    pub const fn is_identity(self) -> bool {
        matches!(
            self,
            Self::Auth
                | Self::IdentityMismatch
                | Self::IdentityMissing
                | Self::GenomeMismatch
                | Self::NotAMember
                | Self::Revoked
                | Self::GrantExpired
        )
    }
}

impl From<antiphon_core::event::Reason> for Reason {
    fn from(reason: antiphon_core::event::Reason) -> Self {
        use antiphon_core::event::Reason as Run;
        match reason {
            Run::OtherLog => Self::Other,
            // One signature speaks for a whole run, so an event that breaks the chain is one that nobody signed.
            Run::NotLinked | Run::BadSignature => Self::BadSignature,
            Run::BadOpening => Self::IdentityMismatch,
        }
    }
}

/// Which event a reason is about, as far as that is known. Of an event that was refused it is what the peer called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The event.
    pub event: EventId,
    /// The fact it is about, if it is about one.
    pub fact: Option<FactId>,
}

impl About {
    /// The event of a header.
    pub fn of(header: &Header) -> Self {
        Self { event: header.id, fact: header.subject.fact() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<antiphon_core::charter::Refusal> for Reason {
    fn from(refusal: antiphon_core::charter::Refusal) -> Self {
        use antiphon_core::charter::Refusal;
        match refusal {
            Refusal::NotAMember => Self::NotAMember,
            Refusal::Expired => Self::GrantExpired,
            Refusal::Revoked => Self::Revoked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_fits() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_name(reason.name()), Some(*reason));
            assert!(reason.name().len() <= Reason::NAME_BYTES_MAX);
        }
        assert_eq!(Reason::from_name("of_a_newer_version"), None);
        assert!(Reason::NetworkDns.is_network() && !Reason::Auth.is_network());
        assert!(Reason::UnknownType.is_schema_widening() && !Reason::Other.is_schema_widening());
    }
}
