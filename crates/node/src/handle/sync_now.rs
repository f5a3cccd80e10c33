//! Comparing with every member at once, for somebody who does not want to wait for the next comparison.

use std::time::Duration;

use antiphon_core::time::UnixMillis;
use antiphon_store::{NodeMode, PeerMode};
use tokio::time::{Instant, sleep};

use super::Handle;
use crate::api::{Error, PeerView, Trust};
use crate::clock::now;
use crate::inputs::Command;
use crate::modes::{Ask, Compared, Told};

/// Pause between two looks at how far it has come.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Handle {
    /// Compares clocks with every member that is connected, dials the others, and waits until both sides hold the same,
    /// or whoever is away has been tried; at most `wait`. Answers how every member stands then.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Store`].
    pub async fn sync_now(&self, wait: Duration) -> Result<Vec<PeerView>, Error> {
        let until = Instant::now() + wait;
        let (mode, compared) = (self.node_mode().await?, self.ask(|reply| Command::Modes(Ask::Compare(reply))).await?);
        loop {
            let (told, team) = (self.ask(|reply| Command::Modes(Ask::Told(reply))).await?, self.team().await?);
            let mut members = self.peers().await?;
            members.retain(|peer| team.membership.member(&peer.peer_id).is_some());
            // Nobody whose grant is over is dialled.
            let over = |peer: &PeerView| team.check(&peer.peer_id, now()).is_err();
            let settled = |peer: &PeerView| over(peer) || is_settled(peer, mode, &compared, &told);
            if members.iter().all(settled) || Instant::now() >= until {
                return Ok(members);
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Whether nothing more is to be expected of a member soon.
fn is_settled(peer: &PeerView, mode: NodeMode, compared: &Compared, told: &Told) -> bool {
    let tried = |at: UnixMillis| at > compared.at;
    match peer.trust {
        _ if !peer.connected => peer.addresses.is_empty() || peer.next_try.is_some_and(tried),
        Trust::Rejected => true,
        Trust::Verified => {
            let one_way = mode != NodeMode::Sync || peer.mode == PeerMode::Paused || peer.takes == Some(false);
            let level = (peer.lag_events, peer.behind_events) == (Some(0), Some(0));
            has_told(peer, compared, told) && (one_way || level)
        }
        _ => false,
    }
}

/// Whether a member has said what it holds since clocks are compared.
fn has_told(peer: &PeerView, compared: &Compared, told: &Told) -> bool {
    match (compared.told.get(&peer.peer_id), told.get(&peer.peer_id)) {
        (_, None) => false,
        (Some((before, clocks)), Some((session, more))) if before == session => more > clocks,
        (_, Some((_, clocks))) => *clocks > 0,
    }
}
