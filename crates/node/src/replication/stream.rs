//! The conversations in which this node asks and offers: one task for each member, with a stream while there is something
//! to say.
//!
//! The machine of `antiphon_protocol::replication::asking` says what goes out and what is believed. Several who ask the
//! same member share its stream; it is closed when nothing was said for a while, and opened again by the next order.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::time::Duration;

use antiphon_core::ids::NodeId;
use antiphon_core::possession::Nonce;
use antiphon_core::time::UnixMillis;
use antiphon_net::{MemberReader, MemberWriter, NetHandle, StreamKind};
use antiphon_protocol::reason::Reason;
use antiphon_protocol::replication::asking::{Answered, Closed, Input, Output, Unanswered};
use antiphon_protocol::replication::{About, Asking, Message, Offer, Outcome};
use antiphon_store::Store;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock;
use crate::reasons;
use crate::tasks::Tasks;

/// Most orders that wait for the network, for all members together.
pub(super) const ORDERS_MAX: usize = 256;
/// Most orders that wait for one member's conversation.
const ORDERS_PER_MEMBER_MAX: usize = 64;
/// Most messages that wait to be sent to one member; no more can be under way.
const SENDS_MAX: usize = 64;
/// How long a member may take nothing of what is sent.
pub(super) const TAKES_NOTHING: Duration = Duration::from_secs(30);

/// Something to say to a member.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) what: What,
    /// Told what came of it.
    pub(super) reply: oneshot::Sender<Told>,
}

/// What is said.
#[derive(Debug)]
pub(super) enum What {
    Ask { nonce: Nonce, about: Vec<About> },
    Offer(Offer),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Told {
    /// An ask was answered by a statement that is right in all but what only blocks can tell.
    Answered(Box<Answered>),
    /// An offer was settled, or an ask refused.
    Settled(Outcome),
    /// The answer was false.
    False,
    /// Nothing came.
    Failed(Reason),
}

impl Order {
    fn fail(self, reason: Reason) {
        // Whoever asked and has gone does not need the answer.
        let _ = self.reply.send(Told::Failed(reason));
    }
}

/// Hands orders to the conversation with their member, and begins one where there is none.
pub(crate) struct Hub {
    net: NetHandle,
    store: Store,
    orders: mpsc::Receiver<(NodeId, Order)>,
    conversations: BTreeMap<NodeId, mpsc::Sender<Order>>,
    tasks: Tasks,
}

impl Hub {
    pub(super) fn new(net: NetHandle, store: Store, orders: mpsc::Receiver<(NodeId, Order)>) -> Self {
        Self { net, store, orders, conversations: BTreeMap::new(), tasks: Tasks::default() }
    }

    /// Runs until nobody asks any more.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some((peer, order)) => self.hand_on(peer, order),
                    None => return,
                },
                () = self.tasks.reap() => self.conversations.retain(|_, orders| !orders.is_closed()),
            }
        }
    }

    fn hand_on(&mut self, peer: NodeId, order: Order) {
        let (net, store, tasks) = (&self.net, &self.store, &mut self.tasks);
        let orders = self.conversations.entry(peer).or_insert_with(|| {
            let (orders, waiting) = mpsc::channel(ORDERS_PER_MEMBER_MAX);
            tasks.spawn(converse(net.clone(), store.clone(), peer, waiting));
            orders
        });
        if let Err(mpsc::error::TrySendError::Full(order) | mpsc::error::TrySendError::Closed(order)) =
            orders.try_send(order)
        {
            tracing::debug!(%peer, "more is to be asked of a member than it answers");
            order.fail(Reason::Quota);
        }
    }
}

/// Waits for something to say to a member, and says it, over one stream after the other.
async fn converse(net: NetHandle, store: Store, peer: NodeId, mut orders: mpsc::Receiver<Order>) {
    while let Some(first) = orders.recv().await {
        match open(&net, &store, peer).await {
            Ok((talk, reader, writer)) => talk.run(first, &mut orders, reader, writer).await,
            Err(reason) => {
                // Whatever waits fails with it: each for itself would wait for as long as the first.
                first.fail(reason);
                while let Ok(order) = orders.try_recv() {
                    order.fail(reason);
                }
            }
        }
    }
}

async fn open(net: &NetHandle, store: &Store, peer: NodeId) -> Result<(Talk, MemberReader, MemberWriter), Reason> {
    let own = match store.read(|reader| reader.own()).await {
        Ok(own) => own.ok_or(Reason::Other)?,
        Err(error) => {
            tracing::warn!(%error, "nobody is asked for copies, the team could not be read");
            return Err(Reason::Other);
        }
    };
    let stream = net.open_stream(peer, StreamKind::Replication).await.map_err(|error| {
        tracing::debug!(%peer, %error, "no stream to ask about copies");
        match error {
            antiphon_net::Error::NotConnected { .. } => Reason::NetworkTimeout,
            antiphon_net::Error::NotOpen { .. } | antiphon_net::Error::NotOffered { .. } => Reason::Auth,
            error => reasons::of_net(&error),
        }
    })?;
    let began = (clock::now(), Instant::now());
    let (machine, first) = Asking::new(own.team, own.node, peer, began.0);
    let mut talk = Talk { peer, machine, replies: BTreeMap::new(), ids: 0, wake_at: began.1, began };
    talk.wake(&first);
    let (reader, writer) = stream.split();
    Ok((talk, reader, writer))
}

