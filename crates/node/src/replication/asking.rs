//! Asking members what they hold, and offering them what they lack.
//!
//! Whoever asks for a proof draws a nonce and blocks among those that are held here, and checks the answer with its own
//! bytes, read after the answer came. What it cannot check, because it holds nothing or what it held is damaged, counts as
//! said and not as proved. Statements are kept as they were signed, whatever they say.

use antiphon_core::ids::{Hash, NodeId, TeamId};
use antiphon_core::possession::{BLOCKS_PER_CHALLENGE_MAX, Claim, Nonce, Possession};
use antiphon_core::replication::Priority;
use antiphon_net::NetHandle;
use antiphon_protocol::reason::Reason;
use antiphon_protocol::replication::asking::Answered;
use antiphon_protocol::replication::{About, Answer, Depth, Offer, Outcome, questions};
use antiphon_store::{BlobView, Blobs, Error as StoreError, KeptPossession, Store};
use antiphon_vault::random;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;

use super::stream::{Hub, ORDERS_MAX, Order, Told, What};
use crate::clock;
use crate::tasks::Tasks;

/// Most attempts at drawing one more block that was not drawn yet.
const DRAWS_MAX: usize = 4 * BLOCKS_PER_CHALLENGE_MAX;

/// Why nothing could be asked.
#[derive(Debug, thiserror::Error)]
enum Unasked {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    NoRandomness(#[from] random::Error),
    #[error("own blocks could not be read")]
    Broken(#[from] JoinError),
}

/// Asks members and makes them offers. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    store: Store,
    orders: mpsc::Sender<(NodeId, Order)>,
}

impl Asker {
    /// One who asks, and what must run for as long as somebody does.
    pub(crate) fn new(store: Store, net: NetHandle) -> (Self, Hub) {
        let (orders, waiting) = mpsc::channel(ORDERS_MAX);
        let hub = Hub::new(net, store.clone(), waiting);
        (Self { store, orders }, hub)
    }

    /// Asks a member what it holds of these; each is answered once, in the order of the roots.
    ///
    /// A proof is asked for as far as something is held here to check it with; else it is a question.
    pub(crate) async fn ask(&self, peer: NodeId, about: Vec<(Hash, Depth)>) -> Vec<(Hash, Answer)> {
        let mut roots: Vec<Hash> = about.iter().map(|(root, _)| *root).collect();
        roots.sort_unstable();
        roots.dedup();
        let mut answers = match self.draw(about).await {
            Ok(about) => self.ask_all(peer, questions(about)).await,
            Err(error) => {
                tracing::warn!(%peer, %error, "a member could not be asked what it holds");
                Vec::new()
            }
        };
        let answered = answers.len();
        answers.extend(roots.into_iter().skip(answered).map(|root| (root, Answer::Failed)));
        answers
    }

    /// Offers a ciphertext to a member; returns when it is durable there, or will not be.
    pub(crate) async fn offer(&self, peer: NodeId, root: Hash, length: u64, priority: Priority) -> Outcome {
        match self.say(peer, What::Offer(Offer { root, length, priority })).await {
            Told::Settled(outcome) => outcome,
            Told::Failed(reason) => Outcome::Failed(reason),
            Told::Answered(_) | Told::False => Outcome::Failed(Reason::Auth),
        }
    }

    /// Asks one question after the other, until one is not answered.
    async fn ask_all(&self, peer: NodeId, questions: Vec<Vec<About>>) -> Vec<(Hash, Answer)> {
        let mut answers = Vec::new();
        for about in questions {
            match self.ask_one(peer, about).await {
                Ok((mut more, true)) => answers.append(&mut more),
                Ok((mut last, false)) => {
                    answers.append(&mut last);
                    break;
                }
                Err(error) => {
                    tracing::warn!(%peer, %error, "what a member said it holds could not be checked");
                    break;
                }
            }
        }
        answers
    }

    /// Says whether more can be asked.
    async fn ask_one(&self, peer: NodeId, about: Vec<About>) -> Result<(Vec<(Hash, Answer)>, bool), Unasked> {
        let nonce: Nonce = random::bytes()?;
        let all = |answer: Answer| about.iter().map(|about| (about.root, answer)).collect();
        let answered = match self.say(peer, What::Ask { nonce, about: about.clone() }).await {
            Told::Answered(answered) => *answered,
            Told::False => {
                tracing::warn!(%peer, "a member gave a false answer about what it holds");
                return Ok((all(Answer::Wrong), false));
            }
            Told::Settled(_) | Told::Failed(_) => return Ok((all(Answer::Failed), false)),
        };
        let Answered { receipt, possession, .. } = answered;
        let kept = KeptPossession { node: peer, at: clock::now(), receipt };
        self.store.share(move |db| db.keep_possession(&kept)).await?;
        let blobs = self.store.blobs();
        let answers = Tasks::compute(move || check(&blobs, &about, &possession)).await?;
        Ok((answers, true))
    }

    async fn say(&self, peer: NodeId, what: What) -> Told {
        let (reply, told) = oneshot::channel();
        if self.orders.send((peer, Order { what, reply })).await.is_err() {
            return Told::Failed(Reason::Other);
        }
        told.await.unwrap_or(Told::Failed(Reason::Other))
    }

