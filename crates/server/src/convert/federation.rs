//! What is shared, how far it has come and why something is missing become JSON, and peers become sentences.

use antiphon_core::time::UnixMillis;
use antiphon_node::{
    Cause, Cursors, Domains, FederationView, Finding, ForkedLog, PeerMode, PeerStanding, PeerView, Trust, WhyView,
    count, words_of_cause,
};

use super::view::{peer, stream};
use crate::dto::{
    CursorsDto, FederationDto, FindingDto, ForkDto, PeerStandingDto, ReasonDto, ShareDto, UncountedDto, WhyDto,
    WhyFindingDto,
};
use crate::time::age;

pub(crate) fn federation(view: FederationView, now: UnixMillis) -> FederationDto {
    let fork = |fork: ForkedLog| ForkDto {
        store_id: fork.log.store.to_string(),
        stream: stream(fork.log.stream).to_owned(),
        peer_id: fork.node.to_string(),
        name: fork.name,
        seq: fork.seq,
    };
    let standing = |standing: PeerStanding| PeerStandingDto {
        cursors: cursors(&standing.cursors, &standing.peer.name),
        domains: share(standing.domains),
        outbox: standing.queued.filter(|queued| queued.pending > 0).map(super::outbox::outbox_wait),
        peer: peer(standing.peer, now),
    };
    FederationDto {
        mode: view.mode.name().to_owned(),
        levels: view.levels.iter().map(|level| level.name().to_owned()).collect(),
        storage: super::announce::own_storage(view.storage),
        cursors: cursors(&view.cursors, "somebody"),
        forks: view.forks.into_iter().map(fork).collect(),
        peers: view.peers.into_iter().map(standing).collect(),
    }
}

fn cursors(cursors: &Cursors, author: &str) -> CursorsDto {
    let uncounted = |(cause, count): (&Cause, &u64)| {
        let words = words_of_cause(*cause, author);
        let reason = ReasonDto { code: cause.name().to_owned(), text: words.what, hint: Some(words.fix) };
        UncountedDto { reason, events: *count }
    };
    CursorsDto {
        received: cursors.received,
        applied: cursors.applied,
        waiting: cursors.waiting,
        missing_payloads: cursors.missing,
        uncounted: cursors.uncounted.iter().map(uncounted).collect(),
    }
}

pub(crate) fn share(domains: Domains) -> ShareDto {
    ShareDto { only: domains.only, except: domains.except }
}

pub(crate) fn why(view: WhyView) -> WhyDto {
    let finding = |finding: Finding| WhyFindingDto {
        code: finding.code.to_owned(),
        what: finding.what,
        fix: finding.fix,
        blocks: finding.blocks,
    };
    WhyDto {
        peer_id: view.peer.to_string(),
        name: view.name,
        fact: view.fact.map(|fact| fact.to_string()),
        address: view.document.map(|address| address.to_string()),
        held: view.held,
        findings: view.findings.into_iter().map(finding).collect(),
    }
}

/// How things stand with a peer, in one sentence, and the command that mends what is wrong with it.
pub(super) fn in_words(peer: &PeerView, now: UnixMillis) -> FindingDto {
    let ago = |at: UnixMillis| match now.since(at) {
        0..1_000 => "just now".to_owned(),
        ms => format!("{} ago", age(ms)),
    };
    let mut parts = vec![trust_and_link(peer, &ago)];
    let mut fix = peer.words.as_ref().filter(|_| peer.trust == Trust::Rejected).map(|words| words.fix.clone());
    if peer.mode == PeerMode::Paused {
        parts.push("paused here".to_owned());
        fix = fix.or_else(|| Some(format!("antiphon peers resume {}", peer.name)));
    } else if peer.takes == Some(false) && !peer.out_of_step {
        parts.push("it takes nothing at present".to_owned());
    }
    parts.push(position(peer, &ago));
    let error = peer.health.last_error.as_ref().zip(peer.error_words.as_ref());
    if let Some((error, words)) = error.filter(|_| peer.health.consecutive_failures > 0) {
        let failures = match peer.health.consecutive_failures {
            1 => "1 failure since".to_owned(),
            many => format!("{many} failures since, the last"),
        };
        parts.push(format!("{failures} {}: {}", ago(error.observed_at), words.what));
        fix = fix.or_else(|| Some(words.fix.clone()));
    }
    if let Some(skew) = &peer.skew {
        parts.push(skew.what.clone());
        fix = fix.or_else(|| Some(skew.fix.clone()));
    }
    FindingDto { what: parts.join("; "), fix: fix.unwrap_or_default() }
}

fn trust_and_link(peer: &PeerView, ago: &impl Fn(UnixMillis) -> String) -> String {
    let why = peer.words.as_ref().map(|words| format!(": {}", words.what)).unwrap_or_default();
    let heard = peer.last_seen.map(|at| format!(", last heard of {}", ago(at))).unwrap_or_default();
    match peer.trust {
        Trust::Rejected if peer.refused_by_peer => format!("it refuses this node{why}"),
        Trust::Rejected => format!("refused{why}"),
        Trust::Verified if peer.connected => "connected".to_owned(),
        Trust::Verified => format!("away{heard}"),
        Trust::Expired => format!("silent for so long that it must be greeted again{heard}"),
        Trust::Pending if peer.out_of_step => "its genes are not this node's yet; the charter is exchanged".to_owned(),
        Trust::Pending => "being greeted".to_owned(),
        Trust::Unknown => format!("not met yet{heard}"),
    }
}

fn position(peer: &PeerView, ago: &impl Fn(UnixMillis) -> String) -> String {
    let events = |number: u64| count(number, "event");
    let (Some(theirs), Some(ours)) = (peer.lag_events, peer.behind_events) else {
        return "it has not said yet what it holds".to_owned();
    };
    let same = peer.equal_at.map_or_else(
        || "they have not held the same yet".to_owned(),
        |at| format!("both last held the same {}", ago(at)),
    );
    match (theirs, ours) {
        // Where something does not flow, what is new is not told at once either.
        (0, 0) if peer.mode == PeerMode::Paused || peer.takes == Some(false) => same,
        (0, 0) => "both hold the same".to_owned(),
        (theirs, 0) => format!("it lacks {}; {same}", events(theirs)),
        (0, ours) => format!("this node lacks {}; {same}", events(ours)),
        (theirs, ours) => format!("it lacks {}, this node lacks {}; {same}", events(theirs), events(ours)),
    }
}