/// A conversation over one stream.
struct Talk {
    peer: NodeId,
    machine: Asking,
    /// Who waits for what.
    replies: BTreeMap<u64, oneshot::Sender<Told>>,
    ids: u64,
    wake_at: Instant,
    /// When it began, by the wall and by the clock that is never set.
    began: (UnixMillis, Instant),
}

impl Talk {
    /// Says everything there is to say, until nothing was said for a while or the stream ends.
    async fn run(
        mut self,
        first: Order,
        orders: &mut mpsc::Receiver<Order>,
        mut reader: MemberReader,
        writer: MemberWriter,
    ) {
        let (sends, waiting) = mpsc::channel(SENDS_MAX);
        let mut writing: Pin<&mut _> = pin!(write(self.peer, writer, waiting));
        let mut input = self.input_of(first);
        let closed = loop {
            if let Some(closed) = self.drive(input, &sends) {
                break closed;
            }
            input = tokio::select! {
                frame = reader.next() => self.heard(frame),
                Some(order) = orders.recv(), if self.machine.has_room() => self.input_of(order),
                () = sleep_until(self.wake_at) => Input::Wake,
                () = &mut writing => {
                    let _closed = self.drive(Input::Close, &sends);
                    return;
                }
            };
        };
        tracing::debug!(peer = %self.peer, %closed, "a conversation about copies is over");
        drop(sends);
        // One that breaks rules may have more to say than is heard, and would not notice an end in order.
        if matches!(closed, Closed::Idle(_)) {
            writing.await;
        }
    }

    fn heard(&self, frame: Result<Option<Vec<u8>>, antiphon_net::stream::Error>) -> Input {
        let peer = self.peer;
        match frame.as_ref().map(|frame| frame.as_deref().map(Message::decode)) {
            Ok(Some(Ok(message))) => return Input::Message(message),
            Ok(Some(Err(error))) => tracing::warn!(%peer, %error, "an answer about copies that cannot be read"),
            Ok(None) => {}
            Err(error) => tracing::debug!(%peer, %error, "a stream about copies ended"),
        }
        Input::Close
    }

    fn input_of(&mut self, Order { what, reply }: Order) -> Input {
        self.ids += 1;
        self.replies.insert(self.ids, reply);
        match what {
            What::Ask { nonce, about } => Input::Ask { id: self.ids, nonce, about },
            What::Offer(offer) => Input::Offer { id: self.ids, offer },
        }
    }

    /// Tells the machine what happened and does what it says; why it is over, if it is.
    fn drive(&mut self, input: Input, sends: &mpsc::Sender<Message>) -> Option<Closed> {
        let passed = u64::try_from(self.began.1.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut over = None;
        for output in self.machine.handle(input, self.began.0.after(passed)) {
            self.wake(&output);
            match output {
                Output::Send(message) => {
                    if sends.try_send(message).is_err() && over.is_none() {
                        // It takes nothing any more, and there is no other way to tell it.
                        over = self.drive(Input::Close, sends);
                    }
                }
                Output::Answered(answered) => self.tell(answered.id, Told::Answered(Box::new(answered))),
                Output::Settled { id, outcome } => self.tell(id, Told::Settled(outcome)),
                Output::Failed { id, why } => {
                    tracing::debug!(peer = %self.peer, %why, "nothing came of what was asked about copies");
                    self.tell(id, told(why));
                }
                Output::WakeAt(_) => {}
                Output::Close(closed) => over = Some(closed),
            }
        }
        over
    }

    fn wake(&mut self, output: &Output) {
        if let Output::WakeAt(at) = output {
            self.wake_at = self.began.1 + Duration::from_millis(at.since(self.began.0));
        }
    }

    fn tell(&mut self, id: u64, told: Told) {
        if let Some(reply) = self.replies.remove(&id) {
            // Whoever asked and has gone does not need the answer.
            let _ = reply.send(told);
        }
    }
}

fn told(why: Unanswered) -> Told {
    match why {
        Unanswered::False(_) => Told::False,
        Unanswered::Silent(_) => Told::Failed(Reason::NetworkTimeout),
        Unanswered::Ended => Told::Failed(Reason::NetworkEof),
        Unanswered::NotSent(_) => Told::Failed(Reason::Other),
    }
}

/// Sends what there is to send.
pub(super) async fn write(peer: NodeId, mut writer: MemberWriter, mut waiting: mpsc::Receiver<Message>) {
    while let Some(message) = waiting.recv().await {
        match timeout(TAKES_NOTHING, writer.send(&message.encode())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "a stream about copies ended while it was written"),
            Err(_) => return tracing::debug!(%peer, "a member takes nothing of what it is told about copies"),
        }
    }
    if let Ok(Err(error)) = timeout(TAKES_NOTHING, writer.close()).await {
        tracing::debug!(%peer, %error, "a stream about copies could not be closed in order");
    }
}
