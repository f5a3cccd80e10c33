//! Where records and providers are found.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

use crate::ids::{ContentId, Hash, NodeId, TeamId};

/// Longest prefix, in bytes.
pub const PREFIX_BYTES_MAX: usize = 128;
/// Bytes of a provider key: the two of the multihash's name and length, and a SHA-256 digest.
pub const MULTIHASH_BYTES: usize = 34;
/// Bytes of a team id that its default prefix shows.
const TEAM_BYTES: usize = 8;
/// sha2-256, 32 bytes (multiformats).
const MULTIHASH_HEAD: [u8; 2] = [0x12, 0x20];

/// What the table's protocol and its keys begin with, such as `/antiphon/0011223344556677`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(String);

/// A text that is no prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a prefix of the hash table: {0:?}; it is one or more parts such as /antiphon/team, each of letters, digits, \
     '.', '_' and '-', at most {PREFIX_BYTES_MAX} bytes in all"
)]
pub struct PrefixError(String);

impl Prefix {
    /// The default of a team: `/antiphon/` and the first 8 bytes of its id.
    pub fn of_team(team: &TeamId) -> Self {
        Self(format!("/antiphon/{}", HEXLOWER.encode(&team.0[..TEAM_BYTES])))
    }

    /// As text, beginning with a slash and not ending with one.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the protocol on the wire.
    pub fn protocol(&self) -> String {
        format!("{}/kad/1", self.0)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let parts = text.strip_prefix('/').unwrap_or(text);
        let fits = parts.split('/').all(|part| !part.is_empty() && part.chars().all(fit));
        if fits && parts.len() < PREFIX_BYTES_MAX {
            Ok(Self(format!("/{parts}")))
        } else {
            Err(PrefixError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whose table it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm {
    /// The team.
    pub team: TeamId,
    /// What its keys begin with.
    pub prefix: Prefix,
}

impl Realm {
    /// A team with its default prefix.
    pub fn of_team(team: TeamId) -> Self {
        Self { team, prefix: Prefix::of_team(&team) }
    }
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// `PREFIX/ucxl/ID`: the newest version of a document; the id in base64url.
    Content(ContentId),
    /// `PREFIX/member/NODE`: a member's card.
    Member(NodeId),
}

impl Key {
    /// Its text in the table of this prefix.
    pub fn path(&self, prefix: &Prefix) -> String {
        match self {
            Self::Content(id) => format!("{prefix}/ucxl/{}", BASE64URL_NOPAD.encode(&id.0)),
            Self::Member(node) => format!("{prefix}/member/{node}"),
        }
    }

    /// Reads what [`Key::path`] wrote, and nothing else.
    pub fn parse(path: &[u8], prefix: &Prefix) -> Option<Self> {
        let rest = std::str::from_utf8(path).ok()?.strip_prefix(prefix.as_str())?;
        if let Some(id) = rest.strip_prefix("/ucxl/") {
            let id = BASE64URL_NOPAD.decode(id.as_bytes()).ok()?;
            return ContentId::from_slice(&id).ok().map(Self::Content);
        }
        rest.strip_prefix("/member/")?.parse().ok().map(Self::Member)
    }
}

/// What nodes say to provide.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// The ciphertext of this root.
    Content(Hash),
    /// Work in this role.
    Role(String),
    /// Something it can do.
    Capability(String),
    /// Itself: every member provides this.
    Peer,
}

impl Topic {
    /// The provider key: the SHA-256 multihash of the topic's text.
    pub fn multihash(&self) -> [u8; MULTIHASH_BYTES] {
        let mut key = [0; MULTIHASH_BYTES];
        key[..MULTIHASH_HEAD.len()].copy_from_slice(&MULTIHASH_HEAD);
        key[MULTIHASH_HEAD.len()..].copy_from_slice(&Hash::of(self.to_string().as_bytes()).0);
        key
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(root) => write!(f, "content:{root}"),
            Self::Role(role) => write!(f, "role:{role}"),
            Self::Capability(capability) => write!(f, "capability:{capability}"),
            Self::Peer => f.write_str("peer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_path() {
        let check = |text: &str, want: Option<&str>| {
            assert_eq!(text.parse::<Prefix>().ok().as_ref().map(Prefix::as_str), want, "{text:?}");
        };
        check("/antiphon/0011", Some("/antiphon/0011"));
        check("team-1.x", Some("/team-1.x"));
        check("", None);
        check("/", None);
        check("/a/", None);
        check("//a", None);
        check("/a b", None);
        check("/ä", None);
        check(&"a".repeat(PREFIX_BYTES_MAX), None);
        assert_eq!(Prefix::of_team(&TeamId([0xab; 32])).protocol(), "/antiphon/abababababababab/kad/1");
    }

    #[test]
    fn a_key_has_one_text() {
        let prefix = Prefix::of_team(&TeamId([1; 32]));
        for key in [Key::Content(ContentId([7; 32])), Key::Member(NodeId([8; 32]))] {
            let path = key.path(&prefix);
            assert_eq!(Key::parse(path.as_bytes(), &prefix), Some(key), "{path}");
            assert_eq!(Key::parse(path.as_bytes(), &Prefix::of_team(&TeamId([2; 32]))), None);
            assert_eq!(Key::parse(format!("{path}x").as_bytes(), &prefix), None);
            assert_eq!(Key::parse(&path.as_bytes()[..path.len() - 1], &prefix), None);
        }
        assert_eq!(Key::parse(&[0xff], &prefix), None);
    }

    #[test]
    fn topics_differ() {
        let topics = [
            Topic::Content(Hash([1; 32])),
            Topic::Role("a".into()),
            Topic::Capability("a".into()),
            Topic::Peer,
            Topic::Role("peer".into()),
        ];
        let keys: std::collections::BTreeSet<_> = topics.iter().map(Topic::multihash).collect();
        assert_eq!(keys.len(), topics.len());
        assert!(keys.iter().all(|key| key.starts_with(&[0x12, 0x20])));
    }
}
