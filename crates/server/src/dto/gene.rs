//! Genes and the proofs that they belong to a genome.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A gene.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GeneDto {
    /// Its id.
    pub id: String,
    /// Its text.
    pub text: String,
    /// Whether the team was founded with it; the others were added later.
    #[serde(default)]
    pub founding: bool,
}

/// The genome.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GenesDto {
    /// Its Merkle root.
    pub genome_hash: String,
    /// Its genes, in the order of their ids.
    pub genes: Vec<GeneDto>,
}

/// A gene to be added.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGeneDto {
    /// Its text.
    pub text: String,
    /// Its id; made from the first words when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A gene that was added.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GeneAddedDto {
    /// Its id.
    pub id: String,
    /// The Merkle root of the genome with it.
    pub genome_hash: String,
}

/// Proof that a gene belongs to a genome. It is checked with the root alone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofDto {
    /// `1.0`.
    pub version: String,
    /// The gene's id.
    pub id: String,
    /// The gene's text.
    pub text: String,
    /// Its place among the sorted genes, from 0.
    pub index: u64,
    /// Number of genes.
    pub size: u64,
    /// Sibling hashes from the leaf upwards, in hex.
    pub path: Vec<String>,
    /// The genome's Merkle root. It is told for convenience and proves nothing: whoever checks knows the right one.
    pub root: String,
    /// The team's id, told for convenience too.
    pub team: String,
}

/// A proof that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ProvenDto {
    /// Always `true`; a proof that does not prove is a problem.
    pub proven: bool,
    /// The gene's id.
    pub id: String,
    /// The gene's text.
    pub text: String,
    /// The root it was checked against.
    pub root: String,
}

/// A proof to be checked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckProofDto {
    /// The proof.
    pub proof: ProofDto,
    /// The genome's Merkle root, in hex; the team's present one when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
}

/// The genome as the database holds it, checked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GenomeReportDto {
    /// Whether every gene is what it was.
    pub ok: bool,
    /// The Merkle root of the present genome.
    pub genome_hash: String,
    /// Number of genes.
    pub genes: u64,
    /// The Merkle root of the founding genes, as the database holds them.
    pub founding_root: String,
    /// The team's id, which that must be.
    pub team: String,
    /// Ids of genes that are not what they were.
    pub tampered: Vec<String>,
}
