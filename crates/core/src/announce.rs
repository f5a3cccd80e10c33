//! What a node tells members about itself: how much it stores for others, and how it takes part in sharing.
//!
//! These are settings as their owner says them. They give no right and prove nothing: who wants to store something
//! somewhere still has to ask. A later announcement takes the place of the one before it.

use minicbor::Decoder;

use crate::cbor;
use crate::fact::{Level, check_label};
use crate::ids::NodeId;
use crate::outbox::{Outgoing, Protocol, Subject};
use crate::time::{HLC_MILLIS_MAX, UnixMillis};

/// Version of the form of both.
pub const SCHEMA: u16 = 1;
/// Longest name of a program with its version, in bytes.
pub const AGENT_BYTES_MAX: usize = 128;
/// Most bytes that a node may say it offers: 4 EiB, so that sums of a few do not overflow.
pub const QUOTA_BYTES_MAX: u64 = 1 << 62;
/// How far an announcement may be ahead of this node's clock and still keep older ones away, in milliseconds.
const AHEAD_MS: u64 = 60_000;

/// How much a node stores for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageConfig {
    /// When it was so, by the node's own clock.
    pub at: UnixMillis,
    /// Whether it takes what others want to store.
    pub offers: bool,
    /// How much it keeps for others at most, in bytes.
    pub quota_bytes: u64,
    /// How much of that is taken, in bytes; more than the quota when that was lowered.
    pub used_bytes: u64,
}

impl StorageConfig {
    /// What another one may still store there, in bytes.
    pub const fn free_bytes(&self) -> u64 {
        if self.offers { self.quota_bytes.saturating_sub(self.used_bytes) } else { 0 }
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::map(out, 4);
            cbor::uint(out, 0);
            cbor::uint(out, self.at.0);
            cbor::uint(out, 1);
            cbor::bool(out, self.offers);
            cbor::uint(out, 2);
            cbor::uint(out, self.quota_bytes);
            cbor::uint(out, 3);
            cbor::uint(out, self.used_bytes);
        })
    }

    /// Reads it back.
    ///
    /// # Errors
    /// Whatever is not canonical or unfit; so for [`FederationConfig::decode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, cbor::Error> {
        cbor::decode(bytes, |input| {
            fields(input, 4)?;
            Ok(Self {
                at: read_time(key(input, 0)?)?,
                offers: key(input, 1)?.bool()?,
                quota_bytes: read_bytes(key(input, 2)?)?,
                used_bytes: read_bytes(key(input, 3)?)?,
            })
        })
    }
}

/// How a node takes part in sharing, as it says to one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederationConfig {
    /// When it was so, by the node's own clock.
    pub at: UnixMillis,
    /// Whether it sends shared events.
    pub sends: bool,
    /// Whether it takes them.
    pub takes: bool,
    /// Whether a person stopped sharing with this member for a while.
    pub paused: bool,
    /// The deepest level of facts that it shares.
    pub up_to: Level,
    /// Whether this member gets the texts of every domain. Which ones it does not get is not said.
    pub all_domains: bool,
    /// The program that it runs, and its version.
    pub agent: String,
}

