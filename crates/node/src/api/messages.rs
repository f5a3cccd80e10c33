//! What goes in and out for messages between agents.

use antiphon_core::ids::NodeId;
use antiphon_core::letter::Reference;
use antiphon_store::{Delivery, MessageCounts, MessageView, ReceiverView};

/// For whom a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressee {
    /// A member: its name, its id, or the beginning of it.
    Peer(String),
    /// Every member of a role but this node.
    Role(String),
    /// Whoever wrote the message that this one answers; or, if that was this node, everyone it went to.
    Back,
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageDraft {
    /// For whom.
    pub to: Addressee,
    /// What it says.
    pub text: String,
    /// What it points to.
    pub refs: Vec<Reference>,
    /// The message that it answers: its id or the beginning of it.
    pub reply_to: Option<String>,
    /// The agent that writes it.
    pub agent: Option<String>,
    /// Names the message: writing it again within a day sends nothing, also after a restart.
    pub key: Option<String>,
}

/// Which messages are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InboxQuery {
    /// Those that this node wrote, instead of those that came.
    pub sent: bool,
    /// Only those that came and were not read.
    pub unread: bool,
    /// Only those of the conversation of this message, written here or elsewhere.
    pub thread: Option<String>,
    /// Only those with all of these words; of a conversation, or of what came, or of what was sent.
    pub words: Option<String>,
    /// Only those before this number.
    pub before: Option<u64>,
    /// Only those after this number.
    pub after: Option<u64>,
    /// Most messages to give.
    pub limit: usize,
}

/// A message, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageShown {
    /// The message.
    pub message: MessageView,
    /// Name of its writer, empty when it is not known.
    pub from_name: String,
    /// Its receivers with their names; of one that this node wrote.
    pub receivers: Vec<(ReceiverView, String)>,
}

impl MessageShown {
    /// How far it has come with those that are behind: the least of its receivers; none for one that came.
    pub fn delivery(&self) -> Option<&Delivery> {
        let rank = |delivery: &Delivery| match delivery {
            Delivery::Refused(_) | Delivery::Broken(_) => 0,
            Delivery::Dropped => 1,
            Delivery::Queued => 2,
            Delivery::Sent => 3,
            Delivery::Delivered => 4,
            Delivery::Read => 5,
        };
        self.receivers.iter().map(|(receiver, _)| &receiver.state).min_by_key(|delivery| rank(delivery))
    }
}

/// Some messages, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inbox {
    /// The messages.
    pub messages: Vec<MessageShown>,
    /// Whether there are more, older ones; or newer ones, if those after a number were asked for.
    pub more: bool,
    /// How many there are in all.
    pub counts: MessageCounts,
}

/// To whom a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receivers {
    pub(crate) nodes: Vec<NodeId>,
    /// The role that was named.
    pub(crate) role: Option<String>,
}
