//! One typed method per route.

use std::fmt::Write as _;

use hyper::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Client, ClientError};
use crate::dto::{
    ActorDto, BatchDto, BatchResultDto, EditDto, FactAskDto, FactDto, FactFilterDto, FactsDto, HandshakeDto,
    HandshakeRequestDto, HistoryDto, InvitationDto, InviteDto, JoinDto, JoinedDto, NewFactDto, PeersDto, StateHashDto,
    StatusDto, VerifyDto, WrittenDto,
};

impl Client {
    /// The state of the node.
    ///
    /// # Errors
    /// [`ClientError`], as every method here.
    pub async fn status(&self) -> Result<StatusDto, ClientError> {
        self.get("/api/v1/status").await
    }

    /// Remembers one fact.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn remember(&self, fact: &NewFactDto) -> Result<WrittenDto, ClientError> {
        self.send(Method::POST, "/api/v1/facts", fact).await
    }

    /// Remembers many facts; each has its own result.
    ///
    /// # Errors
    /// [`ClientError`] when the batch as a whole failed.
    pub async fn remember_all(&self, batch: &BatchDto) -> Result<BatchResultDto, ClientError> {
        self.send(Method::POST, "/api/v1/facts/batch", batch).await
    }

    /// Lists facts.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn facts(&self, filter: &FactFilterDto) -> Result<FactsDto, ClientError> {
        self.get(&with_query("/api/v1/facts", filter)).await
    }

    /// One fact by its id or the beginning of it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn fact(&self, id: &str) -> Result<FactDto, ClientError> {
        self.get(&fact_path(id, "")).await
    }

    /// What a fact said at a time, by the clocks of its authors: a time, or how long ago, as in `7d`.
    ///
    /// # Errors
    /// [`ClientError`], also where the fact was not there then.
    pub async fn fact_at(&self, id: &str, at: &str) -> Result<FactDto, ClientError> {
        self.get(&with_query(&fact_path(id, ""), &FactAskDto { as_of: Some(at.into()) })).await
    }

    /// Changes a fact.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn edit(&self, id: &str, edit: &EditDto) -> Result<WrittenDto, ClientError> {
        self.send(Method::PATCH, &fact_path(id, ""), edit).await
    }

    /// Forgets a fact.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn forget(&self, id: &str, actor: &ActorDto) -> Result<WrittenDto, ClientError> {
        self.send(Method::DELETE, &with_query(&fact_path(id, ""), actor), &()).await
    }

    /// Brings a forgotten fact back.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn restore(&self, id: &str, actor: &ActorDto) -> Result<WrittenDto, ClientError> {
        self.send(Method::POST, &fact_path(id, "/restore"), actor).await
    }

    /// The life of a fact.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn history(&self, id: &str) -> Result<HistoryDto, ClientError> {
        self.get(&fact_path(id, "/history")).await
    }

    /// Every peer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn peers(&self) -> Result<PeersDto, ClientError> {
        self.get("/api/v1/peers").await
    }

    /// Greets the peer at `address` now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn handshake(&self, address: &str) -> Result<HandshakeDto, ClientError> {
        let request = HandshakeRequestDto { address: address.to_owned() };
        self.send(Method::POST, "/api/v1/peers/handshake", &request).await
    }

    /// Makes a ticket.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn invite(&self, invite: &InviteDto) -> Result<InvitationDto, ClientError> {
        self.send(Method::POST, "/api/v1/team/invite", invite).await
    }

    /// Uses a ticket.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn join(&self, join: &JoinDto) -> Result<JoinedDto, ClientError> {
        self.send(Method::POST, "/api/v1/team/join", join).await
    }

    /// Checks the whole database.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn verify(&self) -> Result<VerifyDto, ClientError> {
        self.get("/api/v1/verify").await
    }

    /// The hash that all synced members share.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn state_hash(&self) -> Result<StateHashDto, ClientError> {
        self.get("/api/v1/state-hash").await
    }

    /// Begins a clean stop of the node.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn shutdown(&self) -> Result<(), ClientError> {
        let _: Value = self.send(Method::POST, "/api/v1/shutdown", &json!({})).await?;
        Ok(())
    }
}

fn fact_path(id: &str, rest: &str) -> String {
    format!("/api/v1/facts/{}{rest}", percent_encoded(id))
}

pub(super) fn with_query(path: &str, query: &impl Serialize) -> String {
    match serde_urlencoded::to_string(query) {
        Ok(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    }
}

/// What a person types as an id may hold anything; in a path only plain characters may stand.
pub(super) fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_person_types_stays_inside_the_path() {
        assert_eq!(fact_path("01ARZ3", "/history"), "/api/v1/facts/01ARZ3/history");
        assert_eq!(fact_path("../x?y#é", ""), "/api/v1/facts/%2E%2E%2Fx%3Fy%23%C3%A9");
        let filter = FactFilterDto { tag: Some("a&b".into()), limit: Some(5), ..FactFilterDto::default() };
        assert_eq!(with_query("/f", &filter), "/f?tag=a%26b&limit=5");
        assert_eq!(with_query("/f", &FactFilterDto::default()), "/f");
    }
}