impl FederationConfig {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::map(out, 7);
            cbor::uint(out, 0);
            cbor::uint(out, self.at.0);
            for (key, flag) in [(1, self.sends), (2, self.takes), (3, self.paused)] {
                cbor::uint(out, key);
                cbor::bool(out, flag);
            }
            cbor::uint(out, 4);
            cbor::uint(out, self.up_to.number());
            cbor::uint(out, 5);
            cbor::bool(out, self.all_domains);
            cbor::uint(out, 6);
            cbor::text(out, &self.agent);
        })
    }

    /// Reads it back.
    ///
    /// # Errors
    /// Whatever is not canonical or unfit.
    pub fn decode(bytes: &[u8]) -> Result<Self, cbor::Error> {
        cbor::decode(bytes, |input| {
            fields(input, 7)?;
            let config = Self {
                at: read_time(key(input, 0)?)?,
                sends: key(input, 1)?.bool()?,
                takes: key(input, 2)?.bool()?,
                paused: key(input, 3)?.bool()?,
                up_to: Level::from_number(key(input, 4)?.u64()?).ok_or(cbor::Error::Value("no level of facts"))?,
                all_domains: key(input, 5)?.bool()?,
                agent: cbor::read_text(key(input, 6)?, AGENT_BYTES_MAX)?,
            };
            let checked = check_label("the name of the program", &config.agent, AGENT_BYTES_MAX);
            checked.map(|()| config).map_err(|error| cbor::Error::Malformed(error.to_string()))
        })
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announcement {
    /// How much the node stores for others.
    Storage(StorageConfig),
    /// How it takes part in sharing.
    Federation(FederationConfig),
}

impl Announcement {
    /// The kind of request that carries it.
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Storage(_) => Protocol::STORAGE_CONFIG,
            Self::Federation(_) => Protocol::FEDERATION_CONFIG,
        }
    }

    /// The item that tells a member. All of one kind have one subject, so that a newer one takes the place of one that
    /// waits.
    pub fn item(&self, peer: NodeId) -> Outgoing {
        let (protocol, body) = match self {
            Self::Storage(config) => (self.protocol(), config.encode()),
            Self::Federation(config) => (self.protocol(), config.encode()),
        };
        Outgoing { peer, protocol, schema: SCHEMA, subject: subject(protocol), body }
    }

    /// What an item of a member says; `None` for one of another kind.
    ///
    /// # Errors
    /// Whatever this version cannot read.
    pub fn read(protocol: Protocol, schema: u16, subject: Subject, body: &[u8]) -> Option<Result<Self, cbor::Error>> {
        if !matches!(protocol, Protocol::STORAGE_CONFIG | Protocol::FEDERATION_CONFIG) {
            return None;
        }
        if schema != SCHEMA || subject != self::subject(protocol) {
            return Some(Err(cbor::Error::Value("another form of announcement")));
        }
        Some(match protocol {
            Protocol::STORAGE_CONFIG => StorageConfig::decode(body).map(Self::Storage),
            _ => FederationConfig::decode(body).map(Self::Federation),
        })
    }
}

/// Whether an announcement made at `at` takes the place of one made at `kept`. One whose time has not come yet keeps
/// nothing away: the clock that it was made by was wrong, and has been set since.
pub fn follows(at: UnixMillis, kept: UnixMillis, now: UnixMillis) -> bool {
    at >= kept || kept > now.after(AHEAD_MS)
}

fn subject(protocol: Protocol) -> Subject {
    let mut subject = [0; 16];
    subject[0] = protocol.number();
    Subject(subject)
}

fn fields(input: &mut Decoder<'_>, len: usize) -> Result<(), cbor::Error> {
    if cbor::read_map(input, len)? == len as u64 { Ok(()) } else { Err(cbor::Error::Value("a map with too few keys")) }
}

fn key<'a, 'b>(input: &'a mut Decoder<'b>, want: u64) -> Result<&'a mut Decoder<'b>, cbor::Error> {
    if input.u64()? == want { Ok(input) } else { Err(cbor::Error::Missing(want)) }
}

fn read_time(input: &mut Decoder<'_>) -> Result<UnixMillis, cbor::Error> {
    let at = input.u64()?;
    if at > HLC_MILLIS_MAX { Err(cbor::Error::Value("a time beyond all clocks")) } else { Ok(UnixMillis(at)) }
}

