//! Who stored and read which document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which lines of the trail are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrailFilterDto {
    /// About this document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `store`, `retrieve`, `key_access` or `remove`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Only what did not succeed.
    #[serde(default)]
    pub failed: bool,
    /// Only lines with smaller numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Most lines; 100 if it is not given, at most 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Something that was done with a document, or tried.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TrailLineDto {
    /// Its number, from 1 without gaps.
    pub number: u64,
    /// When.
    pub timestamp: String,
    /// `store`, `retrieve`, `key_access` or `remove`.
    pub operation: String,
    /// Peer id of the node that did it.
    pub node: String,
    /// The document; empty where it is about none.
    pub address: String,
    /// In which role, or with the key of which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Of which type the document is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Whether it was done.
    pub success: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The same for all lines of one operation.
    pub trail_id: String,
    /// Hash of this line and of all before it.
    pub hash: String,
}

/// Lines of the trail.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TrailDto {
    /// The newest first.
    pub lines: Vec<TrailLineDto>,
}

/// What the trail is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrailCheckDto {
    /// A hash that was noted earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
}

/// What checking the trail came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TrailVerdictDto {
    /// Whether every line follows from those before it, and the noted hash, if one was given, is among them.
    pub ok: bool,
    /// Lines that follow from each other.
    pub lines: u64,
    /// Hash of the last of them: note it elsewhere, and a later check can tell whether anything before it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The first line that does not follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_at: Option<u64>,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The line with the noted hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noted_at: Option<u64>,
}
