//! What the two sides of a replication stream say to each other.
//!
//! | kind (key 0) | other keys | who |
//! |---|---|---|
//! | 0 ask | 1 id, 2 nonce, 3 list of `[root, [block…]]` | asker |
//! | 1 answer | 1 id, 2 the bytes that were signed, 3 signature | holder |
//! | 2 offer | 1 id, 2 root, 3 length of the ciphertext, 4 priority | asker |
//! | 3 outcome | 1 id, 2 number of the outcome, 3 bytes that are free if it is full, 4 name of the reason if it failed | holder |
//! | 4 bye | | both |
//! | 5 working | 1 id | holder |
//!
//! Whoever opens the stream asks and offers, under ids that it does not use twice; the other side answers each once, in any
//! order. Roots ascend, and so do the blocks of each. An ask that comes on top of too many others is answered by an outcome,
//! busy. What takes long is announced by working, so that silence means something. A frame is the message as it is. A kind
//! that a newer version added is read as [`Message::Unknown`] and ignored; an outcome that it added has failed.

use antiphon_core::cbor::{self, Error};
use antiphon_core::content::STORED_BYTES_MAX;
use antiphon_core::ids::Hash;
use antiphon_core::possession::{BLOCKS_PER_CHALLENGE_MAX, CLAIMS_MAX, Challenge, Nonce, PossessionReceipt};
use antiphon_core::replication::Priority;
use antiphon_core::sign::Signature;
use minicbor::Decoder;

use super::{BLOCKS_PER_ASK_MAX, MESSAGE_BYTES_MAX};
use crate::reason::Reason;
use crate::wire::{Fields, Out, read_fields, required};

/// How much of a root is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// The signed statement alone.
    Question,
    /// An answer that only the bytes of some blocks give, as far as there are own blocks to check it with.
    Proof,
}

/// What asking a peer about a root came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// It has the blocks that were drawn: its answer was checked with own ones.
    Proved,
    /// It signed that it holds all of it, and there was nothing to check that with.
    Claimed,
    /// It says that it does not hold it.
    Missing,
    /// What it said is wrong: it lied, or some of what it holds is damaged.
    Wrong,
    /// It did not answer.
    Failed,
}

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It was there already, all of it.
    Had,
    /// It was fetched, and is durable.
    Taken,
    /// There is no room for it.
    Full {
        /// Bytes that are free for others.
        free: u64,
    },
    /// Its index does not know it, or not yet.
    Unknown,
    /// By its index nobody needs it.
    NotNeeded,
    /// It offers no storage, or takes nothing from who offers.
    NotOffered,
    /// It has too much to do.
    Busy,
    /// It could not be fetched.
    Failed(Reason),
}

impl Outcome {
    /// Whether it is held there now.
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Had | Self::Taken)
    }

    const fn number(self) -> u64 {
        match self {
            Self::Had => 0,
            Self::Taken => 1,
            Self::Full { .. } => 2,
            Self::Unknown => 3,
            Self::NotNeeded => 4,
            Self::NotOffered => 5,
            Self::Busy => 6,
            Self::Failed(_) => 7,
        }
    }
}

/// One message of a replication stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// What of these is held?
    Ask {
        /// Names the answer.
        id: u64,
        /// Drawn for this question.
        nonce: Nonce,
        /// Of which, at least one, ascending.
        about: Vec<About>,
    },
    /// The signed answer to an ask.
    Answer {
        /// Which.
        id: u64,
        /// What was signed.
        receipt: PossessionReceipt,
    },
    /// Keep this; it can be fetched from here.
    Offer {
        /// Names the outcome.
        id: u64,
        /// What.
        offer: Offer,
    },
    /// What became of an offer, or [`Outcome::Busy`] to an ask.
    Outcome {
        /// Which.
        id: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// The sender of this closes the stream.
    Bye,
    /// An ask or offer is being worked at.
    Working(u64),
    /// A kind of a newer version.
    Unknown(u64),
}

/// What is asked of one ciphertext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Which.
    pub root: Hash,
    /// The blocks to be read, ascending; none asks for the statement alone.
    pub blocks: Vec<u64>,
}

impl About {
    /// With the nonce of the question.
    pub fn challenge(&self, nonce: Nonce) -> Challenge {
        Challenge { root: self.root, nonce, blocks: self.blocks.clone() }
    }
}

