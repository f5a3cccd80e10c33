//! What the agents on one machine do: a bit of everything, one thing after the other, until it is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use antiphon_server::client::{Client, ClientError};
use antiphon_server::dto::{
    ActorDto, ContentAskDto, EditDto, NewContentDto, NewFactDto, NewMessageDto, RecallRequestDto,
};
use antiphon_server::error::Code;

use super::ROLE;
use super::ledger::Ledger;
use crate::corpus::{self, Random};

/// Addresses that documents of one machine are stored under, over and over.
const ADDRESSES: u64 = 100;
/// Most bytes of a document.
const DOCUMENT_MAX: u64 = 64 * 1024;
/// Time until a daemon that did not answer is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// How fast things are done, and until when.
#[derive(Clone)]
pub struct Span {
    /// Time from the beginning of one thing to that of the next.
    pub pace: Duration,
    /// From then on documents are read and no more are stored.
    pub documents_until: Instant,
    /// Whether the load has ended.
    pub over: Arc<AtomicBool>,
}

struct Agents {
    span: Span,
    client: Client,
    others: Vec<String>,
    random: Random,
    ledger: Ledger,
    /// Numbers what is written, so that no two texts are equal.
    number: u64,
}

/// Does things until it is over, and says what came of them.
pub async fn run(client: Client, name: String, others: Vec<String>, seed: u64, span: Span) -> Ledger {
    let ledger = Ledger { name, ..Ledger::default() };
    let mut agents = Agents { span, client, others, random: Random(seed), ledger, number: 0 };
    while !agents.span.over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        agents.one().await;
        tokio::time::sleep(agents.span.pace.saturating_sub(begun.elapsed())).await;
    }
    agents.ledger
}

impl Agents {
    async fn one(&mut self) {
        self.number += 1;
        match self.random.below(100) {
            0..40 => self.remember().await,
            40..55 => self.edit().await,
            55..58 => self.forget().await,
            58..83 => self.recall().await,
            83..90 => self.message().await,
            90..95 if Instant::now() < self.span.documents_until => self.store().await,
            _ => self.read().await,
        }
    }

    /// Takes an answer, or notes why there is none.
    fn answer<T>(&mut self, what: &'static str, answer: Result<T, ClientError>) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.ledger.count(what);
                Some(answer)
            }
            Err(ClientError::Problem(problem)) if problem.code != Code::Busy => {
                self.ledger.refused.push(format!("{what}: {problem}"));
                None
            }
            Err(_) => {
                self.ledger.unanswered += 1;
                None
            }
        }
    }

    async fn remember(&mut self) {
        let text = format!("{} {} of {}", corpus::text(&mut self.random, 200), self.number, self.ledger.name);
        let key = format!("{}-{}", self.ledger.name, self.number);
        let fact = NewFactDto { content: text.clone(), idempotency_key: Some(key), ..NewFactDto::default() };
        // Said again until it is answered: the key sees to it that it is written once.
        loop {
            let answer = self.client.remember(&fact).await;
            let again = !was_refused(&answer);
            if let Some(written) = self.answer("remember", answer) {
                self.ledger.facts.insert(written.id, vec![Some(text)]);
                return;
            }
            if !again {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// One of the facts whose text is known for sure.
    fn fact(&mut self) -> Option<(String, String)> {
        let at = self.random.below(self.ledger.facts.len().max(1) as u64) as usize;
        let (id, texts) = self.ledger.facts.iter().nth(at)?;
        match texts.as_slice() {
            [Some(text)] => Some((id.clone(), text.clone())),
            _ => None,
        }
    }

    async fn edit(&mut self) {
        let Some((id, before)) = self.fact() else { return };
        let text = format!("{} {} of {}", corpus::text(&mut self.random, 200), self.number, self.ledger.name);
        let edit = EditDto { content: Some(text.clone()), ..EditDto::default() };
        let answer = self.client.edit(&id, &edit).await;
        let texts = match self.answer("edit", answer) {
            Some(_) => vec![Some(text)],
            None => vec![Some(before), Some(text)],
        };
        self.ledger.facts.insert(id, texts);
    }

    async fn forget(&mut self) {
        let Some((id, before)) = self.fact() else { return };
        let answer = self.client.forget(&id, &ActorDto::default()).await;
        let texts = match self.answer("forget", answer) {
            Some(_) => vec![None],
            None => vec![Some(before), None],
        };
        self.ledger.facts.insert(id, texts);
    }

    async fn recall(&mut self) {
        let request = RecallRequestDto { query: corpus::question(&mut self.random), ..RecallRequestDto::default() };
        let begun = Instant::now();
        let answer = self.client.recall(&request).await;
        if self.answer("recall", answer).is_some() {
            self.ledger.recalls.push(begun.elapsed());
        }
    }

    async fn message(&mut self) {
        let to = self.others[self.random.below(self.others.len() as u64) as usize].clone();
        let text = format!("{} {} from {}", corpus::text(&mut self.random, 80), self.number, self.ledger.name);
        let message = NewMessageDto { to: Some(to.clone()), text: text.clone(), ..NewMessageDto::default() };
        let answer = self.client.send_message(&message).await;
        if self.answer("message", answer).is_some() {
            self.ledger.messages.push((to, text));
        }
    }

    async fn store(&mut self) {
        let place = self.random.below(ADDRESSES);
        let address = format!("ucxl://{}/{ROLE}/soak/load/document-{place}", self.ledger.name);
        let length = 1 + self.random.below(DOCUMENT_MAX);
        let bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| self.random.next().to_le_bytes()).collect();
        let new = NewContentDto { address: address.clone(), role: ROLE.to_owned(), ..NewContentDto::default() };
        let answer = self.client.put_content(&new, bytes.as_slice(), |_| ()).await;
        let refused = was_refused(&answer);
        let stored = self.answer("document stored", answer).is_some();
        let may = self.ledger.documents.entry(address).or_insert_with(|| vec![None]);
        if stored {
            may.clear();
        }
        if !refused {
            may.push(Some(bytes));
        }
    }

    async fn read(&mut self) {
        let place = self.random.below(ADDRESSES);
        let address = format!("ucxl://{}/{ROLE}/soak/load/document-{place}", self.ledger.name);
        let known = self.ledger.documents.get(&address).cloned();
        let Some([Some(kept)]) = known.as_deref() else { return };
        let mut bytes = Vec::new();
        let ask = ContentAskDto { address: address.clone(), ..ContentAskDto::default() };
        let answer = self.client.get_content(&ask, &mut bytes, |_| (), |_| ()).await;
        if self.answer("document read", answer).is_some() && *kept != bytes {
            self.ledger.refused.push(format!("{address} came back with other bytes"));
        }
    }
}

/// Whether a daemon would not do something, rather than be away or about to go.
fn was_refused<T>(answer: &Result<T, ClientError>) -> bool {
    matches!(answer, Err(ClientError::Problem(problem)) if problem.code != Code::Busy)
}

/// What was done on all machines, added up.
pub fn totals(ledgers: &[Ledger]) -> BTreeMap<&'static str, u64> {
    let mut sums = BTreeMap::new();
    for (what, count) in ledgers.iter().flat_map(|ledger| &ledger.done) {
        *sums.entry(*what).or_default() += count;
    }
    sums
}
