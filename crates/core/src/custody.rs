//! Custody receipts: what a node has signed that it holds.
//!
//! "Is it safe to wipe this laptop?" is a question about other machines, and what a peer once acknowledged in passing
//! is nothing one can show later. So a node signs, from time to time, how far it holds every log, and names what is
//! missing within: the payloads that did not come along and the events it could not apply. Who keeps the newest
//! receipt of each member can say of every event who has it, long after the connection is gone.
//!
//! A receipt is also the answer to an erasure. A node signs nothing while anything it was told to erase is still on
//! its disk, so a receipt that covers the erasing event says that the text is gone there.
//!
//! Limits: it proves what the member *said*. A dishonest one can lose what it signed for, and keep what it erased.

use minicbor::{Decoder, Encoder};

use crate::cbor::{self, Error};
use crate::ids::{Hash, NodeId, StoreId, TeamId};
use crate::log::{Head, LogId, NodeClock, Stream};
use crate::sign::{self, Signature, Signer};
use crate::time::UnixMillis;

/// What separates a receipt from everything else that is signed.
const DOMAIN: &[u8] = b"antiphon/custody/1";
/// Version of the format.
const VERSION: u64 = 1;
/// Most logs of a receipt: charter and shared of 4,096 stores.
pub const LOGS_MAX: usize = 8_192;
/// Most gaps that a receipt names. A node with more of them claims the logs concerned only up to the first it omits.
pub const GAPS_MAX: usize = 1_024;
/// Most events that a receipt names as not applied; the others are missing from this list, which claims nothing.
pub const STUCK_MAX: usize = 64;
/// Longest name of a reason, in bytes.
pub const REASON_BYTES_MAX: usize = 32;

/// Consecutive events of which only the headers are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The log.
    pub log: LogId,
    /// Sequence number of the first.
    pub first: u64,
    /// Sequence number of the last.
    pub last: u64,
}

/// An event that is held and could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stuck {
    /// The log.
    pub log: LogId,
    /// Its sequence number.
    pub seq: u64,
    /// Stable name of the reason.
    pub reason: String,
}

/// What a node says it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custody {
    /// The team.
    pub team: TeamId,
    /// Who says so.
    pub node: NodeId,
    /// Its store.
    pub store: StoreId,
    /// When, by its clock.
    pub at: UnixMillis,
    /// How far it holds the logs of the charter and shared streams, durably.
    pub heads: NodeClock,
    /// Payloads that are missing within, in ascending order. Erased ones are not named: nobody is to hold them.
    pub gaps: Vec<Gap>,
    /// Events that are not applied, in ascending order.
    pub stuck: Vec<Stuck>,
}

/// How a node holds one event, by its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// With its payload, or with nothing where it was erased.
    Whole,
    /// Its header only.
    Header,
    /// It is held and could not be applied, for the reason of this name.
    Stuck(String),
    /// Not at all.
    Not,
}

/// A receipt as it travels and is kept: the bytes that were signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Canonical CBOR of a [`Custody`].
    pub bytes: Vec<u8>,
    /// Ed25519 over the domain and the bytes.
    pub signature: Signature,
}

impl Custody {
    /// How this node holds event `seq` of `log`.
    pub fn holding(&self, log: &LogId, seq: u64) -> Holding {
        if self.heads.get(log).is_none_or(|head| head.seq < seq) {
            return Holding::Not;
        }
        if let Some(stuck) = self.stuck.iter().find(|stuck| stuck.log == *log && stuck.seq == seq) {
            return Holding::Stuck(stuck.reason.clone());
        }
        let within = |gap: &Gap| gap.log == *log && (gap.first..=gap.last).contains(&seq);
        if self.gaps.iter().any(within) { Holding::Header } else { Holding::Whole }
    }

