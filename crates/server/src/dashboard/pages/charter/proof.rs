//! One gene, with the proof that it belongs to the genome, checked.

use antiphon_core::genome::leaf_hash;
use askama::Template;
use axum::extract::State;

use super::Which;
use super::view::Problem;
use crate::dashboard::Dash;
use crate::dashboard::page::{Page, Query, Shown, Tab};
use crate::dashboard::say::{Tag, Tone, number};
use crate::dto::{CheckProofDto, ProofDto};

/// A hash on the way from a gene to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    words: &'static str,
    hash: String,
}

#[derive(Template)]
#[template(path = "gene.html")]
struct View {
    id: String,
    text: String,
    founding: bool,
    verdict: Tag,
    words: String,
    problem: Option<Problem>,
    leaf: String,
    steps: Vec<Step>,
    root: String,
    root_words: &'static str,
}

pub(super) async fn show(State(dash): State<Dash>, Query(which): Query<Which>) -> Shown {
    let gene = dash.gene(&which.id).await?;
    let proof = dash.prove_gene(&which.id).await?;
    // Against the genome of this node, not against the root that the proof names.
    let checked = dash.check_proof(CheckProofDto { proof: proof.clone(), root: None }).await;
    let problem = checked.as_ref().err().map(|problem| Problem {
        class: "bad",
        words: problem.what.clone(),
        cure: problem.hint.clone().unwrap_or_else(|| "antiphon gene verify".to_owned()),
    });
    let view = View {
        verdict: match problem {
            None => Tag::new(Tone::Ok, "proved"),
            Some(_) => Tag::new(Tone::Bad, "not proved"),
        },
        words: format!(
            "It is gene {} of {}. Its hash and {} others along the way up give the root of the genome.",
            number(proof.index + 1),
            number(proof.size),
            number(proof.path.len() as u64)
        ),
        problem,
        leaf: leaf_hash(&gene.id, &gene.text).to_string(),
        steps: steps(&proof),
        root: checked.map_or_else(|_| proof.root.clone(), |proven| proven.root),
        root_words: "the root, which is this node's genome",
        id: gene.id.clone(),
        text: gene.text,
        founding: gene.founding,
    };
    Ok(Page::new(Tab::Charter, gene.id, &view)?.leads("genome and charter", "/charter"))
}

/// On which side each hash of a path stands (RFC 9162 §2.1.3.2).
fn steps(proof: &ProofDto) -> Vec<Step> {
    let (mut at, mut last) = (proof.index, proof.size.saturating_sub(1));
    let step = |hash: &String| {
        let left = at & 1 == 1 || at == last;
        if left {
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        }
        (at, last) = (at >> 1, last >> 1);
        let words = if left { "joined with what is on its left" } else { "joined with what is on its right" };
        Step { words, hash: hash.clone() }
    };
    proof.path.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hash_stands_on_its_side() {
        let check = |index, size, path: usize, want: &str| {
            let proof = ProofDto { index, size, path: vec!["h".into(); path], ..ProofDto::default() };
            let sides: String =
                steps(&proof).iter().map(|step| if step.words.ends_with("left") { 'l' } else { 'r' }).collect();
            assert_eq!(sides, want, "{index} of {size}");
        };
        check(0, 1, 0, "");
        check(0, 3, 2, "rr");
        check(1, 3, 2, "lr");
        // It stands alone below, and joins the pair on its left.
        check(2, 3, 1, "l");
        check(5, 7, 3, "lrl");
        check(6, 7, 2, "ll");
    }
}
