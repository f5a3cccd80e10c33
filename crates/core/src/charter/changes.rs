//! The small records: who is a steward, who agrees, and new genes.

use std::collections::BTreeMap;

use super::record::{RecordError, node_of, text_of};
use crate::genome::{self, GENE_ID_BYTES_MAX, GENE_TEXT_BYTES_MAX};
use crate::ids::{Hash, NodeId};
use crate::value::Value;

/// Makes a member a steward, or ends that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StewardChange {
    /// Whose right changes.
    pub node: NodeId,
    /// Whether it becomes a steward or ceases to be one.
    pub add: bool,
}

impl StewardChange {
    /// The fields of the payload: 0 node key, 1 whether it is added.
    pub fn to_fields(&self) -> BTreeMap<u8, Value> {
        BTreeMap::from([(0, Value::Bytes(self.node.0.to_vec())), (1, Value::Bool(self.add))])
    }

    pub(super) fn from_fields(fields: &BTreeMap<u8, Value>) -> Result<Self, RecordError> {
        let add = fields.get(&1).and_then(Value::as_bool).ok_or(RecordError::Field("add"))?;
        Ok(Self { node: node_of(fields)?, add })
    }
}

/// A steward's consent to another steward's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approve {
    /// Hash of the record.
    pub record: Hash,
}

impl Approve {
    /// The fields of the payload: 0 record hash.
    pub fn to_fields(&self) -> BTreeMap<u8, Value> {
        BTreeMap::from([(0, Value::Bytes(self.record.0.to_vec()))])
    }

    pub(super) fn from_fields(fields: &BTreeMap<u8, Value>) -> Result<Self, RecordError> {
        let record = fields.get(&0).and_then(Value::as_array).ok_or(RecordError::Field("record"))?;
        Ok(Self { record: Hash(record) })
    }
}

/// Adds a gene to the genome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneAdd {
    /// Its id.
    pub id: String,
    /// What it says.
    pub text: String,
}

impl GeneAdd {
    /// The fields of the payload: 0 id, 1 text.
    pub fn to_fields(&self) -> BTreeMap<u8, Value> {
        BTreeMap::from([(0, Value::Text(self.id.clone())), (1, Value::Text(self.text.clone()))])
    }

    pub(super) fn from_fields(fields: &BTreeMap<u8, Value>) -> Result<Self, RecordError> {
        let id = text_of(fields, 0, "id", GENE_ID_BYTES_MAX)?;
        let text = text_of(fields, 1, "text", GENE_TEXT_BYTES_MAX)?;
        genome::check_added(&id, &text).map_err(|_| RecordError::Field("gene"))?;
        Ok(Self { id, text })
    }
}
