//! `antiphon gene`: the team's constitution.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use antiphon_server::dto::{NewGeneDto, ProofDto};
use antiphon_server::proof;
use clap::{Args, Subcommand};

use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem, Stop, file_problem};
use crate::output::Output;
use crate::render;

/// Commands of `gene`.
#[derive(Debug, Subcommand)]
pub(crate) enum GeneCommand {
    /// List the genes and the hash over them
    List,
    /// Add a gene, for good: genes are neither changed nor removed
    Add {
        /// What it says, or - for stdin
        text: String,
        /// Its id, as in law.secrets [default: law. and the first words]
        #[arg(long)]
        id: Option<String>,
    },
    /// Show one gene in full
    Show {
        /// Its id
        id: String,
    },
    /// Print the proof that a gene belongs to the genome
    Prove {
        /// Its id
        id: String,
        /// Write the proof to this file
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check a proof against a genome hash; needs no node and no network
    Check(CheckArgs),
    /// Check the genes in the database against the team's id
    Verify,
}

/// Options of `gene check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// File of the proof, or - for stdin
    #[arg(value_name = "PROOF")]
    pub(crate) proof: PathBuf,
    /// The genome hash, from somebody you trust: 64 hex digits
    #[arg(long, value_name = "HASH")]
    pub(crate) root: String,
}

/// Runs the command.
pub(crate) async fn run(command: GeneCommand, session: &Session) -> Outcome {
    let output = session.output;
    match command {
        GeneCommand::List => output.result(&session.node().await?.genes().await?, render::genes::list),
        GeneCommand::Add { text, id } => {
            let text = if text == "-" { String::from_utf8_lossy(&read(Path::new("-"))?).into_owned() } else { text };
            let added = session.node().await?.add_gene(&NewGeneDto { text, id }).await?;
            output.result(&added, render::genes::added)
        }
        GeneCommand::Show { id } => output.result(&session.node().await?.gene(&id).await?, render::genes::one),
        GeneCommand::Prove { id, output: file } => {
            let proof = session.node().await?.prove_gene(&id).await?;
            match file {
                None => output.json(&proof),
                Some(path) => save(&proof, &path, output),
            }
        }
        GeneCommand::Check(args) => check(&args, output),
        GeneCommand::Verify => {
            let report = session.node().await?.verify_genome().await?;
            output.result(&report, render::genes::report)?;
            if report.ok { Ok(()) } else { Err(Stop::Exit(Code::Failed.exit())) }
        }
    }
}

/// Checks a proof. It touches nothing but the file, so it works on any machine.
pub(crate) fn check(args: &CheckArgs, output: Output) -> Outcome {
    let proven = proof::check(&read(&args.proof)?, &args.root)?;
    output.result(&proven, render::genes::proven)
}

fn save(proof: &ProofDto, path: &Path, output: Output) -> Outcome {
    let json = serde_json::to_string(proof)
        .map_err(|error| Problem::new(Code::Failed, "the proof cannot be written as JSON").why(error.to_string()))?;
    std::fs::write(path, json + "\n").map_err(|error| file_problem("write", path, &error))?;
    output.result(proof, |proof| {
        format!(
            "Wrote the proof to {}. Anybody can check it, without a node:\n  antiphon gene check {} --root {}\n",
            path.display(),
            path.display(),
            proof.root
        )
    })
}

/// Reads a file, or stdin, up to one byte beyond what a proof may have.
fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let most = proof::PROOF_BYTES_MAX as u64 + 1;
    let mut bytes = Vec::new();
    let result = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    result.map_err(|error| file_problem("read", path, &error))?;
    Ok(bytes)
}
