//! Calls about incidents.

use hyper::Method;

use super::calls::{percent_encoded, with_query};
use super::{Client, ClientError};
use crate::dto::{
    HistoryDto, IncidentDto, IncidentEditDto, IncidentFilterDto, IncidentsDto, NewIncidentDto, WrittenDto,
};

const INCIDENTS: &str = "/api/v1/incidents";

impl Client {
    /// Reports an incident.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn report_incident(&self, incident: &NewIncidentDto) -> Result<WrittenDto, ClientError> {
        self.send(Method::POST, INCIDENTS, incident).await
    }

    /// Changes an incident.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn update_incident(&self, id: &str, edit: &IncidentEditDto) -> Result<WrittenDto, ClientError> {
        self.send(Method::PATCH, &path(id, ""), edit).await
    }

    /// Lists incidents.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn incidents(&self, filter: &IncidentFilterDto) -> Result<IncidentsDto, ClientError> {
        self.get(&with_query(INCIDENTS, filter)).await
    }

    /// One incident by its id or the beginning of it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn incident(&self, id: &str) -> Result<IncidentDto, ClientError> {
        self.get(&path(id, "")).await
    }

    /// The life of an incident.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn incident_history(&self, id: &str) -> Result<HistoryDto, ClientError> {
        self.get(&path(id, "/history")).await
    }
}

fn path(id: &str, rest: &str) -> String {
    format!("{INCIDENTS}/{}{rest}", percent_encoded(id))
}