    /// Signs it. The signer must be [`Custody::node`].
    pub fn sign(&self, signer: &dyn Signer) -> Receipt {
        let bytes = self.encode();
        let signature = signer.sign(&message(&bytes));
        Receipt { bytes, signature }
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::map(out, 8);
            cbor::uint(out, 0);
            cbor::uint(out, VERSION);
            cbor::uint(out, 1);
            cbor::bytes(out, &self.team.0);
            cbor::uint(out, 2);
            cbor::bytes(out, &self.node.0);
            cbor::uint(out, 3);
            cbor::bytes(out, &self.store.0);
            cbor::uint(out, 4);
            cbor::uint(out, self.at.0);
            cbor::uint(out, 5);
            cbor::array(out, self.heads.len());
            for (log, head) in &self.heads {
                cbor::array(out, 4);
                write_log(out, log);
                cbor::uint(out, head.seq);
                cbor::bytes(out, &head.hash.0);
            }
            cbor::uint(out, 6);
            cbor::array(out, self.gaps.len());
            for gap in &self.gaps {
                cbor::array(out, 4);
                write_log(out, &gap.log);
                cbor::uint(out, gap.first);
                cbor::uint(out, gap.last);
            }
            cbor::uint(out, 7);
            cbor::array(out, self.stuck.len());
            for stuck in &self.stuck {
                cbor::array(out, 4);
                write_log(out, &stuck.log);
                cbor::uint(out, stuck.seq);
                cbor::text(out, &stuck.reason);
            }
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        cbor::decode(bytes, |input| {
            if cbor::read_map(input, 8)? != 8 {
                return Err(Error::Value("a receipt has eight parts"));
            }
            if key(input, 0)?.u64()? != VERSION {
                return Err(Error::Value("a receipt of another version"));
            }
            let custody = Self {
                team: TeamId(cbor::read_array(key(input, 1)?)?),
                node: NodeId(cbor::read_array(key(input, 2)?)?),
                store: StoreId(cbor::read_array(key(input, 3)?)?),
                at: UnixMillis(key(input, 4)?.u64()?),
                heads: read_heads(key(input, 5)?)?,
                gaps: read_ascending(key(input, 6)?, GAPS_MAX, read_gap)?,
                stuck: read_ascending(key(input, 7)?, STUCK_MAX, read_stuck)?,
            };
            Ok(custody)
        })
    }
}

impl Receipt {
    /// Checks the signature and reads what was signed for `team`.
    ///
    /// # Errors
    /// [`Error`] for anything that is not a receipt of this team, signed by the node it names.
    pub fn verify(&self, team: &TeamId) -> Result<Custody, Error> {
        let custody = Custody::decode(&self.bytes)?;
        if custody.team != *team {
            return Err(Error::Value("a receipt of another team"));
        }
        if !sign::verify(&custody.node, &message(&self.bytes), &self.signature) {
            return Err(Error::Value("a receipt that its node did not sign"));
        }
        Ok(custody)
    }
}

fn message(bytes: &[u8]) -> Vec<u8> {
    [DOMAIN, bytes].concat()
}

fn write_log(out: &mut Encoder<&mut Vec<u8>>, log: &LogId) {
    cbor::uint(out, log.stream.number().into());
    cbor::bytes(out, &log.store.0);
}

fn read_log(input: &mut Decoder<'_>) -> Result<LogId, Error> {
    if cbor::read_list(input, 4)? != 4 {
        return Err(Error::Value("an entry of a receipt has four parts"));
    }
    let stream = Stream::from_number(input.u64()?).filter(|stream| *stream != Stream::Local);
    let stream = stream.ok_or(Error::Value("a stream that is not synced"))?;
    Ok(LogId::new(StoreId(cbor::read_array(input)?), stream))
}

/// Reads a key that must come next.
fn key<'a, 'b>(input: &'a mut Decoder<'b>, want: u64) -> Result<&'a mut Decoder<'b>, Error> {
    if input.u64()? == want { Ok(input) } else { Err(Error::Missing(want)) }
}

fn read_heads(input: &mut Decoder<'_>) -> Result<NodeClock, Error> {
    let heads = read_ascending(input, LOGS_MAX, |input| {
        let log = read_log(input)?;
        let head = Head { seq: input.u64()?, hash: Hash(cbor::read_array(input)?) };
        if head.seq == 0 { Err(Error::Value("a receipt lists only logs with events")) } else { Ok((log, head)) }
    })?;
    let count = heads.len();
    let clock: NodeClock = heads.into_iter().collect();
    if clock.len() == count { Ok(clock) } else { Err(Error::Value("a receipt lists a log once")) }
}

