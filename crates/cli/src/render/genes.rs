//! Genes, as they are shown.

use antiphon_server::dto::{GeneAddedDto, GeneDto, GenesDto, GenomeReportDto, ProvenDto};

use super::{count, safe, snippet, table};
use crate::output::{BAD, FAINT, GOOD, STRONG, styled};

/// The genome.
pub(crate) fn list(genes: &GenesDto) -> String {
    let row = |gene: &GeneDto| {
        let line = gene.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        vec![safe(&gene.id), snippet(line), since(gene).to_owned()]
    };
    let table = table(&["gene", "text", "since"], genes.genes.iter().map(row));
    format!("{table}\n\n{} {}", styled(FAINT, "genome hash"), genes.genome_hash)
}

fn since(gene: &GeneDto) -> &'static str {
    if gene.founding { "founding" } else { "added" }
}

/// One gene in full.
pub(crate) fn one(gene: &GeneDto) -> String {
    format!("{} {}\n\n{}\n", styled(STRONG, &safe(&gene.id)), styled(FAINT, since(gene)), safe(&gene.text))
}

/// A gene that was added.
pub(crate) fn added(added: &GeneAddedDto) -> String {
    format!(
        "Gene {} is added, for good: it can neither be changed nor removed.\n{} {}",
        styled(STRONG, &safe(&added.id)),
        styled(FAINT, "genome hash"),
        added.genome_hash
    )
}

/// A proof that holds.
pub(crate) fn proven(proven: &ProvenDto) -> String {
    format!(
        "{}: gene {} belongs to the genome {}. Its text:\n\n{}\n",
        styled(GOOD, "Proven"),
        styled(STRONG, &safe(&proven.id)),
        proven.root,
        safe(&proven.text)
    )
}

/// The genome, checked.
pub(crate) fn report(report: &GenomeReportDto) -> String {
    let mut out = if report.ok {
        let genes = count(report.genes, "gene");
        format!(
            "{}: {genes}, and the founding ones hash to the team's id.\n",
            styled(GOOD, "Every gene is what it was")
        )
    } else {
        format!("{} the genes in this database are not those of the team.\n", styled(BAD, "problem:"))
    };
    for id in &report.tampered {
        out.push_str(&format!("  {} {} is not what it was\n", styled(BAD, "tampered:"), safe(id)));
    }
    out.push_str(&format!("{} {}\n", styled(FAINT, "genome hash "), report.genome_hash));
    out.push_str(&format!("{} {}\n", styled(FAINT, "founding    "), report.founding_root));
    out.push_str(&format!("{} {}\n", styled(FAINT, "team        "), report.team));
    if !report.ok {
        out.push_str(
            "Nobody will trust this node as it is. Stop it, keep a copy of its home, and begin anew:\n  \
             antiphon --profile NEW join TICKET\n",
        );
    }
    out
}
