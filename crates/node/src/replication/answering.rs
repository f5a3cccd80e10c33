//! The side that is asked: one task for each stream that a member opens.
//!
//! Whatever is said is found out when it is asked: from the database that a ciphertext is whole, and for a proof from the
//! blocks themselves, which are read, checked by their manifest and hashed together with the nonce of the question. There
//! is nothing from which an answer could be given otherwise. A block that is not what it was is noted on the way, so that
//! it is fetched again.
//!
//! Reading is bounded twice: so much at a time for everybody, and an allowance for each member over all its streams.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::possession::{Challenge, Claim, Nonce, Possession, PossessionReceipt};
use antiphon_core::time::UnixMillis;
use antiphon_net::{MemberReader, MemberStream};
use antiphon_protocol::replication::answering::{Closed, Input, Output};
use antiphon_protocol::replication::{Allowance, Answering, Message, Outcome};
use antiphon_store::{BlobError, BlobView, Blobs, Error as StoreError, Own, Store};
use antiphon_vault::NodeKey;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep, sleep_until};

use super::Taker;
use super::stream::write;
use crate::audit;
use crate::clock;
use crate::event_loop::Engine;
use crate::inputs::Input as News;
use crate::tasks::Tasks;

/// Most members whose challenges are looked up at the same time; the others wait for their turn.
const LOOKING_MAX: usize = 2;
/// Most messages that wait to be sent to one asker.
const SENDS_MAX: usize = 64;
/// Most outcomes of offers that wait to be told.
const TOOK_MAX: usize = 16;

/// The answering side of a node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Answers(Arc<Shared>);

struct Shared {
    store: Store,
    key: Arc<NodeKey>,
    taker: Taker,
    looking: Semaphore,
    allowances: Mutex<BTreeMap<NodeId, Allowance>>,
}

/// Why a question is not answered.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("own blocks could not be read")]
    Broken(#[from] JoinError),
}

/// What is under way beside the machine.
type Looking = Option<Pin<Box<dyn Future<Output = Result<Vec<Claim>, Unanswered>> + Send>>>;

/// Between whom an answer counts.
#[derive(Debug, Clone)]
struct Between {
    own: Own,
    peer: NodeId,
    /// Whether anything is taken from this member.
    takes: bool,
}

impl Answers {
    pub(crate) fn new(store: Store, key: Arc<NodeKey>, taker: Taker) -> Self {
        let (looking, allowances) = (Semaphore::new(LOOKING_MAX), Mutex::default());
        Self(Arc::new(Shared { store, key, taker, looking, allowances }))
    }

    /// Answers on a stream until it ends; says which rule its asker broke, if that is why.
    async fn serve(self, between: Between, stream: MemberStream) -> Option<&'static str> {
        let peer = between.peer;
        let (reader, writer) = stream.split();
        let (sends, waiting) = mpsc::channel(SENDS_MAX);
        let mut writing = pin!(write(peer, writer, waiting));
        let began = (clock::now(), Instant::now());
        let (wake_at, tasks, broke) = (began.1, Tasks::default(), None);
        let mut conversation = Conversation { answers: self, between, sends, began, wake_at, tasks, broke };
        let last_word = tokio::select! {
            last_word = conversation.run(reader) => last_word,
            () = &mut writing => return conversation.broke,
        };
        let broke = conversation.broke;
        // With it goes the sender, so that the writing comes to an end.
        drop(conversation);
        if last_word {
            writing.await;
        }
        broke
    }

    /// Finds out what is held, when the member's allowance says so and it is its turn.
    async fn look(self, between: Between, challenges: Vec<Challenge>) -> Result<Vec<Claim>, Unanswered> {
        let roots: Vec<Hash> = challenges.iter().map(|challenge| challenge.root).collect();
        let view = move |reader: &antiphon_store::Reader<'_>| roots.iter().map(|root| reader.blob(root)).collect();
        let views: Vec<Option<BlobView>> = self.0.store.read(view).await?;
        let wait = self.spend(between.peer, &challenges, &views);
        if wait > 0 {
            tracing::debug!(peer = %between.peer, wait, "a member asks for more than its share of reading");
            sleep(Duration::from_millis(wait)).await;
        }
        // Nobody closes it.
        let _turn = self.0.looking.acquire().await;
        let blobs = self.0.store.blobs();
        let roots: Vec<Hash> = challenges.iter().map(|challenge| challenge.root).collect();
        let claim = move |(challenge, view): (Challenge, Option<BlobView>)| claim(&blobs, &between, &challenge, view);
        let claims: Result<Vec<Claim>, Unanswered> =
            Tasks::compute(move || challenges.into_iter().zip(views).map(claim).collect()).await?;
        Ok(self.vouch(&roots, claims?).await)
    }

    /// Whoever gets a proof may drop its own copy for it, so nothing is proved that is about to be dropped here.
    async fn vouch(&self, roots: &[Hash], mut claims: Vec<Claim>) -> Vec<Claim> {
        let proofs: Vec<usize> =
            (0..claims.len()).filter(|at| matches!(claims.get(*at), Some(Claim::Whole { digest: Some(_) }))).collect();
        if proofs.is_empty() {
            return claims;
        }
        let asked = proofs.iter().filter_map(|at| roots.get(*at).copied()).collect();
        let given = self.0.taker.may_prove(asked).await;
        for (at, given) in proofs.into_iter().zip(given) {
            if let Some(claim) = claims.get_mut(at).filter(|_| !given) {
                *claim = Claim::Missing;
            }
        }
        claims
    }

    fn spend(&self, peer: NodeId, challenges: &[Challenge], views: &[Option<BlobView>]) -> u64 {
        let now = clock::now();
        let length = |view: &Option<BlobView>| view.as_ref().map_or(0, |view| view.length);
        let costs = challenges.iter().zip(views);
        let cost = costs.map(|(challenge, view)| Allowance::cost(challenge.blocks.len(), length(view))).sum();
        let mut allowances = self.0.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = allowances.entry(peer).or_insert_with(|| Allowance::new(now)).spend(cost, now);
        allowances.retain(|_, allowance| !allowance.is_full(now));
        wait
    }
}