fn read_gap(input: &mut Decoder<'_>) -> Result<Gap, Error> {
    let gap = Gap { log: read_log(input)?, first: input.u64()?, last: input.u64()? };
    if gap.first == 0 || gap.first > gap.last { Err(Error::Value("a gap that ends before it begins")) } else { Ok(gap) }
}

fn read_stuck(input: &mut Decoder<'_>) -> Result<Stuck, Error> {
    Ok(Stuck { log: read_log(input)?, seq: input.u64()?, reason: cbor::read_text(input, REASON_BYTES_MAX)? })
}

/// Reads a list of at most `limit` entries, each after the one before it.
fn read_ascending<T: Ord>(
    input: &mut Decoder<'_>,
    limit: usize,
    read: impl Fn(&mut Decoder<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut list: Vec<T> = Vec::new();
    for _ in 0..cbor::read_list(input, limit)? {
        let next = read(input)?;
        if list.last().is_some_and(|last| *last >= next) {
            return Err(Error::Value("the entries of a receipt ascend"));
        }
        list.push(next);
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;

    struct Key(SigningKey);

    impl Signer for Key {
        fn node_id(&self) -> NodeId {
            NodeId(self.0.verifying_key().to_bytes())
        }

        fn sign(&self, message: &[u8]) -> Signature {
            Signature(self.0.sign(message).to_bytes())
        }
    }

    const TEAM: TeamId = TeamId([9; 32]);

    fn bob() -> Key {
        Key(SigningKey::from_bytes(&[2; 32]))
    }

    fn log(store: u8) -> LogId {
        LogId::new(StoreId([store; 16]), Stream::Shared)
    }

    fn custody() -> Custody {
        let head = |seq: u8| Head { seq: seq.into(), hash: Hash([seq; 32]) };
        Custody {
            team: TEAM,
            node: bob().node_id(),
            store: StoreId([2; 16]),
            at: UnixMillis(1_000),
            heads: [(log(1), head(100)), (log(2), head(7))].into(),
            gaps: vec![Gap { log: log(1), first: 10, last: 12 }, Gap { log: log(1), first: 20, last: 20 }],
            stuck: vec![Stuck { log: log(1), seq: 50, reason: "unknown_action".into() }],
        }
    }

    #[test]
    fn a_receipt_says_of_every_event_how_it_is_held() {
        let custody = bob_signed().verify(&TEAM).unwrap();
        assert_eq!(custody, self::custody());
        let held = |store, seq| custody.holding(&log(store), seq);
        assert_eq!((held(1, 9), held(1, 10), held(1, 12), held(1, 13)), {
            (Holding::Whole, Holding::Header, Holding::Header, Holding::Whole)
        });
        assert_eq!(held(1, 50), Holding::Stuck("unknown_action".into()));
        assert_eq!((held(1, 100), held(1, 101), held(3, 1)), (Holding::Whole, Holding::Not, Holding::Not));
    }

    fn bob_signed() -> Receipt {
        custody().sign(&bob())
    }

    #[test]
    fn nobody_else_can_make_or_change_a_receipt() {
        let eve = Key(SigningKey::from_bytes(&[6; 32]));
        assert!(custody().sign(&eve).verify(&TEAM).is_err());
        assert!(bob_signed().verify(&TeamId([8; 32])).is_err());
        let good = bob_signed();
        for at in 0..good.bytes.len() {
            let mut bad = good.clone();
            bad.bytes[at] ^= 1;
            assert!(bad.verify(&TEAM).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_receipt_that_is_not_in_order_is_refused() {
        let check = |change: fn(&mut Custody)| {
            let mut bad = custody();
            change(&mut bad);
            assert!(bad.sign(&bob()).verify(&TEAM).is_err(), "{bad:?}");
        };
        check(|bad| bad.gaps.reverse());
        check(|bad| bad.gaps[0].first = 13);
        check(|bad| bad.gaps[0].first = 0);
        check(|bad| bad.stuck.push(bad.stuck[0].clone()));
        check(|bad| bad.stuck[0].reason = "x".repeat(REASON_BYTES_MAX + 1));
        check(|bad| assert_eq!(bad.heads.insert(log(3), Head::EMPTY), None));
        check(|bad| bad.gaps = vec![bad.gaps[0]; GAPS_MAX + 1]);
    }
}
