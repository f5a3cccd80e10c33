//! `antiphon facts forget ID --hard`: everywhere and for good.

use std::time::{Duration, Instant};

use antiphon_server::client::Client;
use antiphon_server::dto::{ActorDto, ErasureDto, FactDto};
use clap::Args;

use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem};
use crate::output;
use crate::render;

/// How often the members' answers are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Options of `facts forget`.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// Id of the fact, or the beginning of it
    pub(crate) id: String,
    /// Erase it on every machine, for good: nothing brings it back
    #[arg(long)]
    pub(crate) hard: bool,
    /// Do not ask whether you are sure
    #[arg(long, requires = "hard")]
    pub(crate) yes: bool,
    /// How long to wait for the other members to sign that they have erased it, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, requires = "hard")]
    pub(crate) wait: u64,
}

/// Runs the command.
pub(crate) async fn run(args: ForgetArgs, session: &Session) -> Outcome {
    let node = session.node().await?;
    let fact = node.fact(&args.id).await?;
    if !args.yes && !fact.erased {
        confirm(&fact, session)?;
    }
    let erasure = node.erase(&fact.id, &ActorDto::default()).await?;
    let erasure = wait(&node, erasure, Duration::from_secs(args.wait)).await?;
    session.output.result(&erasure, render::erasure::erasure)
}

/// Asks a person; a script must say so itself.
fn confirm(fact: &FactDto, session: &Session) -> Outcome {
    let undone = |what: &str| Problem::new(Code::Undecided, what.to_owned());
    if !output::is_interactive() {
        return Err(undone("an erasure cannot be taken back, and nobody is here to be asked")
            .why("it takes the text from every machine of the team")
            .hint(format!("antiphon facts forget {} --hard --yes", fact.id))
            .into());
    }
    session.output.note(&render::erasure::question(fact));
    if output::agrees("Erase it?") {
        return Ok(());
    }
    Err(undone("nothing was erased")
        .hint(format!("to take it out of recall only: antiphon facts forget {}", fact.id))
        .into())
}

/// Waits until everybody has erased it, or for so long.
async fn wait(node: &Client, mut erasure: ErasureDto, most: Duration) -> Outcome<ErasureDto> {
    let started = Instant::now();
    while !erasure.is_complete() && started.elapsed() < most {
        tokio::time::sleep(LOOK_EVERY).await;
        erasure = node.erasure(&erasure.id).await?;
    }
    Ok(erasure)
}
