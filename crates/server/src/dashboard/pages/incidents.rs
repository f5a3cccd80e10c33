//! Incidents: what went wrong, how far an attack has got, and what was done about it.

mod view;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use serde::{Deserialize, Serialize};

use crate::dashboard::Dash;
use crate::dashboard::flash::{Done, Flash};
use crate::dashboard::page::{Form, Page, Query, Sent, Shown, Tab, given};
use crate::dashboard::say::{link, many};
use crate::dashboard::session::Visitor;
use crate::dto::{Change, IncidentDto, IncidentEditDto, IncidentFilterDto, NewIncidentDto};
use view::{Choice, Edit, Entry, Stage};

/// Incidents on one page.
const INCIDENTS_PER_PAGE: usize = 100;

/// The pages about incidents.
pub(super) fn routes() -> Router<Dash> {
    Router::new().route("/incidents", get(list).post(report)).route("/incidents/{id}", get(show).post(update))
}

/// Which incidents are listed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Filter {
    status: String,
    severity: String,
    after: String,
}

/// What was reported on one day.
struct Day {
    date: String,
    entries: Vec<Entry>,
}

#[derive(Template)]
#[template(path = "incidents.html")]
struct List {
    csrf: String,
    stages: Vec<Stage>,
    words: String,
    days: Vec<Day>,
    next: Option<String>,
    filtered: bool,
    statuses: Vec<Choice>,
    severities: Vec<Choice>,
    phases: Vec<Choice>,
}

async fn list(State(dash): State<Dash>, visitor: Visitor, Query(filter): Query<Filter>) -> Shown {
    let now = dash.now();
    let ask = IncidentFilterDto {
        status: given(&filter.status),
        severity: given(&filter.severity),
        limit: Some(INCIDENTS_PER_PAGE),
        after: given(&filter.after),
        diverged: None,
    };
    let page = dash.incidents(ask).await?;
    let mut days: Vec<Day> = Vec::new();
    for entry in page.incidents.iter().map(|incident| Entry::of(incident, now)) {
        match days.last_mut().filter(|day| day.date == entry.day) {
            Some(day) => day.entries.push(entry),
            None => days.push(Day { date: entry.day.clone(), entries: vec![entry] }),
        }
    }
    let further = |after: &str| {
        link("/incidents", &[("status", &filter.status), ("severity", &filter.severity), ("after", after)])
    };
    let view = List {
        csrf: visitor.csrf(),
        stages: view::stages(&page.incidents),
        words: view::words(&page.incidents, page.next.is_some()),
        days,
        next: page.next.as_deref().map(further),
        filtered: given(&filter.status).or_else(|| given(&filter.severity)).is_some(),
        statuses: view::statuses(&filter.status),
        severities: view::severities(&filter.severity),
        phases: view::phases(""),
    };
    let open = page.incidents.iter().filter(|one| !matches!(one.status.as_str(), "resolved" | "closed")).count() as u64;
    let heading =
        if open == 0 { "No open incidents".to_owned() } else { many(open, "open incident", "open incidents") };
    Ok(Page::new(Tab::Incidents, "Incidents", &view)?
        .heading(heading)
        .says("reported once, followed by the whole team"))
}

/// A report, or what an incident is to be from now on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Fields {
    title: String,
    status: String,
    severity: String,
    phase: String,
    description: String,
    techniques: String,
    /// What the page showed when it was written.
    was: String,
}

/// What a page showed of an incident, so that only what a person changed is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Was {
    title: String,
    status: String,
    severity: String,
    phase: String,
    description: String,
}

