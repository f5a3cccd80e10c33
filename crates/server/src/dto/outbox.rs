//! What waits for peers, and what became of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ReasonDto;

/// What waits for one peer, in short.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OutboxWaitDto {
    /// The peer.
    pub peer_id: String,
    /// Its name, empty when it is not known.
    pub name: String,
    /// Items that are to be delivered to it.
    pub pending: u64,
    /// When it is tried next; null while it is tried, or when it must come by itself.
    pub next_try: Option<String>,
}

/// What waits for whom, in short.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OutboxDto {
    /// Items that are to be delivered.
    pub pending: u64,
    /// Items that were refused or are damaged, and wait for a person.
    #[serde(default)]
    pub stuck: u64,
    /// The peers that something is to be delivered to.
    #[serde(default)]
    pub peers: Vec<OutboxWaitDto>,
}

/// One item of the outbox. What cannot be read of a damaged one is empty or `unknown`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OutboxItemDto {
    /// By what it is named: a number, with `m` before it where the item is kept in memory alone.
    pub id: String,
    /// For whom it is.
    pub peer_id: String,
    /// That node's name, empty when it is not known.
    pub name: String,
    /// What kind of request it is, as `antiphon outbox levels` lists them.
    pub protocol: String,
    /// `critical` or `moderate`.
    pub level: String,
    /// Version of the request's form.
    pub schema: Option<u16>,
    /// What it is about, in hex: of two items with one subject for one peer the first arrives first.
    pub subject: String,
    /// `waiting`, `under_way`, `refused`, `damaged` or `abandoned`.
    pub state: String,
    /// Why it was refused, given up or set aside, or why its peer was not reached last.
    pub reason: Option<ReasonDto>,
    /// When it was put here.
    pub at: String,
    /// Bytes of the request.
    pub bytes: u64,
    /// Its place in what waits for its peer at its level, from 1; null when it does not wait.
    pub position: Option<u64>,
    /// How often it was tried in vain.
    pub tries: u32,
    /// When it is tried next.
    pub next_try: Option<String>,
}

/// A page of the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OutboxItemsDto {
    /// In the order in which they were put here: what is on disk before what is in memory.
    pub items: Vec<OutboxItemDto>,
    /// What to pass as `after` for the next page; null on the last.
    pub next: Option<String>,
}

/// Which items are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutboxFilterDto {
    /// Only those for this peer: its name, its id, or the beginning of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Only those of this level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Most items; 100 if it is not given, at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Only those after this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What to try again now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutboxRetryDto {
    /// One item; everything that waits if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// What a retry did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OutboxRetriedDto {
    /// Items that wait again after they had been refused, damaged or given up.
    pub put_back: u64,
    /// Peers that are tried now.
    pub peers: u64,
}

/// What was counted since the node started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OutboxCountersDto {
    /// Items that were put into the outbox.
    pub enqueued: u64,
    /// Bytes of their bodies.
    pub enqueued_bytes: u64,
    /// Items that their receivers took.
    pub delivered: u64,
    /// Bytes of their bodies.
    pub delivered_bytes: u64,
    /// Items whose place a newer one took.
    pub merged: u64,
    /// Items that a receiver, or the charter, refused for good.
    pub refused: u64,
    /// Moderate items that were given up.
    pub abandoned: u64,
    /// Items that a person dropped.
    pub dropped: u64,
    /// Items that did not open.
    pub set_aside: u64,
    /// Answers of receivers that could take nothing more.
    pub busy: u64,
    /// Items that found no room.
    pub full: u64,
}

/// How much may wait.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OutboxBoundsDto {
    /// Items for one peer.
    pub items_per_peer: u64,
    /// Bytes for one peer.
    pub bytes_per_peer: u64,
    /// Bytes in all.
    pub bytes_in_all: u64,
}

/// What waits for one peer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OutboxPeerDto {
    /// The peer.
    pub peer_id: String,
    /// Its name, empty when it is not known.
    pub name: String,
    /// Items that are to be delivered to it.
    pub pending: u64,
    /// Items for it that were refused or are damaged, and wait for a person.
    pub stuck: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// How often it was tried in vain.
    pub tries: u32,
    /// When it is tried next.
    pub next_try: Option<String>,
    /// Why the last attempt failed.
    pub reason: Option<ReasonDto>,
    /// When it last took something.
    pub delivered_at: Option<String>,
}

/// The database of one side turned out to be an older copy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OutboxRestoredDto {
    /// With whom.
    pub peer_id: String,
    /// Its name, empty when it is not known.
    pub name: String,
    /// What was found: `own_sent`, `own_taken` or `peer_taken`; with what to do about it.
    pub reason: ReasonDto,
    /// Whether something was lost by it.
    pub lost: bool,
    /// When it was noticed last.
    pub at: String,
}

/// The outbox in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OutboxStatsDto {
    /// Items that are to be delivered.
    pub pending: u64,
    /// Bytes of everything that is kept.
    pub bytes: u64,
    /// Items that were refused, and stay until a person drops or retries them.
    pub refused: u64,
    /// Items that do not open.
    pub damaged: u64,
    /// Moderate items that were given up and not dropped yet.
    pub abandoned: u64,
    /// How much may wait.
    pub bounds: OutboxBoundsDto,
    /// Every peer that something waits or waited for.
    pub peers: Vec<OutboxPeerDto>,
    /// What was counted since the node started.
    pub counters: OutboxCountersDto,
    /// Older copies that were noticed since the node started, on this side or the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restored: Vec<OutboxRestoredDto>,
}

/// One kind of request, and whether it waits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OutboxLevelDto {
    /// Its name.
    pub protocol: String,
    /// How much it matters on this node: `critical`, `moderate` or `none`.
    pub level: String,
    /// How much it matters unless somebody says otherwise.
    pub usual: String,
    /// How often it is tried again; null without end.
    pub retries: Option<u32>,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether a newer one about the same subject takes the place of one that waits.
    pub merges: bool,
    /// What it is, for people.
    pub what: String,
}

/// Every kind of request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OutboxLevelsDto {
    /// In the order of the table. What is not in here is never queued.
    pub levels: Vec<OutboxLevelDto>,
}
