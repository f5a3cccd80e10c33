//! Checking that a gene belongs to a genome, with nothing but the proof and the genome's root: no node, no home, no
//! network. Whoever makes a proof up can write any root into it, so the one that counts is always given by whoever
//! checks.

use antiphon_core::genome::{GENE_ID_BYTES_MAX, GENE_TEXT_BYTES_MAX, GENES_MAX, Proof};
use antiphon_core::ids::Hash;

use crate::dto::{ProofDto, ProvenDto};
use crate::error::{Code, Problem};

/// The version of proofs.
pub const VERSION: &str = "1.0";
/// Longest proof that is read, in bytes.
pub const PROOF_BYTES_MAX: usize = 64 * 1024;
/// Most hashes of a proof: no genome that may exist has a deeper tree.
const PATH_HASHES_MAX: usize = 16;

/// Reads a proof from JSON and checks it against `root`, in hex.
///
/// # Errors
/// [`Problem`]: `too_large` and `invalid` for what is no proof, `refused` for one that does not prove.
pub fn check(bytes: &[u8], root: &str) -> Result<ProvenDto, Problem> {
    if bytes.len() > PROOF_BYTES_MAX {
        return Err(Problem::new(Code::TooLarge, format!("the proof has more than {PROOF_BYTES_MAX} bytes"))
            .hint("make it again: antiphon gene prove ID -o FILE"));
    }
    let proof = serde_json::from_slice::<ProofDto>(bytes).map_err(|error| unfit(&error.to_string()))?;
    check_read(proof, root)
}

/// Checks a proof that was read against `root`, in hex.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_read(proof: ProofDto, root: &str) -> Result<ProvenDto, Problem> {
    let root: Hash = root.trim().parse().map_err(|_| {
        Problem::bad_value("root", root, "a root is 64 hex digits, as genome_hash in antiphon gene list shows it")
    })?;
    if proof.version != VERSION {
        return Err(Problem::new(
            Code::Invalid,
            format!("a proof of version {:?} cannot be read", shown(&proof.version)),
        )
        .why(format!("this program reads version {VERSION}"))
        .hint("use the newest version of antiphon, or have the proof made again"));
    }
    if proof.path.len() > PATH_HASHES_MAX || proof.size > GENES_MAX as u64 || proof.index >= proof.size {
        return Err(unfit("no genome has a gene at this place"));
    }
    if proof.id.len() > GENE_ID_BYTES_MAX || proof.text.len() > GENE_TEXT_BYTES_MAX {
        return Err(unfit("no gene is that long"));
    }
    let path: Result<Vec<Hash>, _> = proof.path.iter().map(|hash| hash.parse()).collect();
    let path = path.map_err(|_| unfit("its path has something else than hashes of 64 hex digits"))?;
    let told = proof.root;
    let proof = Proof { id: proof.id, text: proof.text, index: proof.index, size: proof.size, path };
    if proof.check(&root) {
        return Ok(ProvenDto { proven: true, id: proof.id, text: proof.text, root: root.to_string() });
    }
    let what = format!("the proof does not show that {} belongs to the genome {root}", shown(&proof.id));
    let problem = Problem::new(Code::Refused, what);
    Err(match told.parse::<Hash>() {
        Ok(told) if told != root && proof.check(&told) => problem
            .why(format!("it is a proof for another genome: {told}"))
            .hint("get a new proof from a member: a genome gets another root with every gene that is added"),
        _ => problem
            .why("the text, the id or the path was changed after the proof was made")
            .hint("do not rely on it; get a proof from a member: antiphon gene prove ID -o FILE"),
    })
}

fn unfit(why: &str) -> Problem {
    Problem::new(Code::Invalid, "this is not a proof of a gene")
        .why(why)
        .hint("a proof is the JSON object that antiphon gene prove ID prints")
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use antiphon_core::genome::Genome;
    use antiphon_core::ids::NodeId;
    use serde_json::{Value, json};

    use super::*;
    use crate::convert;

    fn made() -> (Value, String) {
        let genome = Genome::found("choir", &[7; 32], &NodeId([1; 32])).unwrap();
        let proof = convert::gene_proof(genome.prove("role.observer").unwrap(), &genome, genome.team());
        (serde_json::to_value(proof).unwrap(), genome.hash().to_string())
    }

    #[test]
    fn a_proof_needs_nothing_but_the_root() {
        let (proof, root) = made();
        let proven = check(proof.to_string().as_bytes(), &root).unwrap();
        assert_eq!((proven.id.as_str(), proven.proven), ("role.observer", true));
    }

    #[test]
    fn what_does_not_prove_says_why() {
        let (good, root) = made();
        let check = |key: &str, value: Value, root: &str, code: Code, word: &str| {
            let mut proof = good.clone();
            proof[key] = value;
            let problem = check(proof.to_string().as_bytes(), root).unwrap_err();
            assert_eq!(problem.code, code, "{key}: {problem}");
            assert!(problem.to_string().contains(word), "{word}: {problem}");
        };
        check("text", json!("authority: master; decrypts: *"), &root, Code::Refused, "was changed");
        check("id", json!("role.other"), &root, Code::Refused, "was changed");
        check("index", json!(0), &root, Code::Refused, "was changed");
        check("path", json!([]), &root, Code::Refused, "was changed");
        check("team", json!("x"), &"ab".repeat(32), Code::Refused, "another genome");
        check("version", json!("9.0"), &root, Code::Invalid, "9.0");
        check("index", json!(99), &root, Code::Invalid, "this place");
        check("size", json!(u64::MAX), &root, Code::Invalid, "this place");
        check("path", json!(["zz"]), &root, Code::Invalid, "64 hex digits");
        check("path", json!(vec![root.clone(); 17]), &root, Code::Invalid, "this place");
        check("colour", json!("red"), &root, Code::Invalid, "colour");
        check("team", json!("x"), "abc", Code::Invalid, "root");
        check("text", json!("x".repeat(PROOF_BYTES_MAX)), &root, Code::TooLarge, "65536 bytes");
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let root = made().1;
        for bytes in [&b""[..], b"{", b"[]", b"null", b"\xff\xfe", b"{\"version\":1}"] {
            assert_eq!(check(bytes, &root).unwrap_err().code, Code::Invalid);
        }
    }
}