/// A text as it was typed: a browser sends a line's end as two characters.
fn typed(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

async fn report(State(dash): State<Dash>, Form(fields): Form<Fields>) -> Sent {
    let techniques = fields.techniques.split([',', ' ']).map(str::trim).filter(|text| !text.is_empty());
    let incident = NewIncidentDto {
        title: fields.title.trim().to_owned(),
        severity: given(&fields.severity),
        kill_chain_phase: given(&fields.phase),
        description: given(&typed(&fields.description)),
        mitre_mapping: techniques.map(str::to_owned).collect(),
        ..NewIncidentDto::default()
    };
    let written = dash.report_incident(incident).await?;
    Ok(Done::at(format!("/incidents/{}", written.id))
        .saying(Flash::done("The incident is reported to the whole team.")))
}

#[derive(Template)]
#[template(path = "incident.html")]
struct View {
    csrf: String,
    one: Entry,
    stages: Vec<Stage>,
    description: String,
    rule: String,
    edits: Vec<Edit>,
    statuses: Vec<Choice>,
    severities: Vec<Choice>,
    phases: Vec<Choice>,
    was: String,
}

async fn show(State(dash): State<Dash>, visitor: Visitor, Path(id): Path<String>) -> Shown {
    let now = dash.now();
    let incident = dash.incident(&id).await?;
    let history = dash.incident_history(&incident.id).await?.history;
    let was = Was::of(&incident);
    let view = View {
        csrf: visitor.csrf(),
        one: Entry::of(&incident, now),
        stages: view::stages_of(&incident),
        edits: view::edits(&history, now),
        statuses: view::statuses(&incident.status),
        severities: view::severities(&incident.severity),
        phases: view::phases(&was.phase),
        was: serde_json::to_string(&was).unwrap_or_default(),
        description: was.description,
        rule: incident.correlation_rule.unwrap_or_default(),
    };
    let title = view.one.title.clone();
    Ok(Page::new(Tab::Incidents, title, &view)?.leads("all incidents", "/incidents"))
}

impl Was {
    fn of(incident: &IncidentDto) -> Self {
        Self {
            title: incident.title.clone().unwrap_or_default(),
            status: incident.status.clone(),
            severity: incident.severity.clone(),
            phase: incident.kill_chain_phase.clone().unwrap_or_default(),
            description: incident.description.clone().unwrap_or_default(),
        }
    }

    /// What a person changed of it.
    fn changed(&self, fields: &Fields) -> IncidentEditDto {
        let line = |was: &str, is: &str| (was.trim() != is.trim()).then(|| is.trim().to_owned());
        let field = |was: &str, is: &str| match line(was, &typed(is)) {
            None => Change::Keep,
            Some(is) if is.is_empty() => Change::Clear,
            Some(is) => Change::Set(is),
        };
        IncidentEditDto {
            title: line(&self.title, &fields.title),
            status: line(&self.status, &fields.status),
            severity: line(&self.severity, &fields.severity),
            kill_chain_phase: field(&self.phase, &fields.phase),
            description: field(&self.description, &fields.description),
            ..IncidentEditDto::default()
        }
    }
}

async fn update(State(dash): State<Dash>, Path(id): Path<String>, Form(fields): Form<Fields>) -> Sent {
    // Without it everything in the form counts as changed, which is what it says.
    let was: Was = serde_json::from_str(&fields.was).unwrap_or_default();
    let edit = was.changed(&fields);
    let at = Done::at(format!("/incidents/{}", crate::dashboard::show::in_path(&id)));
    if edit == IncidentEditDto::default() {
        return Ok(at.saying(Flash::partly("Nothing was changed, so nothing was written.")));
    }
    dash.update_incident(&id, edit).await?;
    Ok(at.saying(Flash::done("The incident is updated; members learn of it as soon as they can be reached.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_person_changed_is_written() {
        let was =
            Was { title: "a shell".into(), status: "open".into(), description: "one\ntwo".into(), ..Was::default() };
        let mut fields = Fields {
            title: "a shell".into(),
            status: "contained".into(),
            description: "one\r\ntwo".into(),
            ..Fields::default()
        };
        let want = IncidentEditDto { status: Some("contained".into()), ..IncidentEditDto::default() };
        assert_eq!(was.changed(&fields), want);
        fields.description = " ".into();
        assert_eq!(was.changed(&fields).description, Change::Clear);
    }
}