/// A ciphertext that somebody is to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offer {
    /// Which.
    pub root: Hash,
    /// Its bytes, as whoever offers it says.
    pub length: u64,
    /// How soon it is to be fetched.
    pub priority: Priority,
}

/// Checks what an ask names.
pub(super) fn validate(about: &[About]) -> Result<(), Error> {
    if about.is_empty() {
        return Err(Error::Value("a question about nothing"));
    }
    if !about.is_sorted_by(|one, next| one.root < next.root) {
        return Err(Error::Value("the roots of a question ascend"));
    }
    let (got, limit) = (about.len() as u64, CLAIMS_MAX as u64);
    if got > limit {
        return Err(Error::TooLong { what: "a question", got, limit });
    }
    about.iter().try_for_each(|about| about.challenge([0; 32]).validate())?;
    let (got, limit) = (about.iter().map(|about| about.blocks.len()).sum::<usize>() as u64, BLOCKS_PER_ASK_MAX as u64);
    if got > limit { Err(Error::TooLong { what: "the blocks of a question", got, limit }) } else { Ok(()) }
}

impl Offer {
    /// Checks that it can be meant.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn validate(&self) -> Result<(), Error> {
        match self.length {
            1..=STORED_BYTES_MAX => Ok(()),
            _ => Err(Error::Value("an offer of nothing, or of more than a document can be")),
        }
    }
}

impl Message {
    const fn kind(&self) -> u64 {
        match self {
            Self::Ask { .. } => 0,
            Self::Answer { .. } => 1,
            Self::Offer { .. } => 2,
            Self::Outcome { .. } => 3,
            Self::Bye => 4,
            Self::Working(_) => 5,
            Self::Unknown(kind) => *kind,
        }
    }

    /// The canonical bytes, which are the frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.put(0, |out| cbor::uint(out, self.kind()));
        match self {
            Self::Ask { id, nonce, about } => {
                fields.put(1, |out| cbor::uint(out, *id));
                fields.put(2, |out| cbor::bytes(out, nonce));
                fields.put(3, |out| write_about(out, about));
            }
            Self::Answer { id, receipt } => {
                fields.put(1, |out| cbor::uint(out, *id));
                fields.put(2, |out| cbor::bytes(out, &receipt.bytes));
                fields.put(3, |out| cbor::bytes(out, &receipt.signature.0));
            }
            Self::Offer { id, offer } => {
                fields.put(1, |out| cbor::uint(out, *id));
                fields.put(2, |out| cbor::bytes(out, &offer.root.0));
                fields.put(3, |out| cbor::uint(out, offer.length));
                fields.put(4, |out| cbor::uint(out, offer.priority.number().into()));
            }
            Self::Outcome { id, outcome } => {
                fields.put(1, |out| cbor::uint(out, *id));
                fields.put(2, |out| cbor::uint(out, outcome.number()));
                match outcome {
                    Outcome::Full { free } => fields.put(3, |out| cbor::uint(out, *free)),
                    Outcome::Failed(reason) => fields.put(4, |out| cbor::text(out, reason.name())),
                    _ => {}
                }
            }
            Self::Working(id) => fields.put(1, |out| cbor::uint(out, *id)),
            Self::Bye | Self::Unknown(_) => {}
        }
        fields.finish()
    }

    /// Reads a message strictly. It takes no state, so it may run beside whoever drives the machine.
    ///
    /// # Errors
    /// With what is malformed or too long.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (got, limit) = (bytes.len() as u64, MESSAGE_BYTES_MAX as u64);
        if got > limit {
            return Err(Error::TooLong { what: "a message", got, limit });
        }
        cbor::decode(bytes, |input| {
            let mut parts = Parts::default();
            read_fields(input, |key, input| parts.read(key, input))?;
            parts.finish()
        })
    }
}

/// What was read of a message so far.
#[derive(Default)]
struct Parts {
    kind: Option<u64>,
    id: Option<u64>,
    nonce: Option<Nonce>,
    about: Option<Vec<About>>,
    bytes: Option<Vec<u8>>,
    signature: Option<[u8; 64]>,
    root: Option<Hash>,
    /// A length, the number of an outcome, or bytes that are free.
    number: Option<u64>,
    free: Option<u64>,
    priority: Option<u64>,
    reason: Option<String>,
}

