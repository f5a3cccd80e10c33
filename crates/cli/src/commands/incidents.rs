//! `antiphon incidents`: what went wrong, and how far it has been dealt with.

use antiphon_server::dto::{IncidentEditDto, IncidentFilterDto, NewIncidentDto};
use clap::{Args, Subcommand};

use super::edits::{replaced, set_or_clear};
use super::pages::up_to;
use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem};
use crate::render;
use crate::render::time::now_ms;

/// Commands of `incidents`. An id may be shortened as long as it is unique.
#[derive(Debug, Subcommand)]
pub(crate) enum IncidentsCommand {
    /// Report an incident to the whole team
    Report(ReportArgs),
    /// Change an incident
    Update(UpdateArgs),
    /// List incidents, the newest first
    List(ListArgs),
    /// Show one incident with everything that happened to it
    Show {
        /// Id of the incident, or the beginning of it
        id: String,
    },
}

/// Options of `incidents report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// What happened, on one line
    pub(crate) title: String,
    /// How bad it is: info, low, medium, high, critical [default: medium]
    #[arg(long)]
    pub(crate) severity: Option<String>,
    /// How far it has been dealt with: open, investigating, contained, resolved, closed [default: open]
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// What is known about it
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// How far the attack has got: reconnaissance, weaponization, delivery, exploitation, installation,
    /// command_and_control, actions_on_objectives
    #[arg(long)]
    pub(crate) phase: Option<String>,
    /// An ATT&CK technique, as T1059 or T1059.001; repeatable
    #[arg(long = "technique", value_name = "ID")]
    pub(crate) techniques: Vec<String>,
    /// How many single occurrences it stands for [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) event_count: Option<u64>,
    /// The rule that saw them as one
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// Reporting again with the same key within a day writes nothing new
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Write control and bidirectional characters visibly instead of refusing them
    #[arg(long)]
    pub(crate) escape: bool,
}

/// Options of `incidents update`: what is not named stays as it is, and an empty text clears description, phase or
/// rule.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Id of the incident, or the beginning of it
    pub(crate) id: String,
    /// The new title
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// The new severity: info, low, medium, high, critical
    #[arg(long)]
    pub(crate) severity: Option<String>,
    /// The new status: open, investigating, contained, resolved, closed
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// What is known about it; an empty text clears it
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// The new phase of the kill chain; an empty text clears it
    #[arg(long)]
    pub(crate) phase: Option<String>,
    /// An ATT&CK technique; repeatable, and all of them replace the present ones
    #[arg(long = "technique", value_name = "ID")]
    pub(crate) techniques: Vec<String>,
    /// Remove all techniques
    #[arg(long, conflicts_with = "techniques")]
    pub(crate) no_techniques: bool,
    /// How many single occurrences it stands for
    #[arg(long, value_name = "N")]
    pub(crate) event_count: Option<u64>,
    /// The rule that saw them as one; an empty text clears it
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// Write control and bidirectional characters visibly instead of refusing them
    #[arg(long)]
    pub(crate) escape: bool,
}

/// Options of `incidents list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only of this status: open, investigating, contained, resolved, closed
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only of this severity: info, low, medium, high, critical
    #[arg(long)]
    pub(crate) severity: Option<String>,
    /// Only those that were changed on two machines at once and wait for somebody to settle it
    #[arg(long)]
    pub(crate) diverged: bool,
    /// Most incidents to list
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
}

/// Runs the command.
pub(crate) async fn run(command: IncidentsCommand, session: &Session) -> Outcome {
    match command {
        IncidentsCommand::Report(args) => report(args, session).await,
        IncidentsCommand::Update(args) => update(args, session).await,
        IncidentsCommand::List(args) => list(args, session).await,
        IncidentsCommand::Show { id } => {
            let node = session.node().await?;
            let incident = node.incident(&id).await?;
            let history = node.incident_history(&incident.id).await?;
            session.output.result(&incident, |incident| render::incidents::incident(incident, &history))
        }
    }
}

async fn report(args: ReportArgs, session: &Session) -> Outcome {
    let incident = NewIncidentDto {
        title: args.title,
        status: args.status,
        severity: args.severity,
        description: args.description,
        event_count: args.event_count,
        correlation_rule: args.rule,
        kill_chain_phase: args.phase,
        mitre_mapping: args.techniques,
        idempotency_key: args.idempotency_key,
        escape: args.escape,
        ..NewIncidentDto::default()
    };
    let written = session.node().await?.report_incident(&incident).await?;
    session.output.result(&written, |written| match written.outcome.as_str() {
        "written" => format!("Reported as {}.", written.id),
        _ => format!("Reported before as {}.", written.id),
    })
}

async fn update(args: UpdateArgs, session: &Session) -> Outcome {
    let id = args.id.clone();
    let edit = edit_of(args);
    if edit == (IncidentEditDto { escape: edit.escape, ..IncidentEditDto::default() }) {
        return Err(Problem::new(Code::Invalid, "the update changes nothing")
            .why("no field was named")
            .hint(format!("antiphon incidents update {id} --status contained"))
            .into());
    }
    let written = session.node().await?.update_incident(&id, &edit).await?;
    session.output.result(&written, |written| match written.outcome.as_str() {
        "written" => format!("Updated {}.", written.id),
        _ => format!("{} has these values already.", written.id),
    })
}

fn edit_of(args: UpdateArgs) -> IncidentEditDto {
    IncidentEditDto {
        title: args.title,
        status: args.status,
        severity: args.severity,
        description: set_or_clear(args.description),
        event_count: args.event_count,
        correlation_rule: set_or_clear(args.rule),
        kill_chain_phase: set_or_clear(args.phase),
        mitre_mapping: replaced(args.techniques, args.no_techniques),
        escape: args.escape,
        ..IncidentEditDto::default()
    }
}

async fn list(args: ListArgs, session: &Session) -> Outcome {
    let filter = IncidentFilterDto {
        status: args.status,
        severity: args.severity,
        diverged: args.diverged.then_some(true),
        ..IncidentFilterDto::default()
    };
    let node = session.node().await?;
    let page = async |after, limit| {
        let page = node.incidents(&IncidentFilterDto { after, limit: Some(limit), ..filter.clone() }).await?;
        Ok((page.incidents, page.next))
    };
    let (incidents, more) = up_to(args.limit, page).await?;
    session.output.result(&incidents, |incidents| render::incidents::list(incidents, now_ms()))?;
    if more {
        let shown = render::count(incidents.len(), "incident");
        session.output.note(&format!("There are more than {shown}; --limit N shows more."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use antiphon_server::dto::Change;

    use super::*;

    #[test]
    fn an_empty_text_clears_and_a_missing_one_keeps() {
        let args = UpdateArgs {
            id: "01X".into(),
            title: None,
            severity: None,
            status: Some("closed".into()),
            description: Some(String::new()),
            phase: None,
            techniques: Vec::new(),
            no_techniques: true,
            event_count: None,
            rule: Some("r".into()),
            escape: false,
        };
        let edit = edit_of(args);
        assert_eq!((edit.description, edit.kill_chain_phase), (Change::Clear, Change::Keep));
        assert_eq!((edit.mitre_mapping, edit.correlation_rule), (Change::Clear, Change::Set("r".into())));
        assert_eq!(edit.status.as_deref(), Some("closed"));
    }
}
