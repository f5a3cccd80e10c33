//! Questions, proofs and offers. Each is answered, or fails: when the link is gone, or when nothing comes in time.

use antiphon_core::ids::{Hash, TeamId};
use antiphon_core::possession::{BLOCKS_PER_CHALLENGE_MAX, Challenge, Claim};
use antiphon_protocol::reason::Reason;
use antiphon_protocol::replication::{Answer, Depth, Outcome};

use super::fetching::{Cause, Ended};
use super::plan::Honesty;
use super::{Copies, Inside};
use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::options::Sabotage;

const TEAM: TeamId = TeamId([7; 32]);
/// Time without an answer to a question after which it has failed, in milliseconds.
const ANSWER_MS: u64 = 15_000;
/// Time without an answer to an offer after which it has failed, in milliseconds.
const OUTCOME_MS: u64 = 5 * 60_000;

/// What members say to each other.
#[derive(Debug, Clone)]
pub(super) enum Letter {
    News(Vec<usize>),
    Ask { id: u64, about: Vec<Challenge> },
    Answer { id: u64, claims: Vec<(Hash, Claim)> },
    Offer { id: u64, root: Hash },
    Outcome { id: u64, outcome: Outcome },
}

impl Letter {
    /// What everybody is to know is told again until it is known.
    pub(super) const fn may_be_lost(&self) -> bool {
        !matches!(self, Self::News(_))
    }
}

/// What waits for an answer.
#[derive(Debug)]
pub(super) enum Waiting {
    Ask { peer: usize, about: Vec<Challenge> },
    Offer { peer: usize, root: Hash },
}

impl Waiting {
    const fn peer(&self) -> usize {
        match self {
            Self::Ask { peer, .. } | Self::Offer { peer, .. } => *peer,
        }
    }
}

impl Copies {
    /// Asks another one what it holds.
    pub(super) fn ask(&mut self, node: usize, peer: usize, about: &[(Hash, Depth)]) -> Step {
        let mut challenges = Vec::new();
        for (root, depth) in about {
            let proof = *depth == Depth::Proof && self.members[node].disk.seems_whole(root);
            let count = self.library.content(root)?.shape.blocks();
            let blocks = if proof { self.draw_blocks(count) } else { Vec::new() };
            challenges.push(Challenge { root: *root, nonce: self.random.bytes(), blocks });
        }
        let id = self.network.name();
        let Some(up) = self.members[node].up.as_mut() else { return Ok(()) };
        up.waiting.insert(id, Waiting::Ask { peer, about: challenges.clone() });
        self.note(node, "ask", &[], || format!("n{peer} for {about:?}"));
        self.tally.exercised.add(Class::PossessionAsked, challenges.len() as u64);
        self.inside(node, ANSWER_MS, Inside::Timeout(id));
        self.send(node, peer, Letter::Ask { id, about: challenges });
        Ok(())
    }

    /// Different blocks of a document, ascending.
    fn draw_blocks(&mut self, count: u64) -> Vec<u64> {
        let mut blocks: Vec<u64> = (0..count).collect();
        while blocks.len() > BLOCKS_PER_CHALLENGE_MAX {
            blocks.remove(self.random.index(blocks.len()));
        }
        blocks
    }

    /// Offers another one a copy.
    pub(super) fn offer(&mut self, node: usize, peer: usize, root: Hash) -> Step {
        let id = self.network.name();
        let most = self.plan.settings.concurrent;
        let Some(up) = self.members[node].up.as_mut() else { return Ok(()) };
        up.waiting.insert(id, Waiting::Offer { peer, root });
        // What was offered to who is no member any more is about to fail.
        let view = &self.members[node].view;
        let counts =
            |waiting: &&Waiting| matches!(waiting, Waiting::Offer { .. }) && view.members.contains_key(&waiting.peer());
        let waiting = self.members[node].up.iter().flat_map(|up| up.waiting.values());
        let under_way = waiting.filter(counts).count();
        self.note(node, "offer", &root.0, || format!("{root:?} to n{peer}, {under_way} under way"));
        self.tally.exercised.add(Class::CopyOffered, 1);
        if under_way == most {
            self.tally.exercised.add(Class::OffersAtOnce, 1);
        }
        need(under_way <= most, Law::OffersAreFew, || format!("n{node} has {under_way} offers under way, not {most}"))?;
        self.inside(node, OUTCOME_MS, Inside::Timeout(id));
        self.send(node, peer, Letter::Offer { id, root });
        Ok(())
    }

    /// A letter arrives.
    pub(super) fn read_letter(&mut self, from: usize, to: usize, letter: Letter) -> Step {
        if !self.is_there(to) {
            return Ok(());
        }
        match letter {
            Letter::News(news) => self.learn(to, &news),
            Letter::Ask { id, about } => self.answer(to, from, id, &about),
            Letter::Answer { id, claims } => self.hear_answer(to, id, &claims),
            Letter::Offer { id, root } => self.consider(to, from, id, root),
            Letter::Outcome { id, outcome } => self.hear_outcome(to, id, outcome),
        }
    }

    fn answer(&mut self, node: usize, asker: usize, id: u64, about: &[Challenge]) -> Step {
        let mut claims = Vec::new();
        for challenge in about {
            claims.push((challenge.root, self.claim(node, asker, challenge)?));
        }
        self.send(node, asker, Letter::Answer { id, claims });
        Ok(())
    }