impl Parts {
    /// Takes the value of a key. Keys come in ascending order, so the kind is known before all others.
    fn read(&mut self, key: u64, input: &mut Decoder<'_>) -> Result<bool, Error> {
        match (self.kind, key) {
            (None, 0) => self.kind = Some(input.u64()?),
            (Some(0..=3 | 5), 1) => self.id = Some(input.u64()?),
            (Some(0), 2) => self.nonce = Some(cbor::read_array(input)?),
            (Some(0), 3) => self.about = Some(read_about(input)?),
            (Some(1), 2) => self.bytes = Some(cbor::read_bytes(input, MESSAGE_BYTES_MAX)?),
            (Some(1), 3) => self.signature = Some(cbor::read_array(input)?),
            (Some(2), 2) => self.root = Some(Hash(cbor::read_array(input)?)),
            (Some(2), 3) | (Some(3), 2) => self.number = Some(input.u64()?),
            (Some(2), 4) => self.priority = Some(input.u64()?),
            (Some(3), 3) => self.free = Some(input.u64()?),
            (Some(3), 4) => self.reason = Some(cbor::read_text(input, Reason::NAME_BYTES_MAX)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(self) -> Result<Message, Error> {
        Ok(match required(self.kind, 0)? {
            0 => {
                let about = required(self.about, 3)?;
                validate(&about)?;
                Message::Ask { id: required(self.id, 1)?, nonce: required(self.nonce, 2)?, about }
            }
            1 => {
                let signature = Signature(required(self.signature, 3)?);
                let receipt = PossessionReceipt { bytes: required(self.bytes, 2)?, signature };
                Message::Answer { id: required(self.id, 1)?, receipt }
            }
            2 => {
                let priority = Priority::from_number(required(self.priority, 4)?);
                let priority = priority.ok_or(Error::Value("a priority that is none"))?;
                let offer = Offer { root: required(self.root, 2)?, length: required(self.number, 3)?, priority };
                offer.validate()?;
                Message::Offer { id: required(self.id, 1)?, offer }
            }
            3 => Message::Outcome { id: required(self.id, 1)?, outcome: self.outcome()? },
            4 => Message::Bye,
            5 => Message::Working(required(self.id, 1)?),
            kind => Message::Unknown(kind),
        })
    }

    fn outcome(&self) -> Result<Outcome, Error> {
        Ok(match required(self.number, 2)? {
            0 => Outcome::Had,
            1 => Outcome::Taken,
            2 => Outcome::Full { free: required(self.free, 3)? },
            3 => Outcome::Unknown,
            4 => Outcome::NotNeeded,
            5 => Outcome::NotOffered,
            6 => Outcome::Busy,
            7 => {
                let name = self.reason.as_deref().ok_or(Error::Missing(4))?;
                Outcome::Failed(Reason::from_name(name).unwrap_or(Reason::Other))
            }
            _ => Outcome::Failed(Reason::Other),
        })
    }
}

fn write_about(out: &mut Out<'_>, about: &[About]) {
    cbor::array(out, about.len());
    for About { root, blocks } in about {
        cbor::array(out, 2);
        cbor::bytes(out, &root.0);
        cbor::array(out, blocks.len());
        blocks.iter().for_each(|block| cbor::uint(out, *block));
    }
}

fn read_about(input: &mut Decoder<'_>) -> Result<Vec<About>, Error> {
    let read = |input: &mut Decoder<'_>| {
        if cbor::read_list(input, 2)? != 2 {
            return Err(Error::Value("what is asked of a root are blocks"));
        }
        let root = Hash(cbor::read_array(input)?);
        let blocks = 0..cbor::read_list(input, BLOCKS_PER_CHALLENGE_MAX)?;
        Ok(About { root, blocks: blocks.map(|_| Ok(input.u64()?)).collect::<Result<_, Error>>()? })
    };
    (0..cbor::read_list(input, CLAIMS_MAX)?).map(|_| read(input)).collect()
}

#[cfg(test)]
mod tests {
    use antiphon_core::ids::{NodeId, StoreId, TeamId};
    use antiphon_core::possession::{Claim, Possession};
    use antiphon_core::time::UnixMillis;

    use super::*;

    fn root(n: u16) -> Hash {
        let mut root = [0xff; 32];
        root[..2].copy_from_slice(&n.to_be_bytes());
        Hash(root)
    }

    fn ask(about: Vec<About>) -> Message {
        Message::Ask { id: 1, nonce: [5; 32], about }
    }

    fn about(n: u16, blocks: &[u64]) -> About {
        About { root: root(n), blocks: blocks.to_vec() }
    }

    fn offer(length: u64) -> Message {
        Message::Offer { id: u64::MAX, offer: Offer { root: root(1), length, priority: Priority::High } }
    }

    #[test]
    fn every_message_reads_back() {
        let claims = (0..256).map(|n| (root(n), Claim::Whole { digest: Some(root(n)) })).collect();
        let (holder, asker) = (NodeId([2; 32]), NodeId([1; 32]));
        let (team, store, at) = (TeamId([9; 32]), StoreId([2; 16]), UnixMillis(u64::MAX));
        let bytes = Possession { team, holder, store, asker, at, nonce: [5; 32], claims }.encode();
        let receipt = PossessionReceipt { bytes, signature: Signature([3; 64]) };
        let high = (1 << 24) - 4..1 << 24;
        let full =
            (0..256).map(|n| About { root: root(n), blocks: high.clone().take(usize::from(n < 32) * 4).collect() });
        let mut messages = vec![
            ask(vec![about(3, &[])]),
            ask(full.collect()),
            Message::Answer { id: 0, receipt },
            offer(1),
            offer(STORED_BYTES_MAX),
            Message::Bye,
            Message::Working(7),
            Message::Unknown(77),
        ];
        let outcomes = [Outcome::Had, Outcome::Taken, Outcome::Full { free: 9 }, Outcome::Unknown, Outcome::NotNeeded];
        let more = [Outcome::NotOffered, Outcome::Busy, Outcome::Failed(Reason::Quota)];
        messages.extend(outcomes.into_iter().chain(more).map(|outcome| Message::Outcome { id: 5, outcome }));
        for message in messages {
            let bytes = message.encode();
            assert!(bytes.len() <= MESSAGE_BYTES_MAX, "{} bytes: {message:?}", bytes.len());
            assert_eq!(Message::decode(&bytes).as_ref(), Ok(&message));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let check = |message: Message, why: &str| {
            let error = Message::decode(&message.encode()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}: {message:?}");
        };
        check(ask(Vec::new()), "about nothing");
        check(ask(vec![about(2, &[]), about(1, &[])]), "roots of a question ascend");
        check(ask(vec![about(2, &[]), about(2, &[])]), "roots of a question ascend");
        check(ask(vec![about(1, &[1, 1])]), "blocks of a challenge ascend");
        check(ask(vec![about(1, &[1 << 24])]), "no document has");
        check(ask(vec![about(1, &[0, 1, 2, 3, 4])]), "the limit is 4");
        check(ask((0..257).map(|n| about(n, &[])).collect()), "the limit is 256");
        check(ask((0..33).map(|n| about(n, &[0, 1, 2, 3])).collect()), "the limit is 128");
        check(offer(0), "more than a document can be");
        check(offer(STORED_BYTES_MAX + 1), "more than a document can be");
        assert!(Message::decode(&vec![0; MESSAGE_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn an_outcome_of_a_newer_version_has_failed() {
        let fields = |number: u64, reason: Option<&str>| {
            let mut fields = Fields::default();
            fields.put(0, |out| cbor::uint(out, 3));
            fields.put(1, |out| cbor::uint(out, 1));
            fields.put(2, |out| cbor::uint(out, number));
            fields.put_some(4, reason, cbor::text);
            Message::decode(&fields.finish())
        };
        let failed = Ok(Message::Outcome { id: 1, outcome: Outcome::Failed(Reason::Other) });
        assert_eq!(fields(99, None), failed);
        assert_eq!(fields(7, Some("a_reason_of_tomorrow")), failed);
        assert_eq!(fields(7, None), Err(Error::Missing(4)));
        assert_eq!(fields(2, None), Err(Error::Missing(3)), "how much is free is part of it");
    }
}
