//! `antiphon recover`: a machine that lost its disk comes back.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use antiphon_server::client::Client;
use antiphon_server::dto::{
    ExpectedLogDto, FormerPlaceDto, FormerPlaceRequestDto, RecoverDto, RecoveryDto, RecoveryRequestDto,
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem, Stop};
use crate::render;
use crate::secret_input;
use crate::{locate, output, start};

/// How often it is looked how far the recovery is, in milliseconds.
const LOOK_MS: u64 = 300;

/// Options of `recover`.
#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// A ticket of the team, an old one too, or the address of a member
    #[arg(value_name = "TICKET|PEER")]
    pub(crate) peer: String,
    /// File with the 24 words of the recovery phrase [default: asked for, or read from stdin; none are needed where the
    /// key of the node is in the home still]
    #[arg(long, value_name = "FILE")]
    pub(crate) phrase_file: Option<PathBuf>,
    /// Id of the team, as antiphon status shows it on a member
    #[arg(long, value_name = "ID")]
    pub(crate) team: Option<String>,
    /// Name of this node [default: the one it had]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// How long to wait for what is missing, in seconds; repeating the command goes on
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) wait: u64,
}

/// What came back.
#[derive(Serialize)]
struct Recovered<'a> {
    place: &'a FormerPlaceDto,
    recovery: &'a RecoveryDto,
}

/// Runs the command.
pub(crate) async fn run(args: RecoverArgs, session: &Session) -> Outcome {
    let has_key = session.home.key().exists();
    let or_key = if has_key { "; none, to be the node whose key is in the home" } else { "" };
    let asked = format!("The 24 words of the recovery phrase (they are not shown{or_key}): ");
    let phrase = secret_input::read(&asked, args.phrase_file.as_deref()).await?;
    // Whoever lost the database alone has the key still, and may have lost the paper.
    if has_key && args.phrase_file.is_none() && phrase.trim().is_empty() {
        session.output.note("No words were given; the key that is in the home is used.");
    } else {
        make_home(&phrase, session).await?;
    }
    drop(phrase);
    start::in_background(session, &[]).await?;
    let node = session.node().await?;
    let team = match &args.team {
        Some(team) => team.trim().to_owned(),
        None => confirmed_team(&node, &args.peer, session).await?,
    };
    let request = RecoverDto { peer: args.peer, team, name: args.name };
    let place = node.recover(&request).await?;
    let recovery = wait(&node, &place.expected, Duration::from_secs(args.wait), session).await?;
    session.output.result(&Recovered { place: &place, recovery: &recovery }, |out| {
        render::recovery::recovered(out.place, out.recovery)
    })?;
    // What was not complete is told above; the exit code says it to programs.
    if recovery.complete { Ok(()) } else { Err(Stop::Exit(Code::Failed.exit())) }
}

/// A home with the key of the words, unless it has that key already.
async fn make_home(phrase: &str, session: &Session) -> Outcome {
    let config = locate::config(session.home.clone());
    let made = antiphon_node::init_from_phrase(&config, phrase).map_err(Problem::from)?;
    if made.made {
        let home = session.home.path().display();
        session.output.note(&format!("The words are those of {}. Its key is in {home} again.", made.node_id));
    }
    Ok(())
}

/// The team that the member shows, after a person has compared it with what they know. A ticket names it itself.
async fn confirmed_team(node: &Client, peer: &str, session: &Session) -> Outcome<String> {
    let request = FormerPlaceRequestDto { peer: peer.to_owned(), team: None };
    let place = node.former_place(&request).await?;
    if !peer.trim_start().starts_with('/') {
        return Ok(place.team.id);
    }
    if !output::is_interactive() {
        let what = format!("the member at that address is of the team {}, {}", place.team.name, place.team.id);
        return Err(Problem::new(Code::Undecided, what)
            .why("an address alone does not say which team is meant")
            .hint("compare it with antiphon status on a machine you trust, and repeat with --team ID")
            .into());
    }
    session.output.note(&render::recovery::question(&place));
    if output::agrees("Is this your team?") {
        return Ok(place.team.id);
    }
    Err(Problem::new(Code::Undecided, "nothing was recovered").hint("antiphon recover PEER --team ID").into())
}

/// Waits until everything is here, or for so long, and says what is missing then.
async fn wait(node: &Client, expected: &[ExpectedLogDto], most: Duration, session: &Session) -> Outcome<RecoveryDto> {
    let total: u64 = expected.iter().map(|log| log.seq).sum();
    let bar = if session.output.json { ProgressBar::hidden() } else { ProgressBar::new(total) };
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} events") {
        bar.set_style(style);
    }
    bar.set_message("Fetching the team's log");
    let request = RecoveryRequestDto { expected: expected.to_vec() };
    let (started, mut restored, mut tried) = (Instant::now(), 0, 0);
    loop {
        let mut recovery = node.recovery(&request).await?;
        restored += recovery.restored;
        recovery.restored = restored;
        bar.set_position(recovery.events);
        // Parts that cannot be believed do not become better by waiting, but another member may come.
        let settled = recovery.missing == 0 && recovery.asked > 0;
        tried += u32::from(settled && !recovery.complete);
        if (settled && (recovery.complete || tried > 3)) || started.elapsed() >= most {
            bar.finish_and_clear();
            return Ok(recovery);
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
}
