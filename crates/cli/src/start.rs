//! Starting the node in the background.
//!
//! The command starts this program again as `up --background`, which leaves the terminal's session and reports on its
//! stdout, in one line, whether it runs. Its stderr is the log of the home. Two commands that find no node at the same
//! time both start one; the home lets one of them in, and the other's command finds the winner's node.
//!
//! A new home is founded here, before the start: the recovery phrase belongs in front of a person and must never
//! reach the log.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, IsTerminal};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use antiphon_node::Initialized;
use antiphon_node::home;
use antiphon_server::dto::StatusDto;
use serde::{Deserialize, Serialize};

use crate::commands::up::Settings;
use crate::config_file::{Environment, Resolved};
use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem, file_problem};
use crate::render;

/// How long a node may take until it answers, in milliseconds. Opening a large database takes a while.
const START_WAIT_MAX_MS: u64 = 120_000;
/// How often a home that another process holds is tried again, in milliseconds.
const RETRY_MS: u64 = 100;
/// How often it is tried: the holder is starting, so that it answers soon, or stopping, so that it lets go.
const TRIES_MAX: u32 = 300;
/// Longest log that is continued, in bytes; a longer one is set aside as `node.log.old`.
const LOG_BYTES_MAX: u64 = 8 << 20;

/// What a node in the background tells the command that started it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// It runs.
    Up(Box<StatusDto>),
    /// Another process holds the home.
    Held(Problem),
    /// It cannot run.
    Failed(Problem),
}

/// Starts the node because a command needs it, with what the environment says and nothing else.
///
/// # Errors
/// A problem when it does not come up.
pub(crate) async fn for_command(session: &Session) -> Outcome {
    let founded = found(session, &Settings::default()).await?;
    // It is shown even if the start fails: the node has been made, and this is the only time.
    if let Some(founded) = &founded {
        session.output.note(&founding_note(session, founded));
    }
    in_background(session, &[]).await?;
    Ok(())
}

/// Shows the phrase of a node that was made and could not be started; this is the only time.
pub(crate) fn show_phrase(phrase: Option<&str>, session: &Session) {
    if let Some(phrase) = phrase {
        session.output.note(&format!("{}\n", render::node::phrase(phrase)));
    }
}

/// The phrase is shown to a person only: whatever else reads stderr may keep it.
fn founding_note(session: &Session, founded: &Initialized) -> String {
    let home = session.home.path().display();
    let new = format!("A new node was made in {home}: {}, in a team of its own.", founded.name);
    if std::io::stderr().is_terminal() {
        return format!("{}\n\n{}\n", render::safe(&new), render::node::phrase(&founded.phrase));
    }
    let key = session.home.key();
    format!("{}\nIts identity is the file {}: keep a copy of it in a safe place.", render::safe(&new), key.display())
}

/// A node that runs in the background.
pub(crate) struct InBackground {
    /// What it said.
    pub(crate) status: Box<StatusDto>,
    /// Whether it is another command that started it.
    pub(crate) ran_before: bool,
}

/// Starts the node in the background if it does not run there, and waits until it answers.
///
/// # Errors
/// A problem when it does not come up.
pub(crate) async fn in_background(session: &Session, args: &[String]) -> Outcome<InBackground> {
    let mut last = None;
    for _ in 0..TRIES_MAX {
        match session.running().await? {
            Some(node) => match node.status().await {
                Ok(status) => return Ok(InBackground { status: Box::new(status), ran_before: true }),
                // A process that ends takes connections until its last file is closed, and answers none of them.
                Err(error) if error.is_gone() => last = Some(Problem::from(error)),
                Err(error) => return Err(error.into()),
            },
            None => match report_of(session, spawn(session, args)?).await? {
                Report::Up(status) => return Ok(InBackground { status, ran_before: false }),
                Report::Failed(problem) => return Err(problem.into()),
                Report::Held(problem) => last = Some(problem),
            },
        }
        tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
    }
    let held = || Problem::new(Code::Unreachable, "the node does not answer");
    Err(last.unwrap_or_else(held).why("it holds the home and does not answer").into())
}

/// What holds for a node that is started here and now with these flags.
///
/// # Errors
/// A problem that names what makes no sense.
pub(crate) fn resolved(session: &Session, flags: &Settings) -> Result<Resolved, Problem> {
    Resolved::read(session.home.path(), &Environment::of_process(), &flags.given()?)
}

/// Founds a team of one where nothing is yet.
///
/// # Errors
/// A problem when that is not possible.
pub(crate) async fn found(session: &Session, flags: &Settings) -> Result<Option<Initialized>, Problem> {
    if session.home.key().exists() {
        return Ok(None);
    }
    let config = resolved(session, flags)?.wanted.config(session.home.clone());
    for _ in 0..TRIES_MAX {
        if session.home.key().exists() {
            return Ok(None);
        }
        match antiphon_node::init(&config) {
            Ok(founded) => return Ok(Some(founded)),
            Err(antiphon_node::Error::Initialized(_)) => return Ok(None),
            // Somebody else is founding it, or only looks whether a node runs. Whoever founds shows the phrase, so
            // it must not be left to the node in the background.
            Err(antiphon_node::Error::Home(home::Error::Held { .. })) => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
    }
    let what = format!("the home {} is held by another process", session.home.path().display());
    Err(Problem::new(Code::Failed, what).hint("antiphon down"))
}

fn spawn(session: &Session, args: &[String]) -> Result<Child, Problem> {
    let program = std::env::current_exe().map_err(|error| {
        Problem::new(Code::Failed, "the path of this program is not known").why(error.to_string()).hint("antiphon up")
    })?;
    let mut command = Command::new(&program);
    command.arg("--home").arg(session.home.path()).args(["up", "--background"]).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(open_log(session)?);
    command.spawn().map_err(|error| file_problem("start", &program, &error))
}

fn open_log(session: &Session) -> Result<File, Problem> {
    session.home.create().map_err(|error| Problem::from(antiphon_node::Error::from(error)))?;
    let path = session.home.log();
    if fs::metadata(&path).is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
        fs::rename(&path, path.with_extension("log.old")).map_err(|error| file_problem("set aside", &path, &error))?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    options.open(&path).map_err(|error| file_problem("write", &path, &error))
}

async fn report_of(session: &Session, mut child: Child) -> Result<Report, Problem> {
    let pipe = child.stdout.take();
    let reading = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        let read = pipe.map(|pipe| BufReader::new(pipe).read_line(&mut line));
        // One that reported a failure is about to end; one that runs is left to itself.
        let report = serde_json::from_str::<Report>(&line).ok();
        if !matches!(report, Some(Report::Up(_))) && read.is_some_and(|read| read.is_ok()) {
            let _ = child.wait();
        }
        report
    });
    match tokio::time::timeout(Duration::from_millis(START_WAIT_MAX_MS), reading).await {
        Ok(Ok(Some(report))) => Ok(report),
        Ok(_) => Err(silent(session, "the node ended before it answered")),
        Err(_) => Err(silent(session, "the node does not answer")),
    }
}

fn silent(session: &Session, what: &str) -> Problem {
    let problem = Problem::new(Code::Failed, what).hint("antiphon -v up shows what it does");
    let log = fs::read(session.home.log()).unwrap_or_default();
    let text = String::from_utf8_lossy(&log);
    match text.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) => problem.why(format!("the last line of its log is: {line}")),
        None => problem,
    }
}
