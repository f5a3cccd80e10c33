//! `antiphon doctor`: looks for what is wrong, and names the command that mends each finding.

mod ports;
mod programs;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use antiphon_node::home::Holder;
use antiphon_server::dto::{DoctorCheckDto, DoctorDto, DoctorFindingDto, DoctorMendDto, SettingsDto, StatusDto};
use clap::Args;
use serde::Serialize;

use crate::config_file::{Environment, HTTP_LISTEN, Resolved, shown};
use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem, Stop};
use crate::render;

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Mend what can be mended without taking anything from anybody: modes of files, files that were left behind
    #[arg(long)]
    pub(crate) fix: bool,
}

/// What was found, and what was done about it.
#[derive(Debug, Serialize)]
pub(crate) struct Examined {
    /// What was found; with `--fix`, what is left of it.
    #[serde(flatten)]
    pub(crate) found: DoctorDto,
    /// What was mended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mended: Vec<String>,
}

/// Runs the command. It starts no node: one that does not start is what it may be asked about.
pub(crate) async fn run(args: DoctorArgs, session: &Session) -> Outcome {
    let mut examined = Examined { found: examine(session).await?, mended: Vec::new() };
    if args.fix {
        let mends =
            examined.found.checks.iter().flat_map(|check| &check.findings).filter_map(|found| found.mend.as_ref());
        let mended = mends.map(|mend| mended(mend, session.home.path())).collect::<Result<Vec<_>, _>>()?;
        if !mended.is_empty() {
            examined = Examined { found: examine(session).await?, mended };
        }
    }
    session.output.result(&examined, render::doctor::examined)?;
    if examined.found.ok { Ok(()) } else { Err(Stop::Exit(Code::Failed.exit())) }
}

async fn examine(session: &Session) -> Outcome<DoctorDto> {
    let environment = environment(&Environment::of_process());
    let (mut found, settings) = match answering(session).await {
        Ok(Some((mut found, settings, status))) => {
            found.checks.push(ports::while_running(&settings, &status));
            found.checks.push(programs::examine(session, &status));
            (found, settings)
        }
        Ok(None) => offline(session),
        Err(problem) => {
            let (mut found, settings) = offline(session);
            found.checks.push(silent(&problem));
            (found, settings)
        }
    };
    found.checks.push(file(&settings));
    found.checks.push(environment);
    found.ok = found.checks.iter().all(|check| check.findings.is_empty());
    Ok(found)
}

/// What the running node says, if one runs.
async fn answering(session: &Session) -> Result<Option<(DoctorDto, SettingsDto, StatusDto)>, Problem> {
    let Some(node) = session.running().await? else { return Ok(None) };
    Ok(Some((node.doctor().await?, node.settings().await?, node.status().await?)))
}

/// A node that runs and does not say how it is. What keeps it from that shows in its files, if anywhere.
fn silent(problem: &Problem) -> DoctorCheckDto {
    let why = problem.why.as_deref().unwrap_or("see node.log in the home");
    let what = format!("the node does not say how it is: {}", problem.what);
    check("answer", "", vec![finding("error", &what, why, "antiphon down, then antiphon up --detach")])
}

/// What can be said without a node.
fn offline(session: &Session) -> (DoctorDto, SettingsDto) {
    let home = session.home.path();
    let read = Resolved::read(home, &Environment::of_process(), &[]);
    let defaults = Resolved::default();
    let holds = read.as_ref().unwrap_or(&defaults);
    let mut settings = shown::settings(home, holds, None);
    settings.problem = read.as_ref().err().cloned();
    let reserve = holds.wanted.reserve_bytes;
    let mut found = antiphon_server::doctor::offline(&session.home, reserve);
    // A node that holds the home has the ports itself.
    if matches!(session.home.lock_holder(), Ok(Holder::Nobody)) {
        found.checks.push(ports::of_start(holds, home));
    }
    (found, settings)
}

/// Whether `antiphon.toml` can be used.
fn file(settings: &SettingsDto) -> DoctorCheckDto {
    let why = "a node does not start with it, and a running one goes by what it said before";
    let bad = |problem: &Problem| {
        let fix = format!("{}; antiphon config path shows where it is", problem.hint.as_deref().unwrap_or("mend it"));
        finding("error", &problem.what, why, &fix)
    };
    check("configuration", "antiphon.toml and the environment can be used", settings.problem.iter().map(bad).collect())
}

/// Variables that look like settings and are none.
fn environment(environment: &Environment) -> DoctorCheckDto {
    let slip = |(name, near): (String, Option<String>)| {
        let fix = match &near {
            Some(near) => format!("unset {name}; export {near}=…"),
            None => format!("unset {name}"),
        };
        finding("warning", &format!("{name} in the environment is no setting"), "nothing reads it", &fix)
    };
    check("environment", "every variable is known", environment.unknown().into_iter().map(slip).collect())
}

/// Does what can be done, and says what that was.
fn mended(mend: &DoctorMendDto, home: &Path) -> Result<String, Problem> {
    let (DoctorMendDto::Mode { path, .. } | DoctorMendDto::Remove { path }) = mend;
    let path = Path::new(path);
    // The node names files of its own home, and nothing else may be touched whatever it says.
    if !path.starts_with(home) || path.is_symlink() {
        return Err(Problem::new(Code::Refused, format!("{} is not a file of the home", path.display())));
    }
    let (done, said) = match mend {
        DoctorMendDto::Mode { mode, .. } => {
            (fs::set_permissions(path, Permissions::from_mode(*mode)), format!("chmod {mode:o} {}", path.display()))
        }
        DoctorMendDto::Remove { .. } => (fs::remove_file(path), format!("rm {}", path.display())),
    };
    done.map(|()| said).map_err(|error| crate::outcome::file_problem("mend", path, &error))
}

fn check(name: &str, said: &str, findings: Vec<DoctorFindingDto>) -> DoctorCheckDto {
    let worst = if findings.iter().any(|found| found.severity == "error") { "error" } else { "warning" };
    let (state, said) = if findings.is_empty() { ("ok", said) } else { (worst, "") };
    DoctorCheckDto { check: name.to_owned(), state: state.to_owned(), said: said.to_owned(), findings }
}

fn finding(severity: &str, what: &str, why: &str, fix: &str) -> DoctorFindingDto {
    let [severity, what, why, fix] = [severity, what, why, fix].map(str::to_owned);
    DoctorFindingDto { severity, what, why, fix, mend: None }
}

/// Where a node that is started now must listen. The door's usual port is no must: without it, it takes another.
fn listens(holds: &Resolved) -> (Vec<String>, Option<String>) {
    let (node, http) = (&holds.wanted.node, &holds.wanted.http);
    (node.listen.clone(), (http.enabled && !holds.is_default(HTTP_LISTEN)).then(|| http.listen.clone()))
}
