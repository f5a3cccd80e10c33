//! Possession: what a node says it holds of documents, and how it shows that it does.
//!
//! A copy counts only if it is there, and a member that says so may be mistaken: its disk may have lost the file, or a
//! person may have cleared it away. The name of a ciphertext proves nothing, since everybody has it from the index, and a
//! hash of the blocks that was computed once can be kept when the blocks are gone. So whoever asks draws a nonce and a few
//! blocks, and the answer is a hash that begins with both sides' names and the nonce and ends with the bytes of those
//! blocks. It cannot be computed before the question and not without the bytes, and it is no answer to anybody else.
//! Whoever holds the same blocks checks it. Whoever holds nothing to check with asks for the statement alone.
//!
//! Either way the answer is signed, for the nonce of the question, so that an old one, or one for another asker, is none.
//!
//! Limits: it proves that the node *could get at* those blocks when it was asked. It says nothing of the blocks that were
//! not drawn, of tomorrow, or of where the bytes lie: a node that passes the question on to another holder as its own, or
//! fetches the blocks before it answers, is not told from one that has them. And a statement alone proves what was said.

use minicbor::{Decoder, Encoder};
use sha2::{Digest, Sha256};

use crate::cbor::{self, Error};
use crate::content::MANIFEST_CHILDREN_MAX;
use crate::ids::{Hash, NodeId, StoreId, TeamId};
use crate::sign::{self, Signature, Signer};
use crate::time::UnixMillis;

/// What separates the digest of a challenge from every other hash, and the receipt from everything else that is signed.
const DOMAIN: &[u8] = b"antiphon/possession/1";
const RECEIPT_DOMAIN: &[u8] = b"antiphon/possession-receipt/1";
/// Version of the format.
const VERSION: u64 = 1;
/// Most blocks that one challenge names.
pub const BLOCKS_PER_CHALLENGE_MAX: usize = 4;
/// Most ciphertexts that one receipt speaks of.
pub const CLAIMS_MAX: usize = 256;
/// Blocks that the largest document has.
const BLOCKS_MAX: u64 = (MANIFEST_CHILDREN_MAX * MANIFEST_CHILDREN_MAX) as u64;

/// Random bytes of whoever asks.
pub type Nonce = [u8; 32];

/// What is asked of one ciphertext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Which.
    pub root: Hash,
    /// Drawn by whoever asks, for this question.
    pub nonce: Nonce,
    /// The blocks to be read, ascending, at most [`BLOCKS_PER_CHALLENGE_MAX`]; none asks for the statement alone.
    pub blocks: Vec<u64>,
}

/// What a node says of one ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It holds all of it.
    Whole {
        /// The digest of the challenge, if blocks were named.
        digest: Option<Hash>,
    },
    /// It does not hold it, or not all of it.
    Missing,
    /// It held all of it, and some of it is not what it was.
    Damaged,
}

/// What a node says it holds, to one that asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Possession {
    /// The team.
    pub team: TeamId,
    /// Who says so.
    pub holder: NodeId,
    /// Its store.
    pub store: StoreId,
    /// To whom.
    pub asker: NodeId,
    /// When, by the holder's clock.
    pub at: UnixMillis,
    /// The nonce of the question.
    pub nonce: Nonce,
    /// What it says of each, ascending by root, at most [`CLAIMS_MAX`].
    pub claims: Vec<(Hash, Claim)>,
}

/// A statement as it travels and is kept: the bytes that were signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PossessionReceipt {
    /// Canonical CBOR of a [`Possession`].
    pub bytes: Vec<u8>,
    /// Ed25519 over the domain and the bytes.
    pub signature: Signature,
}

/// The answer to a challenge, as it is being computed.
#[derive(Debug, Clone)]
pub struct Digester(Sha256);

/// Begins the answer of `holder` to a challenge by `asker`; the bytes of the blocks follow in the order of their numbers.
///
/// The nonce comes before the bytes, so nobody can keep what remains of them in place of the bytes.
pub fn digest(team: &TeamId, asker: &NodeId, holder: &NodeId, challenge: &Challenge) -> Digester {
    let mut hash = Sha256::new_with_prefix(DOMAIN);
    for part in [&team.0, &asker.0, &holder.0, &challenge.root.0, &challenge.nonce] {
        hash.update(part);
    }
    hash.update((challenge.blocks.len() as u64).to_be_bytes());
    Digester(hash)
}

