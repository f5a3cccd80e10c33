//! Incidents: reporting, updating and showing them.

use super::{Service, named};
use crate::convert;
use crate::dto::{
    HistoryDto, IncidentDto, IncidentEditDto, IncidentFilterDto, IncidentsDto, NewIncidentDto, WrittenDto,
};
use crate::error::Problem;

/// Incidents on a page when nobody says how many.
const PAGE_INCIDENTS_DEFAULT: usize = 100;
/// Most incidents on one page.
const PAGE_INCIDENTS_MAX: usize = 1_000;

impl Service {
    pub(crate) async fn report_incident(&self, mut incident: NewIncidentDto) -> Result<WrittenDto, Problem> {
        let key = incident.idempotency_key.take();
        let draft = convert::report_of(incident)?;
        self.write(named("incident", "", key, draft)).await
    }

    pub(crate) async fn update_incident(&self, id: &str, mut edit: IncidentEditDto) -> Result<WrittenDto, Problem> {
        let key = edit.idempotency_key.take();
        let incident = self.handle.resolve_incident(id).await?;
        let draft = convert::update_of(incident, edit)?;
        self.write(named("incident", &incident.to_string(), key, draft)).await
    }

    pub(crate) async fn incident(&self, id: &str) -> Result<IncidentDto, Problem> {
        let id = self.handle.resolve_incident(id).await?;
        Ok(convert::incident(self.handle.incident(id).await?, self.seen()))
    }

    pub(crate) async fn incident_history(&self, id: &str) -> Result<HistoryDto, Problem> {
        let id = self.handle.resolve_incident(id).await?;
        let edits = self.handle.incident_history(id).await?;
        Ok(HistoryDto { id: id.to_string(), history: edits.into_iter().map(convert::incident_history).collect() })
    }

    pub(crate) async fn incidents(&self, filter: IncidentFilterDto) -> Result<IncidentsDto, Problem> {
        let limit = filter.limit.unwrap_or(PAGE_INCIDENTS_DEFAULT).clamp(1, PAGE_INCIDENTS_MAX);
        let after = filter.after.as_deref().map(convert::after_incident_of).transpose()?;
        let filter = convert::incident_filter_of(&filter)?;
        let views = self.handle.incidents(filter, limit.saturating_add(1), after).await?;
        Ok(convert::incidents(views, limit, self.seen()))
    }
}
