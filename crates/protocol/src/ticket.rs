//! Tickets: one line of text that lets one machine join.
//!
//! A ticket is copied by hand, by chat and from terminals that break lines. It must survive white space, and a slip
//! of one character must be told apart from "this is something else entirely", because the mending differs: copy it
//! again, or look for the right text. So it is `antiphon1`, then lower-case base32 of canonical CBOR and a checksum.
//!
//! Limits: the checksum finds accidents. Whoever holds a ticket may use it, so it is short-lived and works once.

use std::fmt;

use antiphon_core::cbor;
use antiphon_core::ids::{NodeId, TeamId};
use antiphon_core::time::UnixMillis;
use data_encoding::BASE32_NOPAD;
use minicbor::Decoder;
use sha2::{Digest, Sha256};

use crate::wire::{Fields, read_fields, read_texts, required, write_texts};

/// Most addresses of a ticket.
pub const ADDRESSES_MAX: usize = 16;
/// Longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 256;
/// Most roles of a ticket.
pub const ROLES_MAX: usize = 32;
/// Longest name of a role or a team, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest text of a ticket that is looked at, in bytes.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;

/// What every ticket of this version begins with.
const PREFIX: &str = "antiphon1";
/// What separates the checksum from every other hash.
const CHECKSUM_DOMAIN: &[u8] = b"antiphon/ticket/1";
const CHECKSUM_BYTES: usize = 4;
/// Version of the encoded map.
const VERSION: u64 = 1;

/// Why a text is not a usable ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is something else.
    #[error("not a ticket: a ticket begins with {PREFIX}")]
    NotATicket,
    /// It was one before somebody or something changed or cut it.
    #[error("the ticket was damaged: its checksum does not match, copy it again")]
    Damaged,
    /// It is of a version that this one does not read.
    #[error("a ticket of version {0}, this version reads {VERSION}")]
    Version(u64),
    /// It is whole, but was made wrongly.
    #[error("malformed ticket: {0}")]
    Malformed(#[from] cbor::Error),
    /// Its time is over.
    #[error("the ticket expired at {} ms, it is {} ms now", .expired.0, .now.0)]
    Expired {
        /// When it ended.
        expired: UnixMillis,
        /// When it was used.
        now: UnixMillis,
    },
}

/// An invitation into a team.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The team; the joiner checks that the founding genes hash to it.
    pub team: TeamId,
    /// The team's name for people.
    pub team_name: String,
    /// The only node that the secret may be sent to.
    pub steward: NodeId,
    /// Where the steward may be reached: multiaddr texts, at most [`ADDRESSES_MAX`].
    pub addresses: Vec<String>,
    /// What the joiner will be.
    pub roles: Vec<String>,
    /// When the ticket ends.
    pub expires: UnixMillis,
    /// What proves the invitation; used once, told to nobody but the steward.
    pub secret: [u8; 32],
}

impl Ticket {
    /// The text: one line, lower case.
    pub fn to_text(&self) -> String {
        let mut bytes = self.encode();
        bytes.extend(checksum(&bytes));
        format!("{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }

    /// Reads a text; white space anywhere in it is ignored.
    ///
    /// # Errors
    /// [`Error`] with what is wrong; expiry is [`Ticket::check`]'s.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Error::NotATicket);
        }
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (prefix, body) = split_prefix(&text).ok_or(Error::NotATicket)?;
        let bytes = unchecked(body);
        match (prefix, bytes) {
            (Prefix::Ours, Some(bytes)) => Self::decode(&bytes),
            // The right sum under a wrong first word: the first word is what was damaged.
            (Prefix::Ours, None) | (Prefix::OneOff | Prefix::Later(_), Some(_)) => Err(Error::Damaged),
            (Prefix::OneOff, None) => Err(Error::NotATicket),
            (Prefix::Later(version), None) => Err(Error::Version(version)),
        }
    }

    /// Whether the ticket may still be used.
    ///
    /// # Errors
    /// [`Error::Expired`] when its time is over.
    pub fn check(&self, now: UnixMillis) -> Result<(), Error> {
        if now > self.expires { Err(Error::Expired { expired: self.expires, now }) } else { Ok(()) }
    }

    fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.put(0, |out| cbor::uint(out, VERSION));
        fields.put(1, |out| cbor::bytes(out, &self.team.0));
        fields.put(2, |out| cbor::text(out, &self.team_name));
        fields.put(3, |out| cbor::bytes(out, &self.steward.0));
        fields.put(4, |out| write_texts(out, &self.addresses));
        fields.put(5, |out| write_texts(out, &self.roles));
        fields.put(6, |out| cbor::uint(out, self.expires.0));
        fields.put(7, |out| cbor::bytes(out, &self.secret));
        fields.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let version = cbor::decode(bytes, read_version)?;
        if version != VERSION {
            return Err(Error::Version(version));
        }
        Ok(cbor::decode(bytes, Self::read)?)
    }

    fn read(input: &mut Decoder<'_>) -> Result<Self, cbor::Error> {
        let (mut team, mut team_name, mut steward, mut expires, mut secret) = (None, None, None, None, None);
        let (mut addresses, mut roles) = (Vec::new(), Vec::new());
        read_fields(input, |key, input| {
            match key {
                1 => team = Some(TeamId(cbor::read_array(input)?)),
                2 => team_name = Some(cbor::read_text(input, NAME_BYTES_MAX)?),
                3 => steward = Some(NodeId(cbor::read_array(input)?)),
                4 => addresses = read_texts(input, ADDRESSES_MAX, ADDRESS_BYTES_MAX)?,
                5 => roles = read_texts(input, ROLES_MAX, NAME_BYTES_MAX)?,
                6 => expires = Some(UnixMillis(input.u64()?)),
                7 => secret = Some(cbor::read_array(input)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Self {
            team: required(team, 1)?,
            team_name: required(team_name, 2)?,
            steward: required(steward, 3)?,
            addresses,
            roles,
            expires: required(expires, 6)?,
            secret: required(secret, 7)?,
        })
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("team", &self.team)
            .field("team_name", &self.team_name)
            .field("steward", &self.steward)
            .field("addresses", &self.addresses)
            .field("roles", &self.roles)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// How a text begins.
enum Prefix {
    /// As a ticket of this version.
    Ours,
    /// As one of a later version.
    Later(u64),
    /// As one of this version, but for one character.
    OneOff,
}

fn split_prefix(text: &str) -> Option<(Prefix, &str)> {
    let (head, body) = (text.get(..PREFIX.len())?, text.get(PREFIX.len()..)?);
    let wrong = head.bytes().zip(PREFIX.bytes()).filter(|(got, want)| got != want).count();
    let digit = head.strip_prefix("antiphon").and_then(|digit| digit.parse().ok());
    match (wrong, digit) {
        (0, _) => Some((Prefix::Ours, body)),
        (1, Some(version)) => Some((Prefix::Later(version), body)),
        (1, None) => Some((Prefix::OneOff, body)),
        _ => None,
    }
}

/// The bytes of a body without their checksum, if that is right.
fn unchecked(body: &str) -> Option<Vec<u8>> {
    if body.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = BASE32_NOPAD.decode(body.to_ascii_uppercase().as_bytes()).ok()?;
    let sum = bytes.split_off(bytes.len().checked_sub(CHECKSUM_BYTES)?);
    (checksum(&bytes) == sum.as_slice()).then_some(bytes)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest: [u8; 32] = Sha256::new().chain_update(CHECKSUM_DOMAIN).chain_update(bytes).finalize().into();
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&digest[..CHECKSUM_BYTES]);
    sum
}

fn read_version(input: &mut Decoder<'_>) -> Result<u64, cbor::Error> {
    let mut version = None;
    read_fields(input, |key, input| {
        if key == 0 {
            version = Some(input.u64()?);
        }
        Ok(key == 0)
    })?;
    required(version, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ticket() -> Ticket {
        Ticket {
            team: TeamId([1; 32]),
            team_name: "acme".into(),
            steward: NodeId([2; 32]),
            addresses: vec!["/ip4/192.168.1.7/tcp/4001".into()],
            roles: vec!["backend_developer".into()],
            expires: UnixMillis(2_000),
            secret: [0xA5; 32],
        }
    }

    #[test]
    fn a_ticket_survives_line_breaks_and_margins() {
        let text = ticket().to_text();
        let lines: Vec<String> = text.as_bytes().chunks(40).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
        assert_eq!(Ticket::parse(&format!("  {}\r\n", lines.join("\n    "))), Ok(ticket()));
        assert_eq!(text, text.to_ascii_lowercase());
    }

    #[test]
    fn one_changed_character_is_always_told_as_damage() {
        let text = ticket().to_text();
        for (at, old) in text.char_indices() {
            for new in ['a', 'z', '2', '7', '0', 'A', '-', old.to_ascii_uppercase()] {
                if new != old {
                    let mut changed = text.clone();
                    changed.replace_range(at..=at, &new.to_string());
                    assert_eq!(Ticket::parse(&changed), Err(Error::Damaged), "{new} at {at}");
                }
            }
        }
    }

    #[test]
    fn cut_tickets_and_other_texts_are_told_apart() {
        let text = ticket().to_text();
        assert_eq!(Ticket::parse(&text[..text.len() - 1]), Err(Error::Damaged));
        assert_eq!(Ticket::parse(PREFIX), Err(Error::Damaged));
        assert_eq!(Ticket::parse("antiphon2mfrgg"), Err(Error::Version(2)));
        for other in ["", "hello", "https://example.org", "antiphon", "ünïcödé text", &"a".repeat(TEXT_BYTES_MAX + 1)]
        {
            assert_eq!(Ticket::parse(other), Err(Error::NotATicket), "{other:.20}");
        }
    }

    #[test]
    fn a_whole_ticket_of_another_make_is_not_called_damaged() {
        let sealed = |bytes: Vec<u8>| {
            let bytes = [bytes.clone(), checksum(&bytes).to_vec()].concat();
            Ticket::parse(&format!("{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()))
        };
        let mut later = Fields::default();
        later.put(0, |out| cbor::uint(out, 9));
        assert_eq!(sealed(later.finish()), Err(Error::Version(9)));
        let mut short = Fields::default();
        short.put(0, |out| cbor::uint(out, 1));
        assert_eq!(sealed(short.finish()), Err(Error::Malformed(cbor::Error::Missing(1))));
        assert!(matches!(sealed(vec![0xff]), Err(Error::Malformed(_))));
    }

    #[test]
    fn an_expired_ticket_says_so_and_debug_hides_the_secret() {
        assert_eq!(ticket().check(UnixMillis(2_000)), Ok(()));
        assert!(matches!(ticket().check(UnixMillis(2_001)), Err(Error::Expired { .. })));
        let debug = format!("{:?}", ticket());
        assert!(!debug.contains("165") && !debug.to_lowercase().contains("a5a5"), "{debug}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>(), body in "[a-z2-7]{0,200}") {
            let _ = Ticket::parse(&text);
            let _ = Ticket::parse(&format!("{PREFIX}{body}"));
        }
    }
}