impl Digester {
    /// Takes the bytes of a block.
    pub fn block(&mut self, n: u64, bytes: &[u8]) {
        self.0.update(n.to_be_bytes());
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// The answer.
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

impl Challenge {
    /// Checks that it can be meant.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn validate(&self) -> Result<(), Error> {
        let (got, limit) = (self.blocks.len() as u64, BLOCKS_PER_CHALLENGE_MAX as u64);
        if got > limit {
            return Err(Error::TooLong { what: "a challenge", got, limit });
        }
        if !self.blocks.is_sorted_by(|one, next| one < next) {
            return Err(Error::Value("the blocks of a challenge ascend"));
        }
        if self.blocks.last().is_some_and(|last| *last >= BLOCKS_MAX) {
            return Err(Error::Value("a block that no document has"));
        }
        Ok(())
    }

    /// Whether blocks are to be read.
    pub fn is_proof(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// The answer of `holder`, who says it holds all of it, to `asker`: `read` brings a block as it is on the disk now, or
    /// what is to be said instead. Whoever checks an answer computes it in the same way from the blocks that it holds.
    pub fn answer(
        &self,
        team: &TeamId,
        asker: &NodeId,
        holder: &NodeId,
        mut read: impl FnMut(u64) -> Result<Vec<u8>, Claim>,
    ) -> Claim {
        let mut digester = digest(team, asker, holder, self);
        for n in &self.blocks {
            match read(*n) {
                Ok(bytes) => digester.block(*n, &bytes),
                Err(instead) => return instead,
            }
        }
        Claim::Whole { digest: self.is_proof().then(|| digester.finish()) }
    }
}

impl Possession {
    /// Signs it. The signer must be [`Possession::holder`].
    pub fn sign(&self, signer: &dyn Signer) -> PossessionReceipt {
        let bytes = self.encode();
        let signature = signer.sign(&message(&bytes));
        PossessionReceipt { bytes, signature }
    }

    /// What it says of a ciphertext; `None` if it does not speak of it.
    pub fn claim(&self, root: &Hash) -> Option<Claim> {
        let found = self.claims.binary_search_by(|(other, _)| other.cmp(root)).ok()?;
        self.claims.get(found).map(|(_, claim)| *claim)
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
            cbor::bytes(out, &self.holder.0);
            cbor::uint(out, 3);
            cbor::bytes(out, &self.store.0);
            cbor::uint(out, 4);
            cbor::bytes(out, &self.asker.0);
            cbor::uint(out, 5);
            cbor::uint(out, self.at.0);
            cbor::uint(out, 6);
            cbor::bytes(out, &self.nonce);
            cbor::uint(out, 7);
            cbor::array(out, self.claims.len());
            self.claims.iter().for_each(|(root, claim)| write_claim(out, root, *claim));
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        cbor::decode(bytes, |input| {
            if cbor::read_map(input, 8)? != 8 {
                return Err(Error::Value("a statement of possession has eight parts"));
            }
            if key(input, 0)?.u64()? != VERSION {
                return Err(Error::Value("a statement of possession of another version"));
            }
            Ok(Self {
                team: TeamId(cbor::read_array(key(input, 1)?)?),
                holder: NodeId(cbor::read_array(key(input, 2)?)?),
                store: StoreId(cbor::read_array(key(input, 3)?)?),
                asker: NodeId(cbor::read_array(key(input, 4)?)?),
                at: UnixMillis(key(input, 5)?.u64()?),
                nonce: cbor::read_array(key(input, 6)?)?,
                claims: read_claims(key(input, 7)?)?,
            })
        })
    }
}

impl PossessionReceipt {
    /// Checks the signature and reads what was signed for `team`.
    ///
    /// # Errors
    /// [`Error`] for anything that is not a statement for this team, signed by the holder it names.
    pub fn verify(&self, team: &TeamId) -> Result<Possession, Error> {
        let possession = Possession::decode(&self.bytes)?;
        if possession.team != *team {
            return Err(Error::Value("a statement of possession for another team"));
        }
        if !sign::verify(&possession.holder, &message(&self.bytes), &self.signature) {
            return Err(Error::Value("a statement of possession that its holder did not sign"));
        }
        Ok(possession)
    }
}

fn message(bytes: &[u8]) -> Vec<u8> {
    [RECEIPT_DOMAIN, bytes].concat()
}

/// `[root, 0]`, `[root, 0, digest]`, `[root, 1]` for missing or `[root, 2]` for damaged.
fn write_claim(out: &mut Encoder<&mut Vec<u8>>, root: &Hash, claim: Claim) {
    let (kind, digest) = match claim {
        Claim::Whole { digest } => (0, digest),
        Claim::Missing => (1, None),
        Claim::Damaged => (2, None),
    };
    cbor::array(out, 2 + usize::from(digest.is_some()));
    cbor::bytes(out, &root.0);
    cbor::uint(out, kind);
    if let Some(digest) = digest {
        cbor::bytes(out, &digest.0);
    }
}

fn read_claims(input: &mut Decoder<'_>) -> Result<Vec<(Hash, Claim)>, Error> {
    let mut claims: Vec<(Hash, Claim)> = Vec::new();
    for _ in 0..cbor::read_list(input, CLAIMS_MAX)? {
        let next = read_claim(input)?;
        if claims.last().is_some_and(|(last, _)| *last >= next.0) {
            return Err(Error::Value("the claims of a statement ascend"));
        }
        claims.push(next);
    }
    Ok(claims)
}

fn read_claim(input: &mut Decoder<'_>) -> Result<(Hash, Claim), Error> {
    let parts = cbor::read_list(input, 3)?;
    let root = Hash(cbor::read_array(input)?);
    let claim = match (input.u64()?, parts) {
        (0, 2) => Claim::Whole { digest: None },
        (0, 3) => Claim::Whole { digest: Some(Hash(cbor::read_array(input)?)) },
        (1, 2) => Claim::Missing,
        (2, 2) => Claim::Damaged,
        _ => return Err(Error::Value("a claim is whole, missing or damaged")),
    };
    Ok((root, claim))
}

/// Reads a key that must come next.
fn key<'a, 'b>(input: &'a mut Decoder<'b>, want: u64) -> Result<&'a mut Decoder<'b>, Error> {
    if input.u64()? == want { Ok(input) } else { Err(Error::Missing(want)) }
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
    const ALICE: NodeId = NodeId([1; 32]);

    fn bob() -> Key {
        Key(SigningKey::from_bytes(&[2; 32]))
    }

    fn challenge() -> Challenge {
        Challenge { root: Hash([7; 32]), nonce: [5; 32], blocks: vec![0, 3] }
    }

    fn possession() -> Possession {
        let claim = |root: u8, claim| (Hash([root; 32]), claim);
        Possession {
            team: TEAM,
            holder: bob().node_id(),
            store: StoreId([2; 16]),
            asker: ALICE,
            at: UnixMillis(1_000),
            nonce: [5; 32],
            claims: vec![
                claim(1, Claim::Whole { digest: None }),
                claim(2, Claim::Whole { digest: Some(Hash([8; 32])) }),
                claim(3, Claim::Missing),
                claim(4, Claim::Damaged),
            ],
        }
    }

    #[test]
    fn a_statement_reads_back_and_nobody_else_can_make_or_change_it() {
        let good = possession().sign(&bob());
        let read = good.verify(&TEAM).unwrap();
        assert_eq!(read, possession());
        assert_eq!(read.claim(&Hash([3; 32])), Some(Claim::Missing));
        assert_eq!(read.claim(&Hash([9; 32])), None);

        let eve = Key(SigningKey::from_bytes(&[6; 32]));
        assert!(possession().sign(&eve).verify(&TEAM).is_err());
        assert!(good.verify(&TeamId([8; 32])).is_err());
        for at in 0..good.bytes.len() {
            let mut bad = good.clone();
            bad.bytes[at] ^= 1;
            assert!(bad.verify(&TEAM).is_err(), "byte {at}");
        }
        // What was signed as a custody receipt, or anything else, is no statement.
        let other = PossessionReceipt { signature: bob().sign(&good.bytes), ..good };
        assert!(other.verify(&TEAM).is_err());
    }

    #[test]
    fn a_statement_speaks_of_each_once_in_order_and_of_not_too_many() {
        let check = |change: fn(&mut Possession)| {
            let mut bad = possession();
            change(&mut bad);
            assert!(bad.sign(&bob()).verify(&TEAM).is_err(), "{bad:?}");
        };
        check(|bad| bad.claims.reverse());
        check(|bad| bad.claims.insert(0, bad.claims[0]));
        check(|bad| {
            let claim =
                |n: usize| (Hash::from_slice(&[&[0; 24], &n.to_be_bytes()[..]].concat()).unwrap(), Claim::Missing);
            bad.claims = (0..=CLAIMS_MAX).map(claim).collect();
        });
    }

    #[test]
    fn an_answer_belongs_to_one_team_asker_holder_nonce_and_set_of_blocks() {
        let (block, bob) = (|n: u64| vec![u8::try_from(n).unwrap(); 10], bob().node_id());
        let answer = |team, asker, holder, challenge: &Challenge| {
            let mut digester = digest(team, asker, holder, challenge);
            challenge.blocks.iter().for_each(|n| digester.block(*n, &block(*n)));
            digester.finish()
        };
        let good = answer(&TEAM, &ALICE, &bob, &challenge());
        assert_eq!(good, answer(&TEAM, &ALICE, &bob, &challenge()));
        assert_ne!(good, answer(&TeamId([8; 32]), &ALICE, &bob, &challenge()));
        assert_ne!(good, answer(&TEAM, &bob, &ALICE, &challenge()));
        assert_ne!(good, answer(&TEAM, &ALICE, &NodeId([3; 32]), &challenge()));
        assert_ne!(good, answer(&TEAM, &ALICE, &bob, &Challenge { nonce: [6; 32], ..challenge() }));
        assert_ne!(good, answer(&TEAM, &ALICE, &bob, &Challenge { root: Hash([6; 32]), ..challenge() }));
        for blocks in [vec![], vec![0], vec![0, 2], vec![0, 3, 4]] {
            assert_ne!(good, answer(&TEAM, &ALICE, &bob, &Challenge { blocks, ..challenge() }));
        }
    }

    #[test]
    fn where_one_block_ends_and_the_next_begins_cannot_be_moved() {
        let of = |first: &[u8], second: &[u8]| {
            let mut digester = digest(&TEAM, &ALICE, &bob().node_id(), &challenge());
            digester.block(0, first);
            digester.block(3, second);
            digester.finish()
        };
        assert_ne!(of(b"ab", b"c"), of(b"a", b"bc"));
    }

    #[test]
    fn who_cannot_read_a_block_has_no_answer() {
        let bob = bob().node_id();
        let answer = |blocks: Vec<u64>, read: fn(u64) -> Result<Vec<u8>, Claim>| {
            Challenge { blocks, ..challenge() }.answer(&TEAM, &ALICE, &bob, read)
        };
        let held = |n| if n == 3 { Err(Claim::Damaged) } else { Ok(vec![1]) };
        assert_eq!(answer(vec![0, 3], held), Claim::Damaged);
        assert_eq!(answer(vec![0], |_| Err(Claim::Missing)), Claim::Missing);
        assert!(matches!(answer(vec![0], held), Claim::Whole { digest: Some(_) }));
        assert_eq!(answer(vec![], |_| Err(Claim::Missing)), Claim::Whole { digest: None });
    }

    #[test]
    fn a_challenge_names_few_blocks_in_order() {
        let check = |blocks: Vec<u64>| Challenge { blocks, ..challenge() }.validate();
        assert_eq!(check(vec![]), Ok(()));
        assert_eq!(check(vec![0, 1, 7, BLOCKS_MAX - 1]), Ok(()));
        assert!(check(vec![0, 1, 2, 3, 4]).is_err());
        assert!(check(vec![1, 0]).is_err() && check(vec![1, 1]).is_err());
        assert!(check(vec![BLOCKS_MAX]).is_err());
    }
}
