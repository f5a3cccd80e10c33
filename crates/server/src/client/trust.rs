//! One typed method per route about peers, their gene backups and what was refused.

use hyper::Method;

use super::calls::{percent_encoded, with_query};
use super::{Client, ClientError};
use crate::dto::{AuditDto, AuditFilterDto, BackupDto, BackupsDto, CountersDto, PeerDto, PeerIdDto, PeerStatsDto};

impl Client {
    /// One peer by its name, its id or the beginning of it.
    ///
    /// # Errors
    /// [`ClientError`], as every method here.
    pub async fn peer(&self, peer: &str) -> Result<PeerDto, ClientError> {
        self.get(&path("peers", peer, "")).await
    }

    /// Forgets the pin of a peer, so that the next handshake pins anew.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn reset_peer(&self, peer: &str) -> Result<PeerIdDto, ClientError> {
        self.send(Method::POST, &path("peers", peer, "/reset"), &()).await
    }

    /// Forgets a peer that is no member.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn forget_peer(&self, peer: &str) -> Result<PeerIdDto, ClientError> {
        self.send(Method::DELETE, &path("peers", peer, ""), &()).await
    }

    /// The peer registry in numbers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn peer_stats(&self) -> Result<PeerStatsDto, ClientError> {
        self.get("/api/v1/peer-stats").await
    }

    /// What was counted since the node started.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn counters(&self) -> Result<CountersDto, ClientError> {
        self.get("/api/v1/counters").await
    }

    /// Every gene backup.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn backups(&self) -> Result<BackupsDto, ClientError> {
        self.get("/api/v1/backups").await
    }

    /// The gene backup of a peer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn backup(&self, peer: &str) -> Result<BackupDto, ClientError> {
        self.get(&path("backups", peer, "")).await
    }

    /// Makes a gene backup of a peer now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn create_backup(&self, peer: &str) -> Result<BackupDto, ClientError> {
        self.send(Method::POST, &path("backups", peer, ""), &()).await
    }

    /// Ends the gene backup of a peer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn clear_backup(&self, peer: &str) -> Result<PeerIdDto, ClientError> {
        self.send(Method::DELETE, &path("backups", peer, ""), &()).await
    }

    /// What was refused, the newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn audit(&self, filter: &AuditFilterDto) -> Result<AuditDto, ClientError> {
        self.get(&with_query("/api/v1/audit", filter)).await
    }
}

fn path(of: &str, peer: &str, rest: &str) -> String {
    format!("/api/v1/{of}/{}{rest}", percent_encoded(peer))
}
