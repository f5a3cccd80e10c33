//! The genome: reading, adding, proving, checking.

use std::collections::BTreeSet;

use antiphon_core::genome::GENE_ID_BYTES_MAX;

use super::Service;
use crate::convert;
use crate::dto::{CheckProofDto, GeneAddedDto, GeneDto, GenesDto, GenomeReportDto, NewGeneDto, ProofDto, ProvenDto};
use crate::error::{Code, Problem};
use crate::proof;

/// What the ids begin with that are made from a text.
const LAW_PREFIX: &str = "law.";
/// Most words of a text that its id is made of.
const SLUG_WORDS_MAX: usize = 5;
/// Longest id that is made from a text, in bytes; a number still fits behind it.
const SLUG_BYTES_MAX: usize = GENE_ID_BYTES_MAX - 16;

impl Service {
    pub(crate) async fn genes(&self) -> Result<GenesDto, Problem> {
        Ok(convert::genes(&self.handle.genome().await?, &self.handle.founding_genome().await?))
    }

    pub(crate) async fn gene(&self, id: &str) -> Result<GeneDto, Problem> {
        let genome = self.handle.genome().await?;
        let text = genome.get(id).ok_or_else(|| no_gene(id, genome.genes().map(|(id, _)| id)))?;
        Ok(convert::gene(id, text, &self.handle.founding_genome().await?))
    }

    pub(crate) async fn add_gene(&self, gene: NewGeneDto) -> Result<GeneAddedDto, Problem> {
        let NewGeneDto { text, id } = gene;
        let text = text.trim();
        if text.is_empty() {
            return Err(Problem::bad_value(
                "text",
                text,
                "a gene says something: antiphon gene add \"No secrets in facts.\"",
            ));
        }
        let id = match id {
            Some(id) => id,
            None => {
                let genome = self.handle.genome().await?;
                law_id(text, &genome.genes().map(|(id, _)| id).collect())
            }
        };
        let genome_hash = self.handle.add_gene(&id, text).await?.to_string();
        Ok(GeneAddedDto { id, genome_hash })
    }

    pub(crate) async fn prove_gene(&self, id: &str) -> Result<ProofDto, Problem> {
        let genome = self.handle.genome().await?;
        let proof = genome.prove(id).ok_or_else(|| no_gene(id, genome.genes().map(|(id, _)| id)))?;
        Ok(convert::gene_proof(proof, &genome, self.handle.founding_genome().await?.team()))
    }

    pub(crate) async fn check_proof(&self, check: CheckProofDto) -> Result<ProvenDto, Problem> {
        let root = match check.root {
            Some(root) => root,
            None => self.handle.genome().await?.hash().to_string(),
        };
        proof::check_read(check.proof, &root)
    }

    pub(crate) async fn verify_genome(&self) -> Result<GenomeReportDto, Problem> {
        Ok(convert::genome_report(self.handle.verify_genome().await?))
    }
}

fn no_gene<'a>(id: &str, mut known: impl Iterator<Item = &'a str>) -> Problem {
    let shown: String = id.chars().take(GENE_ID_BYTES_MAX).collect();
    let problem = Problem::new(Code::NotFound, format!("there is no gene {shown:?}"));
    match known.find(|known| !id.is_empty() && (known.starts_with(id) || known.ends_with(id))) {
        Some(near) => problem.hint(format!("did you mean {near}? antiphon gene list shows every gene")),
        None => problem.hint("antiphon gene list shows every gene"),
    }
}

/// An id for a law that is not taken: of the first words of its text, with a number where that is needed.
fn law_id(text: &str, taken: &BTreeSet<&str>) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut id = LAW_PREFIX.to_owned();
    for (at, word) in words.take(SLUG_WORDS_MAX).enumerate() {
        let sign = usize::from(at > 0);
        if at > 0 && id.len() + sign + word.len() > SLUG_BYTES_MAX {
            break;
        }
        id.extend((at > 0).then_some('-'));
        id.extend(word.chars().take(SLUG_BYTES_MAX - LAW_PREFIX.len()).map(|c| c.to_ascii_lowercase()));
    }
    if id == LAW_PREFIX {
        // A text without a Latin letter or digit, in another script than ids are written in.
        id.push_str("gene");
    }
    if !taken.contains(id.as_str()) {
        return id;
    }
    // There are at most 1,024 genes, so one of so many numbers is free.
    (2..u32::MAX).map(|n| format!("{id}-{n}")).find(|id| !taken.contains(id.as_str())).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use antiphon_core::genome::check_added;

    use super::*;

    #[test]
    fn a_law_gets_a_name_of_its_first_words() {
        let taken = BTreeSet::from(["law.no-secrets", "law.gene"]);
        let check = |text: &str, want: &str| {
            let id = law_id(text, &taken);
            assert_eq!(id, want);
            assert!(check_added(&id, text).is_ok(), "{id}");
        };
        check("Deploys go out on Thursdays, never on Fridays.", "law.deploys-go-out-on-thursdays");
        check("No secrets!", "law.no-secrets-2");
        check("秘密は書かない", "law.gene-2");
        check(&"x".repeat(500), &format!("law.{}", "x".repeat(SLUG_BYTES_MAX - 4)));
        check("…well… Über", "law.well-ber");
    }
}