/// What is true of one ciphertext now.
fn claim(blobs: &Blobs, between: &Between, challenge: &Challenge, view: Option<BlobView>) -> Result<Claim, Unanswered> {
    match view {
        Some(view) if view.damaged > 0 => return Ok(Claim::Damaged),
        Some(view) if view.is_complete() => {}
        _ => return Ok(Claim::Missing),
    }
    let mut failed = None;
    let (own, asker) = (&between.own, &between.peer);
    let claim = challenge.answer(&own.team, asker, &own.node, |n| {
        blobs.read_block(&challenge.root, n).map_err(|error| match error {
            error if error.is_damaged() => Claim::Damaged,
            error if error.is_missing() => Claim::Missing,
            // A block that the document does not have.
            BlobError::NoSuchBlock { .. } => Claim::Missing,
            error => {
                failed = Some(error);
                Claim::Missing
            }
        })
    });
    // What the disk would not say is not said to be missing.
    failed.map_or(Ok(claim), |error| Err(error.into()))
}

/// One stream.
struct Conversation {
    answers: Answers,
    between: Between,
    sends: mpsc::Sender<Message>,
    /// When it began, by the wall and by the clock that is never set.
    began: (UnixMillis, Instant),
    wake_at: Instant,
    /// What is being taken, as far as this side waits for it.
    tasks: Tasks,
    /// The rule that the asker broke.
    broke: Option<&'static str>,
}

impl Conversation {
    /// Hears questions and offers and answers them, until one side has enough; says whether it was this one.
    async fn run(&mut self, mut reader: MemberReader) -> bool {
        let (mut machine, first) = Answering::new(self.now());
        let mut outputs = vec![first];
        let mut looking: Looking = None;
        let (told, mut took) = mpsc::channel(TOOK_MAX);
        loop {
            for output in outputs {
                if let Output::Look(challenges) = output {
                    looking = Some(Box::pin(self.answers.clone().look(self.between.clone(), challenges)));
                } else if let Some(last_word) = self.act(output, &told).await {
                    return last_word;
                }
            }
            let input = tokio::select! {
                frame = reader.next() => match self.heard(frame) {
                    Some(message) => Some(Input::Message(message)),
                    None => return false,
                },
                looked = look(&mut looking) => {
                    looking = None;
                    Some(looked.map_or_else(unlooked, Input::Looked))
                }
                // This side holds a sender itself, so the channel never ends.
                Some((id, outcome)) = took.recv() => Some(Input::Took { id, outcome }),
                () = sleep_until(self.wake_at) => Some(Input::Wake),
                () = self.tasks.reap() => None,
            };
            outputs = input.map_or_else(Vec::new, |input| machine.handle(input, self.now()));
        }
    }