fn read_bytes(input: &mut Decoder<'_>) -> Result<u64, cbor::Error> {
    let bytes = input.u64()?;
    if bytes > QUOTA_BYTES_MAX { Err(cbor::Error::Value("more bytes than there are")) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: NodeId = NodeId([2; 32]);

    fn storage() -> StorageConfig {
        StorageConfig { at: UnixMillis(7), offers: true, quota_bytes: 1_000, used_bytes: 400 }
    }

    fn federation() -> FederationConfig {
        FederationConfig {
            at: UnixMillis(7),
            sends: true,
            takes: false,
            paused: false,
            up_to: Level::Module,
            all_domains: true,
            agent: "antiphon/1.2.3".into(),
        }
    }

    fn read(item: &Outgoing) -> Option<Result<Announcement, cbor::Error>> {
        Announcement::read(item.protocol, item.schema, item.subject, &item.body)
    }

    #[test]
    fn what_bob_reads_is_what_was_said() {
        for announcement in [Announcement::Storage(storage()), Announcement::Federation(federation())] {
            let item = announcement.item(BOB);
            assert_eq!((item.peer, item.protocol), (BOB, announcement.protocol()));
            assert_eq!(read(&item), Some(Ok(announcement)));
        }
        let other = Outgoing { protocol: Protocol::MESSAGE, ..Announcement::Storage(storage()).item(BOB) };
        assert_eq!(read(&other), None);
    }

    #[test]
    fn every_byte_that_is_changed_is_refused_or_says_something_else() {
        for announcement in [Announcement::Storage(storage()), Announcement::Federation(federation())] {
            let item = announcement.item(BOB);
            for at in 0..item.body.len() {
                for flip in 1..=255_u8 {
                    let mut changed = item.clone();
                    changed.body[at] ^= flip;
                    assert_ne!(read(&changed), Some(Ok(announcement.clone())), "byte {at} with {flip}");
                }
                let cut = Outgoing { body: item.body[..at].to_vec(), ..item.clone() };
                assert!(matches!(read(&cut), Some(Err(_))), "{at} bytes");
            }
            let mut longer = item.clone();
            longer.body.push(0);
            assert!(matches!(read(&longer), Some(Err(_))));
            assert!(matches!(read(&Outgoing { schema: 2, ..item.clone() }), Some(Err(_))));
            assert!(matches!(read(&Outgoing { subject: Subject([9; 16]), ..item }), Some(Err(_))));
        }
    }

    #[test]
    fn what_eve_makes_up_is_bounded() {
        let refused = |announcement: Announcement| matches!(read(&announcement.item(BOB)), Some(Err(_)));
        assert!(refused(Announcement::Storage(StorageConfig { quota_bytes: u64::MAX, ..storage() })));
        assert!(refused(Announcement::Storage(StorageConfig { used_bytes: QUOTA_BYTES_MAX + 1, ..storage() })));
        assert!(refused(Announcement::Storage(StorageConfig { at: UnixMillis(u64::MAX), ..storage() })));
        let named = |agent: &str| Announcement::Federation(FederationConfig { agent: agent.into(), ..federation() });
        assert!(refused(named(&"x".repeat(AGENT_BYTES_MAX + 1))));
        assert!(refused(named("\u{1b}[2J")) && refused(named("")));
        assert!(!refused(named(&"x".repeat(AGENT_BYTES_MAX))));
    }

    #[test]
    fn free_is_what_is_offered_and_not_taken() {
        let check = |offers, quota_bytes, used_bytes, free| {
            assert_eq!(StorageConfig { at: UnixMillis(0), offers, quota_bytes, used_bytes }.free_bytes(), free);
        };
        check(true, 1_000, 400, 600);
        check(true, 300, 400, 0);
        check(false, 1_000, 400, 0);
    }

    #[test]
    fn the_newest_counts_unless_its_clock_was_wrong() {
        let now = UnixMillis(1_000_000);
        let check = |at: u64, kept: u64, want| assert_eq!(follows(UnixMillis(at), UnixMillis(kept), now), want);
        check(5, 5, true);
        check(6, 5, true);
        check(4, 5, false);
        check(1_000_000, 1_050_000, false);
        check(1_000_000, 9_000_000, true);
    }
}