    /// Draws the blocks that are to be read.
    async fn draw(&self, about: Vec<(Hash, Depth)>) -> Result<Vec<About>, Unasked> {
        let views = self.store.read(move |reader| {
            let view = |(root, depth): (Hash, Depth)| match depth {
                Depth::Question => Ok((root, None)),
                Depth::Proof => Ok((root, reader.blob(&root)?)),
            };
            about.into_iter().map(view).collect::<Result<Vec<_>, StoreError>>()
        });
        let draw = |(root, view): (Hash, Option<BlobView>)| {
            let blocks = view.map_or(Ok(Vec::new()), |view| draw(&view))?;
            Ok(About { root, blocks })
        };
        views.await?.into_iter().map(draw).collect()
    }
}

/// Some of the blocks that are held, ascending.
fn draw(view: &BlobView) -> Result<Vec<u64>, random::Error> {
    let missing: u64 = view.missing.iter().map(|range| range.end - range.start).sum();
    let held = view.blocks.saturating_sub(missing);
    let mut drawn = Vec::new();
    for _ in 0..DRAWS_MAX {
        if held == drawn.len() as u64 || drawn.len() == BLOCKS_PER_CHALLENGE_MAX {
            break;
        }
        let mut block = u64::from_be_bytes(random::bytes()?) % held;
        for range in &view.missing {
            if range.start > block {
                break;
            }
            block += range.end - range.start;
        }
        if let Err(place) = drawn.binary_search(&block) {
            drawn.insert(place, block);
        }
    }
    Ok(drawn)
}

/// What was said, checked with own blocks where there are any.
fn check(blobs: &Blobs, about: &[About], possession: &Possession) -> Vec<(Hash, Answer)> {
    let Possession { team, asker, holder, nonce, .. } = possession;
    let one = |about: &About| {
        let answer = match possession.claim(&about.root) {
            // Who says that a disk failed it has not lied: it is offered what it lacks, like anybody who lacks it.
            None | Some(Claim::Missing | Claim::Damaged) => Answer::Missing,
            Some(Claim::Whole { digest: None }) => Answer::Claimed,
            Some(Claim::Whole { digest: Some(digest) }) => {
                compare(digest, expected(blobs, about, *nonce, (team, asker, holder)))
            }
        };
        if answer == Answer::Wrong {
            tracing::warn!(peer = %holder, root = %about.root, "a member does not have what it should have");
        }
        (about.root, answer)
    };
    about.iter().map(one).collect()
}

/// The right answer, if it can be found out here.
fn expected(blobs: &Blobs, about: &About, nonce: Nonce, between: (&TeamId, &NodeId, &NodeId)) -> Claim {
    let (team, asker, holder) = between;
    about.challenge(nonce).answer(team, asker, holder, |n| {
        blobs.read_block(&about.root, n).map_err(|error| {
            tracing::debug!(root = %about.root, %error, "nothing to check an answer with");
            Claim::Missing
        })
    })
}

fn compare(digest: Hash, expected: Claim) -> Answer {
    match expected {
        Claim::Whole { digest: Some(right) } if right == digest => Answer::Proved,
        Claim::Whole { .. } => Answer::Wrong,
        Claim::Missing | Claim::Damaged => Answer::Claimed,
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;

    fn view(blocks: u64, missing: Vec<std::ops::Range<u64>>) -> BlobView {
        let missing_blocks = missing.iter().map(|range| range.end - range.start).sum();
        BlobView {
            root: Hash([1; 32]),
            length: blocks,
            hash: None,
            blocks,
            held_bytes: 0,
            missing_blocks,
            missing,
            damaged: 0,
            missing_manifests: 0,
        }
    }

    #[test]
    fn blocks_are_drawn_among_those_that_are_held() {
        for _ in 0..200 {
            let drawn = draw(&view(100, vec![0..10, 20..90])).unwrap();
            assert!(drawn.is_sorted_by(|one, next| one < next), "{drawn:?}");
            assert!(!drawn.is_empty() && drawn.len() <= BLOCKS_PER_CHALLENGE_MAX, "{drawn:?}");
            assert!(drawn.iter().all(|block| (10..20).contains(block) || (90..100).contains(block)), "{drawn:?}");
        }
        assert_eq!(draw(&view(1, Vec::new())).unwrap(), [0]);
        assert_eq!(draw(&view(8, vec![0..7])).unwrap(), [7]);
        assert_eq!(draw(&view(8, vec![0..8])).unwrap(), Vec::<u64>::new());
        let all: std::collections::BTreeSet<u64> =
            (0..400).flat_map(|_| draw(&view(16, Vec::new())).unwrap()).collect();
        assert_eq!(all.len(), 16, "every block is drawn now and then");
    }

    #[test]
    fn an_answer_is_proved_only_by_own_blocks() {
        let whole = |n| Claim::Whole { digest: Some(Hash([n; 32])) };
        assert_eq!(compare(Hash([1; 32]), whole(1)), Answer::Proved);
        assert_eq!(compare(Hash([1; 32]), whole(2)), Answer::Wrong);
        assert_eq!(compare(Hash([1; 32]), Claim::Missing), Answer::Claimed);
        assert_eq!(compare(Hash([1; 32]), Claim::Damaged), Answer::Claimed);
    }
}
