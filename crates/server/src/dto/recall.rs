//! Asking the memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FactDto, ReasonDto, Scalar};

/// A question. Without words it lists the newest facts that pass the filters, of which there must then be one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecallRequestDto {
    /// Words to look for.
    pub query: String,
    /// Most facts to give; 10 when it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Of this level alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Scalar>,
    /// Of this domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Of this module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// With this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Whose present text was written on this node: a name, a peer id or a unique prefix of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// First written on this node, whoever changed it since: as `author`, or a store id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Last changed at this time or later, by its author's clock: RFC 3339, Unix milliseconds, or how long ago, as in `7d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Scalar>,
    /// Last changed before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Scalar>,
    /// Whose text came to be like this: `human`, `agent`, `tool`, `web` or `import`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_kind: Option<String>,
    /// `true`: only those that were edited concurrently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diverged: Option<bool>,
    /// Archived facts too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// `false`: without those that are out of date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<bool>,
    /// What facts said at this time: the edits that their authors dated at or before it count. Written as `since`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Scalar>,
    /// `true`: with the parts of each score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<bool>,
    /// `true`: connected members are asked too, for what they keep to themselves and may show, for two seconds in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<bool>,
}

/// A fact that was found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HitDto {
    /// The fact.
    #[serde(flatten)]
    pub fact: FactDto,
    /// How well it fits; higher is better, comparable within one answer only. 0 where there were no words.
    pub score: f64,
    /// The passage that fits.
    pub snippet: String,
    /// Facts with this very text that were folded into this one, itself included.
    pub same: usize,
    /// Those facts without itself; of many some are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folded: Vec<FoldedDto>,
    /// How the score came about, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<ExplanationDto>,
    /// Set for a fact that is not held here: the member told it when it was asked. No signature covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_by: Option<ToldByDto>,
}

/// A fact whose text is that of another one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FoldedDto {
    /// The fact.
    pub id: String,
    /// Name of the node its text was written on.
    pub author: String,
    /// Peer id of that node.
    pub origin: String,
    /// It is not held here; that node told it when it was asked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub told: bool,
}

/// A member that told a fact.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ToldByDto {
    /// Its peer id.
    pub peer_id: String,
    /// Its name.
    pub name: String,
}

/// What one word adds to a score.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WordPartDto {
    /// The word, in lower case and without its ending.
    pub word: String,
    /// How often the fact has it.
    pub times: u32,
    /// How many facts have it.
    pub facts: u64,
    /// What having it is worth: the rarer, the more.
    pub weight: f64,
    /// How much of that counts here: more for repeating it, less in a long text.
    pub share: f64,
    /// What it adds: weight times share.
    pub part: f64,
}

/// How a score came about: it is the sum of the parts, and nothing else is added.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ExplanationDto {
    /// Why the fact was looked at: `not_indexed_yet`, `rarest_words`, `best_of_rare_words`, `common_words_together`,
    /// `newest`, or `changed_since`.
    pub found_by: String,
    /// The words of the question that it has, the rarest first.
    pub words: Vec<WordPartDto>,
    /// How many words it has.
    pub length: u64,
    /// How many words a fact has on average.
    pub average_length: f64,
}

/// A member that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AskedMemberDto {
    /// Its peer id.
    pub peer_id: String,
    /// Its name.
    pub name: String,
    /// The deepest level of facts that it shows to whoever asks; missing when it shows nothing, or did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shows: Option<String>,
    /// Facts of it that were taken.
    pub taken: u64,
    /// Facts of it that are held here anyway.
    pub held: u64,
    /// Facts of it that were not asked for, or that nobody shows: left out, counted, and noted in the audit log.
    pub unfit: u64,
    /// Why it did not answer, or why its answer was not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonDto>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RecallDto {
    /// The facts, best first.
    pub hits: Vec<HitDto>,
    /// The index is still reading received facts; later the answer may hold more.
    #[serde(default)]
    pub index_behind: bool,
    /// There is more than is looked through for one question, so something may be missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cut: bool,
    /// The time that was asked about, if not the present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// The members that were asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<AskedMemberDto>,
}

/// What this node shows to members who ask.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShownDto {
    /// The deepest level of facts that are not shared and are shown, `none` when nothing is.
    pub up_to: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