    fn claim(&mut self, node: usize, asker: usize, challenge: &Challenge) -> Step<Claim> {
        if self.members[node].character.honesty == Honesty::Boasts {
            self.tally.exercised.add(Class::Boast, 1);
            let digest = challenge.is_proof().then(|| Hash(self.random.bytes()));
            return Ok(Claim::Whole { digest });
        }
        if !self.says_it_holds(node, &challenge.root) {
            return Ok(Claim::Missing);
        }
        if challenge.is_proof() && !self.vouch(node, &challenge.root) {
            self.tally.exercised.add(Class::VouchRefused, 1);
            return Ok(Claim::Missing);
        }
        self.compute(node, asker, node, challenge)
    }

    /// The answer of `holder` to `asker`, by the blocks of `node`.
    fn compute(&mut self, node: usize, asker: usize, holder: usize, challenge: &Challenge) -> Step<Claim> {
        let mut blocks = Vec::new();
        for n in &challenge.blocks {
            blocks.push((*n, self.read(node, &challenge.root, *n)?));
        }
        let (asker, holder) = (self.members[asker].id, self.members[holder].id);
        let read = |n: u64| {
            let found = blocks.iter_mut().find(|(other, _)| *other == n);
            found.and_then(|(_, bytes)| bytes.take()).ok_or(Claim::Damaged)
        };
        Ok(challenge.answer(&TEAM, &asker, &holder, read))
    }

    fn hear_answer(&mut self, node: usize, id: u64, claims: &[(Hash, Claim)]) -> Step {
        let Some(Waiting::Ask { peer, about }) = self.stop_waiting(node, id) else { return Ok(()) };
        let mut answers = Vec::new();
        for challenge in &about {
            let claim = claims.iter().find(|(root, _)| *root == challenge.root).map(|(_, claim)| *claim);
            answers.push((challenge.root, self.judge_claim(node, peer, challenge, claim)?));
        }
        self.answered(node, peer, answers)
    }

    /// What a claim is worth.
    fn judge_claim(&mut self, node: usize, peer: usize, challenge: &Challenge, claim: Option<Claim>) -> Step<Answer> {
        if self.is_sabotaged(Sabotage::BelieveProofs) {
            return Ok(Answer::Proved);
        }
        let digest = match claim {
            None => return Ok(Answer::Failed),
            Some(Claim::Missing) => return Ok(Answer::Missing),
            Some(Claim::Damaged) => return Ok(Answer::Wrong),
            Some(Claim::Whole { digest }) => digest,
        };
        if !challenge.is_proof() {
            return Ok(Answer::Claimed);
        }
        match self.compute(node, node, peer, challenge)? {
            Claim::Whole { digest: own } if own == digest => {
                self.tally.exercised.add(Class::PossessionProved, 1);
                Ok(Answer::Proved)
            }
            Claim::Whole { .. } => {
                self.tally.exercised.add(Class::WrongProof, 1);
                Ok(Answer::Wrong)
            }
            // What was to check it with is not there any more.
            Claim::Missing | Claim::Damaged => Ok(Answer::Claimed),
        }
    }

    /// Somebody offers a copy.
    fn consider(&mut self, node: usize, from: usize, id: u64, root: Hash) -> Step {
        if self.members[node].character.honesty == Honesty::Boasts {
            self.say_outcome(node, from, id, Outcome::Had);
            return Ok(());
        }
        match self.decide(node, from, root) {
            Ok(holders) => self.fetch(node, root, Cause::Offer { peer: from, id }, &holders),
            Err(outcome) => {
                self.say_outcome(node, from, id, outcome);
                Ok(())
            }
        }
    }

    pub(super) fn say_outcome(&mut self, node: usize, peer: usize, id: u64, outcome: Outcome) {
        self.note(node, "outcome", &[], || format!("to n{peer}: {outcome:?}"));
        if matches!(outcome, Outcome::Full { .. }) {
            self.tally.exercised.add(Class::CopyFull, 1);
        }
        self.send(node, peer, Letter::Outcome { id, outcome });
    }

    /// What is said to those who offered what was fetched.
    pub(super) fn outcome_of(&self, node: usize, ended: Ended) -> Outcome {
        match ended {
            Ended::Whole => Outcome::Taken,
            Ended::Full => Outcome::Full { free: self.free_bytes(node) },
            Ended::Failed => Outcome::Failed(Reason::NetworkTimeout),
        }
    }

    fn hear_outcome(&mut self, node: usize, id: u64, outcome: Outcome) -> Step {
        let Some(Waiting::Offer { peer, root }) = self.stop_waiting(node, id) else { return Ok(()) };
        self.offered(node, peer, root, outcome)
    }

    fn stop_waiting(&mut self, node: usize, id: u64) -> Option<Waiting> {
        self.members[node].up.as_mut()?.waiting.remove(&id)
    }

    /// Nothing came in time.
    pub(super) fn timeout(&mut self, node: usize, id: u64) -> Step {
        match self.stop_waiting(node, id) {
            None => Ok(()),
            Some(Waiting::Ask { peer, about }) => {
                let failed = about.into_iter().map(|challenge| (challenge.root, Answer::Failed)).collect();
                self.answered(node, peer, failed)
            }
            Some(Waiting::Offer { peer, root }) => {
                self.offered(node, peer, root, Outcome::Failed(Reason::NetworkTimeout))
            }
        }
    }

    /// The link to another one is gone, and with it what was asked of it.
    pub(super) fn fail_all(&mut self, node: usize, peer: usize) -> Step {
        let Some(up) = self.members[node].up.as_ref() else { return Ok(()) };
        let waits = up.waiting.iter().filter(|(_, waiting)| waiting.peer() == peer).map(|(id, _)| *id);
        waits.collect::<Vec<u64>>().into_iter().try_for_each(|id| self.timeout(node, id))
    }
}
