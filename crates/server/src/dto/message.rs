//! Messages between agents: as they are sent, listed and shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A message to be sent: to a member, to everybody of a role, or as an answer to whoever wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewMessageDto {
    /// A member: its name, its peer id, or the beginning of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// A role instead: every member of it but this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What it says.
    pub text: String,
    /// What it points to: ids of facts, or the beginnings of ids, and `ucxl://` addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<String>,
    /// The message that it answers; then `to` and `role` may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// The agent's name, which the receivers see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Write control and bidirectional characters in their visible form instead of refusing them.
    #[serde(skip_serializing_if = "is_false")]
    pub escape: bool,
    /// Names the write: doing it again within a day sends nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// Which messages are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MessageFilterDto {
    /// `true`: those that this node wrote, instead of those that came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<bool>,
    /// `true`: only those that came and were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<bool>,
    /// Only those of the conversation that this message is part of, whoever wrote them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Only those with all of these words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Only those with a smaller number: the `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Only those with a larger number, the oldest of them: for whoever follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Most messages to list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Where there are none yet: wait so many milliseconds for one to come, at most 25,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MessageDto {
    /// Its id, the same on every node.
    pub id: String,
    /// Its number on this node, which grows with every message.
    pub number: u64,
    /// Id of the message that began the conversation.
    pub thread: String,
    /// Id of the message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Peer id of its writer.
    pub from: String,
    /// The writer's name, empty when it is not known.
    pub from_name: String,
    /// Whether this node wrote it.
    pub sent: bool,
    /// The role that it was sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The agent that wrote it, as the writer's node says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// When it was written, by its writer's clock.
    pub at: String,
    /// When it came here, or was put into the outbox.
    pub came_at: String,
    /// Whether it was read here; of one that came.
    pub read: bool,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<String>,
    /// What it says; missing when it does not open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What it points to: ids of facts and addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<String>,
    /// How far it has come with the receiver that is furthest behind: `queued`, `delivered`, `read`; or `refused`,
    /// `broken`, `dropped`, or `sent` where that is not known. Of one that this node wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// Its receivers; of one that this node wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<MessageReceiverDto>,
}

/// How far a message has come with one of its receivers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MessageReceiverDto {
    /// Peer id.
    pub peer_id: String,
    /// Its name, empty when it is not known.
    pub name: String,
    /// How far it has come, as in `delivery`.
    pub state: String,
    /// Stable name of why it does not go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its item of the outbox, for `antiphon outbox`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u64>,
    /// When it was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<String>,
    /// When it was read, by the receiver's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<String>,
}

/// Some messages, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MessagesDto {
    /// The messages.
    pub messages: Vec<MessageDto>,
    /// The `before` of the next page, which has older ones; or the `after`, where newer ones were asked for. Missing
    /// when there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// How many came, in all.
    pub received: u64,
    /// How many of those were not read.
    pub unread: u64,
    /// How many this node wrote, in all.
    pub sent: u64,
}

/// Which messages are marked as read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MarkReadDto {
    /// Ids, or the beginnings of ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// All of them instead, the oldest first.
    #[serde(skip_serializing_if = "is_false")]
    pub all: bool,
}

/// Which messages are deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteMessagesDto {
    /// Ids, or the beginnings of ids.
    pub ids: Vec<String>,
}

/// What became of messages that were to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DeletedMessagesDto {
    /// Ids of those that are gone from this node.
    pub deleted: Vec<String>,
    /// Ids of those that stayed, since they still wait for a receiver.
    pub waiting: Vec<String>,
}

/// Messages that were not read before and are now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MarkedDto {
    /// Their ids.
    pub read: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}
