//! Who has signed that it holds what, and whether this machine can be wiped.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one member has signed about one fact.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FactHoldingDto {
    /// The member.
    pub peer_id: String,
    /// Its name.
    pub name: String,
    /// `whole`, `header` (it lacks the text), `stuck` (it could not apply it), `not`, or `no_receipt`.
    pub holding: String,
    /// Stable name of the reason, where it is stuck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it signed, by its clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<String>,
}

/// Who has signed that it holds one fact.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FactReceiptsDto {
    /// The fact.
    pub fact: String,
    /// Whether it is shared at all.
    pub shared: bool,
    /// Edits that make what it says now; whoever holds the fact holds all of them.
    pub edits: u64,
    /// Members that hold all of it.
    pub held: u64,
    /// Every other member.
    pub members: Vec<FactHoldingDto>,
}

/// Whom this node has asked to sign anew.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptsAskedDto {
    /// Names of the members; who is away is asked when it is back.
    pub members: Vec<String>,
}

/// Events that a member holds and could not apply.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct StuckDto {
    /// Stable name of the reason.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// What one member has signed, compared with what this node holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MemberReceiptDto {
    /// The member.
    pub peer_id: String,
    /// Its name.
    pub name: String,
    /// `whole`, `partly` or `no_receipt`.
    pub holding: String,
    /// Events that are held here and that it has not signed for.
    pub behind: u64,
    /// Events that are held here and of which it holds the header only.
    pub headers: u64,
    /// Events that it holds and could not apply.
    pub stuck: Vec<StuckDto>,
    /// Stored documents of which it has shown lately that it has them, of those that are here.
    #[serde(default)]
    pub documents: u64,
    /// Stored documents that are here and needed; each version counts as one.
    #[serde(default)]
    pub documents_here: u64,
    /// When it signed, by its clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<String>,
}

/// What every other member has signed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptsDto {
    /// Every other member.
    pub members: Vec<MemberReceiptDto>,
}

/// One thing to know before this machine is wiped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WipeItemDto {
    /// Stable name: `unconfirmed`, `documents`, `few_copies`, `private`, `set_aside`, `outbox`, `inbox`, `only_steward`, `only_key_holder`, `kept_copies`,
    /// `recovery_phrase`; later versions add more.
    pub kind: String,
    /// Whether something would be lost; otherwise it is only to be known.
    pub loses: bool,
    /// How many of it.
    pub count: u64,
    /// What it is, in words.
    pub what: String,
    /// Some of it.
    pub examples: Vec<String>,
    /// What to do about it.
    pub fix: String,
}

/// Whether this machine can be wiped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WipeCheckDto {
    /// Whether nothing would be lost.
    pub safe: bool,
    /// Everything there is to know, losses first.
    pub items: Vec<WipeItemDto>,
    /// How the documents of this machine stand elsewhere.
    #[serde(default)]
    pub documents: WipeDocumentsDto,
}

/// How the documents of a machine stand elsewhere. Each version counts as one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WipeDocumentsDto {
    /// Those that are needed and held here whole.
    pub held: u64,
    /// Those of which no other member has shown that it has a copy.
    pub only_here: u64,
    /// Those of which others have copies, and fewer than there should be.
    pub few: u64,
    /// Copies that there should be without this machine.
    pub target: u64,
}
