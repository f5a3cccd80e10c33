//! How this node stands with others: cursors, receipts and items that do not move, what was kept back, versions, and how it
//! can be reached. Nobody is asked anything.

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_core::trust::Trust;
use antiphon_store::{Cause, Quarantined};

use super::{Ailment, Checked, count};
use crate::api::{Error, OutboxFilter, OutboxItemView, PeerView};
use crate::clock::now;
use crate::handle::Handle;
use crate::peer_view::called;
use crate::reason_words::words_of_cause;

/// Most events that were kept back and are looked at.
const QUARANTINED_MAX: usize = 1_000;
/// Most items of the outbox that are looked at. They come in the order in which they go, so the first are the oldest.
const ITEMS_MAX: usize = 1_000;

impl Handle {
    pub(super) async fn examine_peers(&self, stuck_ms: u64) -> Result<Vec<Checked>, Error> {
        let (peers, at, status) = (self.peers().await?, now(), self.status().await?);
        let members: Vec<&PeerView> = peers.iter().filter(|peer| !peer.roles.is_empty()).collect();
        let items = self.outbox(OutboxFilter::default(), ITEMS_MAX).await?.items;
        Ok(vec![
            sync(&members, at, stuck_ms),
            self.receipts_checked(&members, at, stuck_ms).await?,
            outbox(&items, at, stuck_ms),
            self.quarantine().await?,
            versions(&members),
            reachable(&status.listen, &members),
        ])
    }

    /// Receipts that do not move although events do.
    async fn receipts_checked(&self, members: &[&PeerView], at: UnixMillis, stuck_ms: u64) -> Result<Checked, Error> {
        let read = self.store().read(|reader| Ok((reader.own()?, reader.receipts()?)));
        let (own, receipts) = read.await?;
        let Some(own) = own else { return Ok(Checked::skipped("receipts", "there is no team yet")) };
        let mut ailments = Vec::new();
        for kept in receipts {
            let Some(peer) = members.iter().find(|peer| peer.peer_id == kept.node) else { continue };
            let Ok(custody) = kept.receipt.verify(&own.team) else { continue };
            let behind = peer
                .equal_at
                .is_some_and(|equal| equal.since(custody.at) > stuck_ms && at.since(custody.at) > stuck_ms);
            if behind && peer.connected {
                let name = called(peer);
                let what = format!("{name} signed for what it holds {} ago, and not since", span(at.since(custody.at)));
                let why = "it cannot be proved that what was written since is safe there";
                ailments.push(Ailment::warning(what, why, "antiphon receipts --ask"));
            }
        }
        Ok(Checked::new("receipts", "they follow what is held", ailments).or_silent())
    }

    /// Events that are kept and do not count.
    async fn quarantine(&self) -> Result<Checked, Error> {
        let read = self.store().read(|reader| Ok((reader.quarantined(QUARANTINED_MAX)?, reader.logs()?)));
        let (events, logs) = read.await?;
        let author =
            |event: &Quarantined| logs.iter().find(|log| log.log == event.log).map(|log| (log.node, log.name.clone()));
        let mut groups: Vec<KeptBack> = Vec::new();
        for event in &events {
            let whose = author(event);
            match groups.iter_mut().find(|group| group.whose == whose && group.cause == event.cause) {
                Some(group) => group.events += 1,
                None => groups.push(KeptBack { whose, cause: event.cause, events: 1 }),
            }
        }
        let ailments = groups.iter().map(KeptBack::ailment).collect();
        Ok(Checked::new("quarantine", "every event counts", ailments).or_silent())
    }
}

/// Events of one author that are kept for one cause.
struct KeptBack {
    whose: Option<(NodeId, String)>,
    cause: Cause,
    events: u64,
}

impl KeptBack {
    fn ailment(&self) -> Ailment {
        let name = match &self.whose {
            Some((node, name)) if name.is_empty() => node.short(),
            Some((_, name)) => name.clone(),
            None => "somebody".to_owned(),
        };
        let words = words_of_cause(self.cause, &name);
        let (are, do_) = if self.events == 1 { ("is", "does") } else { ("are", "do") };
        let what = format!("{} of {name} {are} kept and {do_} not count", count(self.events, "event"));
        Ailment::warning(what, format!("{} ({})", words.what, self.cause.name()), words.fix)
    }
}

/// Members with whom nothing moves although something is due.
fn sync(members: &[&PeerView], at: UnixMillis, stuck_ms: u64) -> Checked {
    let mut ailments = Vec::new();
    for peer in members {
        let name = called(peer);
        let due = peer.lag_events.unwrap_or(0).max(peer.behind_events.unwrap_or(0));
        let last = peer.equal_at.or(peer.last_success).or(peer.last_sync_at);
        let still = last.map_or(due > 0, |last| at.since(last) > stuck_ms);
        if peer.trust == Trust::Rejected {
            let words = peer.words.as_ref();
            let what = format!("{name} and this node do not believe each other");
            let why = words.map_or_else(|| "the last handshake was refused".to_owned(), |words| words.what.clone());
            let fix = words.map_or_else(|| format!("antiphon why {name}"), |words| words.fix.clone());
            ailments.push(Ailment::error(what, why, fix));
        } else if still && peer.mode == antiphon_store::PeerMode::Sync {
            ailments.push(standing_still(peer, &name, due, last, at));
        }
    }
    Checked::new("sync", format!("{} looked at", count(members.len() as u64, "member")), ailments)
}