    fn heard(&mut self, frame: Result<Option<Vec<u8>>, antiphon_net::stream::Error>) -> Option<Message> {
        let peer = self.between.peer;
        match frame.as_ref().map(|frame| frame.as_deref().map(Message::decode)) {
            Ok(Some(Ok(message))) => return Some(message),
            Ok(Some(Err(error))) => {
                tracing::warn!(%peer, %error, "a question about copies that cannot be read");
                self.broke = Some("a question that cannot be read");
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%peer, %error, "a stream about copies ended"),
        }
        None
    }

    /// Does what the machine says; when it is over, says whether there is a last word to send.
    async fn act(&mut self, output: Output, told: &mpsc::Sender<(u64, Outcome)>) -> Option<bool> {
        let peer = self.between.peer;
        match output {
            Output::Answer { id, nonce, claims } => match self.sign(nonce, claims).await {
                Ok(receipt) => return self.send(Message::Answer { id, receipt }).await,
                Err(error) => {
                    tracing::error!(%error, "what is held could not be signed");
                    return Some(false);
                }
            },
            Output::Take { id, .. } if !self.between.takes => self.tell(told, id, Outcome::NotOffered),
            Output::Take { id, offer } => {
                let (taker, told) = (self.answers.0.taker.clone(), told.clone());
                self.tasks.spawn(async move {
                    let outcome = taker.take(peer, offer).await;
                    // Only a conversation that is over does not want to know.
                    let _ = told.send((id, outcome)).await;
                });
            }
            Output::Send(message) => return self.send(message).await,
            Output::WakeAt(at) => self.wake_at = self.began.1 + Duration::from_millis(at.since(self.began.0)),
            Output::Close(closed) => {
                tracing::debug!(%peer, %closed, "a member asks no more about copies");
                if let Closed::Violation(rule) = closed {
                    self.broke = Some(rule);
                }
                // One that has more to say than is heard would not notice an end in order.
                return Some(!matches!(closed, Closed::Bye | Closed::Violation(_)));
            }
            Output::Look(_) => {}
        }
        None
    }

    fn tell(&mut self, told: &mpsc::Sender<(u64, Outcome)>, id: u64, outcome: Outcome) {
        let told = told.clone();
        // Only a conversation that is over does not want to know.
        self.tasks.spawn(async move {
            let _ = told.send((id, outcome)).await;
        });
    }

    async fn send(&self, message: Message) -> Option<bool> {
        self.sends.send(message).await.is_err().then_some(false)
    }

    /// Signs what was found, as the store that this node has now.
    async fn sign(&self, nonce: Nonce, claims: Vec<(Hash, Claim)>) -> Result<PossessionReceipt, StoreError> {
        let own = self.answers.0.store.read(|reader| reader.own()).await?.ok_or(StoreError::NoTeam)?;
        let Own { node: holder, store, .. } = own;
        let (team, asker) = (self.between.own.team, self.between.peer);
        let possession = Possession { team, holder, store, asker, at: clock::now(), nonce, claims };
        Ok(possession.sign(&*self.answers.0.key))
    }

    fn now(&self) -> UnixMillis {
        let passed = u64::try_from(self.began.1.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.began.0.after(passed)
    }
}

/// Waits for what is being looked up; for ever if there is nothing.
async fn look(looking: &mut Looking) -> Result<Vec<Claim>, Unanswered> {
    match looking {
        Some(looking) => looking.await,
        None => std::future::pending().await,
    }
}

fn unlooked(error: Unanswered) -> Input {
    tracing::error!(%error, "it could not be found out what is held");
    Input::Close
}

impl Engine {
    /// A member opened a stream to ask about copies, and to offer some.
    pub(crate) fn on_replication(&mut self, peer: NodeId, stream: MemberStream) {
        if self.team.check(&peer, clock::now()).is_err() {
            return tracing::debug!(%peer, "somebody who is no member asks about copies");
        }
        let mode = self.mode_with(&peer);
        if !mode.sends {
            return tracing::debug!(%peer, "nothing is sent to this peer, and nothing said about copies");
        }
        let between = Between { own: self.team.own.clone(), peer, takes: mode.takes };
        let (answering, inputs) = (self.answers.clone().serve(between, stream), self.inputs.clone());
        self.tasks.spawn(async move {
            if let Some(rule) = answering.await {
                // Only a stopping node does not want to know.
                let _ = inputs.send(News::Refused(audit::broke_a_rule(audit::COPIES, peer, rule))).await;
            }
        });
    }
}
