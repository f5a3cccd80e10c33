//! Calls about what is shared with whom, and why something is not there.

use hyper::Method;

use super::calls::{percent_encoded, with_query};
use super::{Client, ClientError};
use crate::dto::{FederationDto, ModeDto, PeerSettingsDto, PeersDto, ShareDto, SyncNowDto, WhyAskDto, WhyDto};

impl Client {
    /// How the node shares with its team.
    ///
    /// # Errors
    /// [`ClientError`], as every method here.
    pub async fn federation(&self) -> Result<FederationDto, ClientError> {
        self.get("/api/v1/federation").await
    }

    /// Sets whether the node sends and takes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn set_node_mode(&self, mode: &str) -> Result<ModeDto, ClientError> {
        self.send(Method::PUT, "/api/v1/federation/mode", &ModeDto { mode: mode.to_owned() }).await
    }

    /// Compares with every member now; answers how they stand when all is equal, or after `wait` seconds.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn sync_now(&self, wait: u64) -> Result<PeersDto, ClientError> {
        self.send(Method::POST, "/api/v1/federation/now", &SyncNowDto { wait: Some(wait) }).await
    }

    /// Sets whether events are exchanged with a peer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn set_peer_mode(&self, peer: &str, mode: &str) -> Result<PeerSettingsDto, ClientError> {
        self.send(Method::PUT, &path(peer, "mode"), &ModeDto { mode: mode.to_owned() }).await
    }

    /// Sets which domains a peer gets the texts of.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn share_with(&self, peer: &str, share: &ShareDto) -> Result<PeerSettingsDto, ClientError> {
        self.send(Method::POST, &path(peer, "share"), share).await
    }

    /// What stands between a fact and a peer, or between the node and a peer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn why(&self, fact: Option<&str>, peer: &str) -> Result<WhyDto, ClientError> {
        let ask = WhyAskDto { fact: fact.map(str::to_owned) };
        self.get(&with_query(&format!("/api/v1/why/{}", percent_encoded(peer)), &ask)).await
    }
}

fn path(peer: &str, rest: &str) -> String {
    format!("/api/v1/peers/{}/{rest}", percent_encoded(peer))
}
