//! `antiphon init`: founds a team on this machine.

use std::path::PathBuf;

use antiphon_node::Config;
use clap::Args;
use serde::Serialize;

use crate::daemon::Session;
use crate::founding::Founding;
use crate::locate;
use crate::outcome::{Outcome, Problem};
use crate::output::{STRONG, styled};
use crate::render;

/// Options of `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Name of the team
    #[arg(long, value_name = "NAME")]
    pub(crate) team: String,
    /// Name of this node [default: the machine's name, and the profile's]
    #[arg(long, env = "ANTIPHON_NAME")]
    pub(crate) name: Option<String>,
    /// What the team is founded with besides: stewards, roles, policies, limits and laws, in TOML
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) founding: Option<PathBuf>,
    /// Do not show the recovery phrase
    #[arg(long)]
    pub(crate) no_recovery: bool,
}

/// What was founded.
#[derive(Serialize)]
struct Founded<'a> {
    node_id: String,
    name: String,
    team: TeamOut,
    founding: &'a Founding,
    #[serde(skip_serializing_if = "Option::is_none")]
    phrase: Option<&'a str>,
}

#[derive(Serialize)]
struct TeamOut {
    id: String,
    name: String,
}

/// Runs the command.
pub(crate) async fn run(args: InitArgs, session: &Session) -> Outcome {
    if session.home.key().exists() {
        let home = session.home.path().display().to_string();
        return Err(Problem::from(antiphon_node::Error::Initialized(home)).into());
    }
    let founding = args.founding.as_deref().map(Founding::read).transpose()?.unwrap_or_default();
    let home = locate::config(session.home.clone());
    let config = Config { team: Some(args.team), name: args.name, founding: founding.all.clone(), ..home };
    let made = antiphon_node::init(&config).map_err(Problem::from)?;
    let founded = Founded {
        node_id: made.node_id.to_string(),
        name: made.name,
        team: TeamOut { id: made.team.id.to_string(), name: made.team.name },
        founding: &founding,
        phrase: (!args.no_recovery).then(|| made.phrase.as_str()),
    };
    session.output.result(&founded, |founded| words(founded, session))
}

fn words(founded: &Founded<'_>, session: &Session) -> String {
    let mut out = format!(
        "Founded the team {} on {} ({}).\nIts data is in {}.\n\n",
        styled(STRONG, &render::safe(&founded.team.name)),
        styled(STRONG, &render::safe(&founded.name)),
        founded.node_id,
        session.home.path().display()
    );
    out.push_str(&what_besides(founded.founding));
    if let Some(phrase) = &founded.phrase {
        out.push_str(&format!("{}\n\n", render::node::phrase(phrase)));
    }
    out.push_str("Next: antiphon remember \"…\", or bring a machine in: antiphon invite --role backend_developer\n");
    out
}

/// What the founding file added, so that its author sees what stands for good.
fn what_besides(founding: &Founding) -> String {
    if founding.all.is_empty() {
        return String::new();
    }
    let count = |n: usize, what: &str| (n > 0).then(|| render::count(n, what));
    let mut lines = Vec::new();
    if let Some(stewards) = count(founding.stewards.len(), "more steward") {
        lines.push(format!(
            "{stewards}: {}; each joins with antiphon invite --role admin",
            founding.stewards.join(", ")
        ));
    }
    lines.extend(founding.threshold.map(|number| format!("changes of stewards need {number} of them")));
    lines.extend(
        count(founding.roles.len(), "role of its own").map(|_| format!("roles: {}", founding.roles.join(", "))),
    );
    lines.extend(founding.shared_up_to.as_ref().map(|level| format!("facts are shared down to the level {level}")));
    lines.extend(founding.members_max.map(|most| format!("at most {}", crate::render::count(most, "member"))));
    lines.extend(count(founding.genes.len(), "law").map(|_| format!("laws: {}", founding.genes.join(", "))));
    let lines = lines.into_iter().map(|line| format!("  {line}\n")).collect::<String>();
    format!("It is founded, for good, with:\n{lines}\n")
}
