//! The streams of a transfer: one task for each provider, which opens, reads and writes.

use antiphon_core::ids::NodeId;
use antiphon_net::{MemberReader, MemberWriter, NetHandle, StreamKind};
use antiphon_protocol::blocks::Message;
use antiphon_protocol::reason::Reason;
use tokio::sync::mpsc;

use crate::reasons;

/// Most messages that wait to be sent to a provider; requests are few and short.
pub(super) const SENDS_MAX: usize = 64;

/// What came of a stream.
#[derive(Debug)]
pub(super) enum Heard {
    /// It stands.
    Opened,
    /// The provider said this.
    Message(Message),
    /// What it said cannot be read.
    Unreadable,
    /// The stream ended, or could not be opened.
    Closed(Reason),
    /// The node is stopping.
    Stopped,
}

/// News of a stream; those of one that was given up are of no interest.
#[derive(Debug)]
pub(super) struct News {
    pub(super) node: NodeId,
    pub(super) epoch: u64,
    pub(super) heard: Heard,
}

/// How a stream tells what came of it.
pub(super) struct Teller {
    pub(super) node: NodeId,
    pub(super) epoch: u64,
    pub(super) news: mpsc::Sender<News>,
}

impl Teller {
    /// Says whether anybody listens.
    async fn tell(&self, heard: Heard) -> bool {
        self.news.send(News { node: self.node, epoch: self.epoch, heard }).await.is_ok()
    }
}

/// Opens a stream and keeps it until nobody wants to send any more, or the provider ends it.
pub(super) async fn converse(net: NetHandle, teller: Teller, sends: mpsc::Receiver<Message>) {
    let (reader, writer) = match net.open_stream(teller.node, StreamKind::Blocks).await {
        Ok(stream) => stream.split(),
        Err(error) => {
            tracing::debug!(peer = %teller.node, %error, "no stream for blocks");
            let stopped = matches!(error, antiphon_net::Error::Stopped);
            let heard = if stopped { Heard::Stopped } else { Heard::Closed(reason_of(&error)) };
            teller.tell(heard).await;
            return;
        }
    };
    if !teller.tell(Heard::Opened).await {
        return;
    }
    tokio::select! {
        () = write(writer, sends) => {}
        heard = read(reader, &teller) => {
            teller.tell(heard).await;
        }
    }
}

/// Why there is no stream. A member that is away is one that does not answer.
fn reason_of(error: &antiphon_net::Error) -> Reason {
    match error {
        antiphon_net::Error::NotConnected { .. } => Reason::NetworkTimeout,
        antiphon_net::Error::NotOpen { .. } | antiphon_net::Error::NotOffered { .. } => Reason::Auth,
        error => reasons::of_net(error),
    }
}

/// Reads until the end, and says how it came to it.
async fn read(mut reader: MemberReader, teller: &Teller) -> Heard {
    loop {
        match reader.next().await {
            Ok(Some(frame)) => match Message::decode(&frame) {
                Ok(message) => {
                    if !teller.tell(Heard::Message(message)).await {
                        return Heard::Closed(Reason::Other);
                    }
                }
                Err(error) => {
                    tracing::warn!(peer = %teller.node, %error, "a message about blocks cannot be read");
                    return Heard::Unreadable;
                }
            },
            Ok(None) => return Heard::Closed(Reason::NetworkEof),
            Err(error) => return Heard::Closed(reasons::of_network(error.reason())),
        }
    }
}

/// Sends until nobody wants to any more. When it cannot, the reading side sees the same end and reports it.
async fn write(mut writer: MemberWriter, mut sends: mpsc::Receiver<Message>) {
    let mut said_bye = false;
    while let Some(message) = sends.recv().await {
        said_bye = message == Message::Bye;
        if let Err(error) = writer.send(&message.encode()).await {
            tracing::debug!(%error, "a stream of blocks ended while it was written");
            return std::future::pending().await;
        }
    }
    // A provider that was given up may be about to send for a long time; dropping the stream tells it at once, while one
    // that is closed in order would leave it waiting for room.
    if said_bye && let Err(error) = writer.close().await {
        tracing::debug!(%error, "a stream of blocks could not be closed in order");
    }
}
