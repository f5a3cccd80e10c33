//! What is true of a copy, found out from the blocks themselves, and what the claims of others are worth.

use antiphon_core::ids::Hash;
use antiphon_core::possession::{BLOCKS_PER_CHALLENGE_MAX, Challenge, Claim};
use antiphon_protocol::replication::asking::Answered;
use antiphon_protocol::replication::{About, Answer};
use antiphon_store::{BlobError, KeptPossession};

use super::books::broken;
use crate::exercised::Class;
use crate::failure::Step;
use crate::options::Sabotage;
use crate::world::World;

impl World {
    /// Some of the blocks of a ciphertext that are held, ascending.
    pub(super) fn draw_blocks(&mut self, node: usize, root: &Hash) -> Step<Vec<u64>> {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(Vec::new()) };
        let Some(view) = up.db.reader().blob(root)? else { return Ok(Vec::new()) };
        let missing = |n: &u64| view.missing.iter().any(|range| range.contains(n));
        let mut blocks: Vec<u64> = (0..view.blocks).filter(|n| !missing(n)).collect();
        while blocks.len() > BLOCKS_PER_CHALLENGE_MAX {
            blocks.remove(self.contents.random.index(blocks.len()));
        }
        Ok(blocks)
    }

    /// Reads a block. One that is not what it was is found out, and is not there any more.
    pub(super) fn read_block(&mut self, node: usize, root: &Hash, n: u64) -> Step<Result<Vec<u8>, BlobError>> {
        let Some(db) = self.contents_db(node) else { return Ok(Err(BlobError::NotFound(*root))) };
        let read = db.blobs().read_block(root, n);
        match &read {
            Err(error) if error.is_damaged() => self.note_damage(node, *root)?,
            Err(error) if !error.is_missing() && !matches!(error, BlobError::NoSuchBlock { .. }) => {
                return Err(broken(error));
            }
            _ => {}
        }
        Ok(read)
    }

    /// What was found damaged is written down.
    pub(super) fn note_damage(&mut self, node: usize, root: Hash) -> Step {
        let Some(db) = self.contents_db(node) else { return Ok(()) };
        match db.note_damage() {
            Ok(found) => self.met(Class::DocumentDamageFound, found),
            // It is written down by a later call.
            Err(error) if error.is_full() => {}
            Err(error) => return Err(error.into()),
        }
        self.note_content(node, "damaged", &root, || format!("{root:?}"));
        self.look_soon(node);
        Ok(())
    }

    /// What is true of one ciphertext now.
    pub(super) fn claim(&mut self, node: usize, asker: usize, challenge: &Challenge) -> Step<Claim> {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(Claim::Missing) };
        match up.db.reader().blob(&challenge.root)? {
            Some(view) if view.damaged > 0 => return Ok(Claim::Damaged),
            Some(view) if view.is_complete() => {}
            _ => return Ok(Claim::Missing),
        }
        self.compute_claim(node, asker, node, challenge)
    }

    /// The answer of `holder` to `asker`, computed from the blocks of `node`.
    fn compute_claim(&mut self, node: usize, asker: usize, holder: usize, challenge: &Challenge) -> Step<Claim> {
        let Some(team) = self.in_acme(node).map(|team| team.own.team) else { return Ok(Claim::Missing) };
        let mut blocks = Vec::new();
        for n in &challenge.blocks {
            blocks.push((*n, self.read_block(node, &challenge.root, *n)?));
        }
        let (asker, holder) = (self.nodes[asker].id, self.nodes[holder].id);
        Ok(challenge.answer(&team, &asker, &holder, |n| {
            let at = blocks.iter().position(|(block, _)| *block == n);
            match at.map(|at| blocks.swap_remove(at).1) {
                Some(Ok(bytes)) => Ok(bytes),
                Some(Err(error)) if error.is_damaged() => Err(Claim::Damaged),
                _ => Err(Claim::Missing),
            }
        }))
    }

    /// What was said, checked with own blocks where there are any. It is kept as it was signed.
    pub(super) fn check_claims(
        &mut self,
        node: usize,
        peer: usize,
        about: &[About],
        answered: Answered,
    ) -> Step<Vec<(Hash, Answer)>> {
        let Answered { receipt, possession, .. } = answered;
        let kept = KeptPossession { node: self.nodes[peer].id, at: self.nodes[node].clock(self.at), receipt };
        let Some(db) = self.contents_db(node) else { return Ok(Vec::new()) };
        match db.keep_possession(&kept) {
            Err(error) if error.is_full() => {}
            kept => kept?,
        }
        let mut answers = Vec::new();
        for one in about {
            let answer = match possession.claim(&one.root) {
                _ if self.is_sabotaged(Sabotage::BelieveProofs) => Answer::Proved,
                None | Some(Claim::Missing | Claim::Damaged) => Answer::Missing,
                Some(Claim::Whole { digest: None }) => Answer::Claimed,
                Some(Claim::Whole { digest: Some(digest) }) => {
                    let challenge = one.challenge(possession.nonce);
                    match self.compute_claim(node, node, peer, &challenge)? {
                        Claim::Whole { digest: Some(right) } if right == digest => Answer::Proved,
                        Claim::Whole { .. } => Answer::Wrong,
                        // What was to check it with is not there any more.
                        Claim::Missing | Claim::Damaged => Answer::Claimed,
                    }
                }
            };
            self.met(Class::DocumentWrongProof, u64::from(answer == Answer::Wrong));
            answers.push((one.root, answer));
        }
        Ok(answers)
    }
}
