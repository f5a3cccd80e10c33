//! `antiphon init`: founds a team on this machine.

use antiphon_node::Config;
use clap::Args;
use serde::Serialize;

use crate::daemon::Session;
use crate::outcome::{Outcome, Problem};
use crate::output::{STRONG, styled};
use crate::render;

/// Options of `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Name of the team
    #[arg(long, value_name = "NAME")]
    pub(crate) team: String,
    /// Name of this node [default: the machine's name]
    #[arg(long, env = "ANTIPHON_NAME")]
    pub(crate) name: Option<String>,
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
    let config = Config { team: Some(args.team), name: args.name, ..Config::new(session.home.clone()) };
    let made = antiphon_node::init(&config).map_err(Problem::from)?;
    let founded = Founded {
        node_id: made.node_id.to_string(),
        name: made.name,
        team: TeamOut { id: made.team.id.to_string(), name: made.team.name },
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
    if let Some(phrase) = &founded.phrase {
        out.push_str(&format!("{}\n\n", render::node::phrase(phrase)));
    }
    out.push_str("Next: antiphon remember \"…\", or bring a machine in: antiphon invite --role backend_developer\n");
    out
}
