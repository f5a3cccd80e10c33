//! Peers, their backups, and what was refused.

use antiphon_core::ids::NodeId;
use antiphon_store::{AuditLine, BackupReason, GeneBackup};

use super::Handle;
use crate::api::{BackupView, Counters, Error, PeerStats, PeerView};
use crate::backups;
use crate::clock::now;
use crate::inputs::Command;
use crate::registry::Ask;

impl Handle {
    /// The peer that `text` names: its name, its id, or the beginning of it.
    ///
    /// # Errors
    /// [`Error::PeerNotFound`], [`Error::PeerAmbiguous`].
    pub async fn peer(&self, text: &str) -> Result<PeerView, Error> {
        let node = self.resolve_peer(text).await?;
        let found = self.peers().await?.into_iter().find(|peer| peer.peer_id == node);
        found.ok_or_else(|| Error::PeerNotFound(node.to_string()))
    }

    /// The peer registry in numbers.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn peer_stats(&self) -> Result<PeerStats, Error> {
        self.ask(|reply| Command::Registry(Ask::Stats(reply))).await
    }

    /// Whether a peer proved that it belongs to the team, and was not silent for too long since.
    ///
    /// # Errors
    /// [`Error::PeerNotFound`], [`Error::PeerAmbiguous`].
    pub async fn is_trusted(&self, text: &str) -> Result<bool, Error> {
        Ok(self.peer(text).await?.trust == crate::api::Trust::Verified)
    }

    /// Forgets the pinned store of a peer, its cursor and when it was seen, so that the next handshake pins anew. For a
    /// person who knows that the peer's database was made anew. Doing it twice is doing it once.
    ///
    /// # Errors
    /// [`Error::PeerNotFound`], [`Error::PeerAmbiguous`].
    pub async fn reset_peer(&self, text: &str) -> Result<NodeId, Error> {
        let peer = self.resolve_peer(text).await?;
        self.ask(|reply| Command::Registry(Ask::Reset { peer, reply })).await?;
        Ok(peer)
    }

    /// Forgets a peer that is no member.
    ///
    /// # Errors
    /// [`Error::PeerIsMember`], [`Error::PeerNotFound`], [`Error::PeerAmbiguous`].
    pub async fn forget_peer(&self, text: &str) -> Result<NodeId, Error> {
        let peer = self.peer(text).await?;
        let node = peer.peer_id;
        if self.ask(|reply| Command::Registry(Ask::Forget { peer: node, reply })).await? {
            return Ok(node);
        }
        Err(Error::PeerIsMember(named(&peer)))
    }

    /// Forgets whoever is no member and was not heard of for `ttl_ms` milliseconds; returns how many. The node does it
    /// by itself every hour, for [`crate::PEER_TTL_MS`].
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn forget_unseen_peers(&self, ttl_ms: u64) -> Result<usize, Error> {
        self.ask(|reply| Command::Registry(Ask::ForgetUnseen { ttl_ms, reply })).await
    }

    /// Pins what this node holds of a peer's own logs, whether it is silent or not.
    ///
    /// # Errors
    /// [`Error::NothingToBackUp`], [`Error::PeerNotFound`], [`Error::PeerAmbiguous`].
    pub async fn create_backup(&self, text: &str) -> Result<BackupView, Error> {
        let peer = self.peer(text).await?;
        let made = backups::make(self.store(), peer.peer_id, BackupReason::Explicit).await?;
        let (backup, gone) = made.ok_or_else(|| Error::NothingToBackUp(named(&peer)))?;
        self.tell(Command::Registry(Ask::BackedUp { backup: Box::new(backup.clone()), gone })).await?;
        Ok(BackupView { name: peer.name, backup })
    }

    /// Every gene backup, in the order of the peers' ids.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn backups(&self) -> Result<Vec<BackupView>, Error> {
        let backups = self.store().read(|reader| reader.backups()).await?;
        let peers = self.peers().await?;
        let view = |backup: GeneBackup| {
            let name = peers.iter().find(|peer| peer.peer_id == backup.node).map(|peer| peer.name.clone());
            BackupView { name: name.unwrap_or_default(), backup }
        };
        Ok(backups.into_iter().map(view).collect())
    }

    /// The gene backup of a peer.
    ///
    /// # Errors
    /// [`Error::NoBackup`], [`Error::PeerNotFound`], [`Error::PeerAmbiguous`].
    pub async fn backup(&self, text: &str) -> Result<BackupView, Error> {
        let peer = self.peer(text).await?;
        let node = peer.peer_id;
        let found = self.store().read(move |reader| reader.backup(&node)).await?;
        let backup = found.ok_or_else(|| Error::NoBackup(named(&peer)))?;
        Ok(BackupView { name: peer.name, backup })
    }

    /// Ends the gene backup of a peer. Nothing that the peer wrote is deleted.
    ///
    /// # Errors
    /// [`Error::NoBackup`], [`Error::PeerNotFound`], [`Error::PeerAmbiguous`].
    pub async fn clear_backup(&self, text: &str) -> Result<NodeId, Error> {
        let peer = self.peer(text).await?;
        let node = peer.peer_id;
        if !self.store().write(move |db| db.remove_backup(&node)).await? {
            return Err(Error::NoBackup(named(&peer)));
        }
        self.tell(Command::Registry(Ask::BackupCleared(node))).await?;
        Ok(node)
    }

    /// Counts that a door refused something and writes it down. `kind` and `reason` are stable words; `detail` never
    /// holds a secret.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`].
    pub async fn refuse(
        &self,
        kind: &'static str,
        node: Option<NodeId>,
        reason: &'static str,
        detail: &str,
    ) -> Result<(), Error> {
        tracing::warn!(kind, node = node.map(|node| node.to_string()), reason, detail, "refused");
        self.tell(Command::Registry(Ask::Refused { kind, reason })).await?;
        let detail = detail.to_owned();
        Ok(self.store().write(move |db| db.audit(now(), kind, node.as_ref(), reason, &detail)).await?)
    }

    /// What was refused, at most `limit` lines, the newest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn audit(&self, limit: usize) -> Result<Vec<AuditLine>, Error> {
        Ok(self.store().read(move |reader| reader.audit(limit)).await?)
    }

    /// What was counted since the node started.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn counters(&self) -> Result<Counters, Error> {
        self.ask(|reply| Command::Registry(Ask::Counters(reply))).await
    }
}

fn named(peer: &PeerView) -> String {
    if peer.name.is_empty() { peer.peer_id.to_string() } else { peer.name.clone() }
}
