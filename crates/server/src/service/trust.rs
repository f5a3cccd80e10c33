//! Peers, their gene backups, and what was refused.

use super::Service;
use crate::convert;
use crate::dto::{AuditDto, AuditFilterDto, BackupDto, BackupsDto, CountersDto, PeerDto, PeerIdDto, PeerStatsDto};
use crate::error::Problem;

/// Audit lines when nobody says how many.
const AUDIT_LINES_DEFAULT: usize = 100;
/// Most audit lines of one answer.
const AUDIT_LINES_MAX: usize = 10_000;

impl Service {
    pub(crate) async fn peer(&self, peer: &str) -> Result<PeerDto, Problem> {
        Ok(convert::peer(self.handle.peer(peer).await?, self.now()))
    }

    pub(crate) async fn reset_peer(&self, peer: &str) -> Result<PeerIdDto, Problem> {
        Ok(PeerIdDto { peer_id: self.handle.reset_peer(peer).await?.to_string() })
    }

    pub(crate) async fn forget_peer(&self, peer: &str) -> Result<PeerIdDto, Problem> {
        Ok(PeerIdDto { peer_id: self.handle.forget_peer(peer).await?.to_string() })
    }

    pub(crate) async fn peer_stats(&self) -> Result<PeerStatsDto, Problem> {
        Ok(convert::peer_stats(&self.handle.peer_stats().await?, &self.handle.counters().await?))
    }

    pub(crate) async fn counters(&self) -> Result<CountersDto, Problem> {
        Ok(convert::counters(&self.handle.counters().await?))
    }

    pub(crate) async fn backups(&self) -> Result<BackupsDto, Problem> {
        Ok(BackupsDto { backups: self.handle.backups().await?.into_iter().map(convert::backup).collect() })
    }

    pub(crate) async fn backup(&self, peer: &str) -> Result<BackupDto, Problem> {
        Ok(convert::backup(self.handle.backup(peer).await?))
    }

    pub(crate) async fn create_backup(&self, peer: &str) -> Result<BackupDto, Problem> {
        Ok(convert::backup(self.handle.create_backup(peer).await?))
    }

    pub(crate) async fn clear_backup(&self, peer: &str) -> Result<PeerIdDto, Problem> {
        Ok(PeerIdDto { peer_id: self.handle.clear_backup(peer).await?.to_string() })
    }

    pub(crate) async fn audit(&self, filter: AuditFilterDto) -> Result<AuditDto, Problem> {
        let limit = filter.limit.unwrap_or(AUDIT_LINES_DEFAULT).clamp(1, AUDIT_LINES_MAX);
        let (lines, peers) = (self.handle.audit(limit).await?, self.handle.peers().await?);
        Ok(AuditDto { lines: lines.into_iter().map(|line| convert::audit_line(line, &peers)).collect() })
    }
}