fn standing_still(peer: &PeerView, name: &str, due: u64, last: Option<UnixMillis>, at: UnixMillis) -> Ailment {
    let since = last.map_or_else(|| "ever".to_owned(), |last| format!("for {}", span(at.since(last))));
    let what = match due {
        0 => format!("nothing was exchanged with {name} {since}"),
        _ => format!("{} with {name} {} not moved {since}", count(due, "event"), if due == 1 { "has" } else { "have" }),
    };
    let words = peer.words.as_ref().or(peer.error_words.as_ref()).filter(|_| !peer.connected);
    let why = match words {
        Some(words) => words.what.clone(),
        None if peer.connected => "it is connected, and nothing is acknowledged".to_owned(),
        None => "it is not connected".to_owned(),
    };
    let fix =
        words.map_or_else(|| format!("antiphon why {name}, which says what stands between"), |words| words.fix.clone());
    Ailment::warning(what, why, fix)
}

/// Items that wait too long, or for a person.
fn outbox(items: &[OutboxItemView], at: UnixMillis, stuck_ms: u64) -> Checked {
    let mut ailments = Vec::new();
    let mut old: Vec<(&str, u64, UnixMillis)> = Vec::new();
    for item in items.iter().filter(|item| item.state.is_pending() && at.since(item.at) > stuck_ms) {
        match old.iter_mut().find(|(name, ..)| *name == item.name) {
            Some((_, number, oldest)) => (*number, *oldest) = (*number + 1, item.at.min(*oldest)),
            None => old.push((&item.name, 1, item.at)),
        }
    }
    for (name, number, oldest) in old {
        let what = format!(
            "{} for {name} {} in the outbox, the oldest for {}",
            count(number, "item"),
            if number == 1 { "waits" } else { "wait" },
            span(at.since(oldest))
        );
        let fix = format!("antiphon up --detach (on {name}); if it never comes back: antiphon outbox drop ID --yes");
        ailments.push(Ailment::warning(what, "they go as soon as it can be reached", fix));
    }
    let stuck = items.iter().filter(|item| !item.state.is_pending()).count();
    if stuck > 0 {
        let what = format!(
            "{} of the outbox will not go by {}",
            count(stuck as u64, "item"),
            if stuck == 1 { "itself" } else { "themselves" }
        );
        ailments.push(Ailment::error(
            what,
            "they were refused, damaged or given up",
            "antiphon outbox list, then antiphon outbox retry --all",
        ));
    }
    Checked::new("outbox", format!("{} looked at", count(items.len() as u64, "item")), ailments)
}

/// Members that run another version.
fn versions(members: &[&PeerView]) -> Checked {
    let skewed = members.iter().filter_map(|peer| peer.skew.as_ref());
    let why = "the older side keeps what it does not understand, and shows it only after an upgrade";
    let ailments = skewed.map(|words| Ailment::warning(words.what.clone(), why, words.fix.clone())).collect();
    Checked::new("versions", "no member is known to run another version", ailments).or_silent()
}

/// Whether members could reach this node.
fn reachable(listen: &[String], members: &[&PeerView]) -> Checked {
    let away = |address: &&String| !is_here(address);
    let relayed = listen.iter().filter(|address| address.contains("/p2p-circuit")).count();
    let direct = listen.iter().filter(away).count().saturating_sub(relayed);
    let mut ailments = Vec::new();
    if listen.is_empty() {
        let why = "no member can connect, and a ticket of this node leads nowhere";
        let fix = "antiphon config unset node.listen, then antiphon down && antiphon up --detach";
        ailments.push(Ailment::error("this node listens nowhere", why, fix));
    }
    let connected = members.iter().filter(|peer| peer.connected).count();
    let local = listen.iter().all(|address| is_here(address));
    if !listen.is_empty() && local && members.iter().any(|peer| !peer.connected) {
        let why = "members on other machines are not connected, and none of them can connect";
        let fix = "antiphon config unset node.listen, then antiphon down && antiphon up --detach";
        ailments.push(Ailment::warning("this node can be reached from this machine alone", why, fix));
    }
    let said = format!(
        "addresses for other machines: {direct} of its own, {relayed} through members that relay; {connected} of {} connected",
        count(members.len() as u64, "member")
    );
    Checked::new("reachability", said, ailments)
}

fn is_here(address: &str) -> bool {
    address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/")
}

fn span(ms: u64) -> String {
    match ms / 1_000 {
        seconds @ 0..120 => count(seconds, "second"),
        seconds @ 120..7_200 => count(seconds / 60, "minute"),
        seconds @ 7_200..172_800 => count(seconds / 3_600, "hour"),
        seconds => count(seconds / 86_400, "day"),
    }
}
