//! Every finding, one by one: alice looks for what bob should have.

use std::collections::BTreeMap;

use antiphon_core::address::Address;
use antiphon_core::custody::{Gap, Stuck};
use antiphon_core::ids::{Hash, StoreId, TeamId};
use antiphon_core::log::Head;
use antiphon_store::{Author, Cause};

use super::*;
use crate::api::{HealthErrorView, HealthView};

const ALICE: NodeId = NodeId([1; 32]);
const BOB: NodeId = NodeId([2; 32]);
const NOW: UnixMillis = UnixMillis(1_000_000);

fn log(store: u8) -> LogId {
    LogId::new(StoreId([store; 16]), Stream::Shared)
}

fn head(seq: u64) -> Head {
    Head { seq, hash: Hash([7; 32]) }
}

fn standing(store: u8, name: &str) -> LogStanding {
    LogStanding {
        log: log(store),
        node: NodeId([store; 32]),
        name: name.into(),
        verdict: Verdict::Good,
        received: 10,
        uncounted: BTreeMap::new(),
        waiting: 0,
        missing: 0,
    }
}

fn bob() -> PeerView {
    PeerView {
        peer_id: BOB,
        name: "bob".into(),
        trust: Trust::Verified,
        roles: Vec::new(),
        steward: false,
        connected: true,
        addresses: vec!["/ip4/10.0.0.2/tcp/4".into()],
        agent_version: None,
        store_id: Some(StoreId([2; 16])),
        genome_hash: None,
        mode: PeerMode::Sync,
        handshake_at: None,
        last_sync_at: None,
        last_event: None,
        health: HealthView::default(),
        fact_count: 0,
        lag_events: Some(0),
        behind_events: Some(0),
        equal_at: None,
        takes: Some(true),
        out_of_step: false,
        next_try: None,
        last_seen: Some(UnixMillis(940_000)),
        last_success: None,
        reason: None,
        words: None,
        error_words: None,
        skew: None,
        storage: None,
        federation: None,
        refused_by_peer: false,
        by_hand: None,
    }
}

/// Alice's fact stands at 10 of her log; bob is connected and has acknowledged all but that.
fn known() -> Known {
    let author = Author { store: StoreId([1; 16]), node: ALICE, name: "alice".into() };
    let entry =
        FactEntry { log: log(1), seq: 10, author, stands: true, payload: true, seal: None, cause: None, pos: 20 };
    Known {
        now: NOW,
        own: "alice".into(),
        node: ALICE,
        mode: NodeMode::Sync,
        peer: bob(),
        member: Ok(()),
        domains: Domains::default(),
        theirs: Some([(log(1), head(9)), (log(2), head(10))].into()),
        ours: [(log(1), head(10)), (log(2), head(10))].into(),
        standings: vec![standing(1, "alice"), standing(2, "bob")],
        receipt: None,
        queued: None,
        asked: Asked::Fact(Box::new(KnownFact {
            id: FactId([5; 16]),
            maker: Some((ALICE, "alice".into())),
            erased: false,
            held: true,
            forgotten: false,
            private: false,
            level: Level::Domain,
            shared_up_to: Level::Domain,
            published: true,
            domain: Some("pay".into()),
            indexed: true,
            entries: vec![entry],
            sealed: None,
        })),
    }
}

fn fact(known: &mut Known) -> &mut KnownFact {
    match &mut known.asked {
        Asked::Fact(fact) => fact,
        other => panic!("no fact: {other:?}"),
    }
}

/// Bob says that he holds this much of a log.
fn acks(known: &mut Known, store: u8, seq: u64) {
    let _before = known.theirs.as_mut().unwrap().insert(log(store), head(seq));
}

fn receipt(seq: u64) -> Custody {
    Custody {
        team: TeamId([9; 32]),
        node: BOB,
        store: StoreId([2; 16]),
        at: UnixMillis(995_000),
        heads: [(log(1), head(seq))].into(),
        gaps: Vec::new(),
        stuck: Vec::new(),
    }
}

/// What follows, as codes; and that every finding which stands in the way says how to mend it.
fn codes(change: impl FnOnce(&mut Known)) -> (Vec<&'static str>, bool) {
    let mut known = known();
    change(&mut known);
    let (findings, held) = findings(&known);
    for finding in &findings {
        let fix = finding.fix.as_deref().unwrap_or_default();
        assert_eq!(finding.blocks, !fix.is_empty(), "{finding:?}");
        assert!(!finding.what.ends_with('.') && !finding.what.is_empty(), "{finding:?}");
    }
    (findings.into_iter().map(|finding| finding.code).collect(), held)
}

#[test]
fn every_thing_that_stands_between_a_fact_and_a_peer_is_named() {
    let check = |change: fn(&mut Known), want: &[&str]| {
        let (codes, held) = codes(change);
        assert_eq!((codes.as_slice(), held), (want, false));
    };
    check(|_| {}, &["behind"]);
    check(|known| fact(known).private = true, &["private", "withheld", "behind"]);
    check(
        |known| {
            (fact(known).published, fact(known).entries) = (false, Vec::new());
            fact(known).level = Level::Module;
        },
        &["level"],
    );
    check(
        |known| {
            (fact(known).published, fact(known).entries) = (false, Vec::new());
            fact(known).private = true;
        },
        &["private"],
    );
    check(|known| fact(known).forgotten = true, &["forgotten", "behind"]);
    check(|known| (fact(known).erased, fact(known).forgotten) = (true, true), &["erased", "behind"]);
    check(|known| known.domains.except = vec!["pay".into()], &["domain", "behind"]);
    check(|known| known.domains.only = vec!["web".into()], &["domain", "behind"]);
    check(|known| fact(known).entries[0].payload = false, &["missing_payload", "behind"]);
    check(|known| fact(known).entries[0].cause = Some(Cause::Forked), &["equivocation", "behind"]);
    check(|known| fact(known).entries[0].cause = Some(Cause::BeyondCut), &["revoked", "behind"]);
    check(|known| known.mode = NodeMode::Subscribe, &["node_mode", "behind"]);
    check(|known| known.mode = NodeMode::Publish, &["behind"]);
    check(|known| known.peer.mode = PeerMode::Paused, &["paused", "behind"]);
    check(|known| known.peer.takes = Some(false), &["peer_takes_nothing", "behind"]);
    check(|known| known.member = Err(Refusal::NotAMember), &["not_a_member", "behind"]);
    check(|known| known.member = Err(Refusal::Revoked), &["revoked", "behind"]);
    check(|known| known.member = Err(Refusal::Expired), &["grant_expired", "behind"]);
    check(|known| (known.peer.out_of_step, known.peer.takes) = (true, Some(false)), &["genome_mismatch", "behind"]);
    check(
        |known| (known.peer.trust, known.peer.reason) = (Trust::Rejected, Some(Reason::IdentityMismatch)),
        &["identity_mismatch", "behind"],
    );
    check(|known| known.peer.connected = false, &["no_route", "behind"]);
    check(|known| known.theirs = None, &["unheard"]);
    check(|known| fact(known).indexed = false, &["behind", "not_indexed"]);
}

#[test]
fn a_fact_that_reaches_no_further_is_given_a_level_that_the_team_shares() {
    let check = |shared: Level, level: Level, want: Option<&str>| {
        let mut known = known();
        (fact(&mut known).level, fact(&mut known).shared_up_to) = (level, shared);
        let (findings, _) = findings(&known);
        let found = findings.iter().find(|finding| finding.code == "level");
        let fix = found.and_then(|finding| finding.fix.as_deref()?.rsplit(' ').next().map(str::to_owned));
        assert_eq!(fix.as_deref(), want);
    };
    check(Level::Domain, Level::Domain, None);
    check(Level::Domain, Level::Module, Some("domain"));
    check(Level::Project, Level::Domain, Some("project"));
    check(Level::Module, Level::Snippet, Some("module"));
    check(Level::Module, Level::Module, None);
}

#[test]
fn what_a_peer_signed_counts_more_than_what_it_acknowledged() {
    let check = |change: fn(&mut Known), want: &[&str], held| {
        assert_eq!(codes(change), (want.to_vec(), held));
    };
    check(|known| acks(known, 1, 10), &["acknowledged"], true);
    check(|known| known.receipt = Some(receipt(10)), &["receipt"], true);
    // Whatever stands in the way now: it got it before.
    check(
        |known| (known.receipt, known.peer.mode, known.peer.connected) = (Some(receipt(10)), PeerMode::Paused, false),
        &["receipt"],
        true,
    );
    check(|known| known.receipt = Some(receipt(9)), &["behind"], false);
    check(
        |known| {
            let mut signed = receipt(10);
            signed.gaps = vec![Gap { log: log(1), first: 10, last: 10 }];
            known.receipt = Some(signed);
        },
        &["missing_payload"],
        false,
    );
    check(
        |known| {
            let mut signed = receipt(10);
            signed.stuck = vec![Stuck { log: log(1), seq: 10, reason: "unknown_action".into() }];
            known.receipt = Some(signed);
        },
        &["unknown_action"],
        false,
    );
    // What was acknowledged as an event may have come without the text that is kept back.
    check(
        |known| {
            acks(known, 1, 10);
            known.domains.except = vec!["pay".into()];
        },
        &["domain", "missing_payload"],
        false,
    );
}

#[test]
fn what_is_not_here_is_looked_for_in_the_other_direction() {
    let check = |change: fn(&mut Known), want: &[&str]| {
        let absent = |known: &mut Known| {
            (fact(known).held, fact(known).published, fact(known).entries) = (false, false, Vec::new());
            fact(known).maker = Some((BOB, "bob".into()));
            change(known);
        };
        assert_eq!(codes(absent), (want.to_vec(), false));
    };
    check(|_| {}, &["unknown_here", "kept_back"]);
    check(|known| known.mode = NodeMode::Publish, &["unknown_here", "node_mode"]);
    check(|known| known.mode = NodeMode::Subscribe, &["unknown_here", "kept_back"]);
    check(|known| known.peer.mode = PeerMode::Paused, &["unknown_here", "paused"]);
    check(|known| known.peer.connected = false, &["unknown_here", "no_route"]);
    check(|known| acks(known, 2, 14), &["unknown_here", "behind"]);
    check(|known| fact(known).erased = true, &["unknown_here", "erased"]);
    check(
        |known| {
            let author = Author { store: StoreId([2; 16]), node: BOB, name: "bob".into() };
            let (cause, pos) = (Some(Cause::UnknownAction), 3);
            fact(known).entries =
                vec![FactEntry { log: log(2), seq: 4, author, stands: false, payload: true, seal: None, cause, pos }];
        },
        &["unknown_here", "unknown_action", "kept_back"],
    );
}

fn queued(pending: u64, stuck: u64) -> OutboxPeerView {
    OutboxPeerView {
        peer: BOB,
        name: "bob".into(),
        pending,
        stuck,
        bytes: 10,
        tries: 2,
        next_try: Some(UnixMillis(NOW.0 + 12_000)),
        reason: None,
        words: None,
        delivered_at: None,
    }
}

#[test]
fn what_waits_in_the_outbox_is_said_with_its_place_and_the_next_try() {
    let check = |pending, stuck, want: &str, blocks| {
        let mut known = known();
        (known.asked, known.queued) = (Asked::Everything, Some(queued(pending, stuck)));
        let found = findings(&known).0;
        let queued = found.iter().find(|finding| finding.code == "queued").unwrap();
        assert!(queued.what.contains(want) && queued.blocks == blocks, "{queued:?}");
    };
    check(1, 0, "1 item for bob, at place 1; the next try is in 12 s", false);
    check(3, 0, "3 items for bob, at place 1 to 3", false);
    check(0, 2, "2 items for bob until you decide", true);
}

#[test]
fn between_two_nodes_everything_is_said_at_once() {
    let check = |change: fn(&mut Known), want: &[&str], held| {
        let peer = |known: &mut Known| {
            known.asked = Asked::Everything;
            acks(known, 1, 10);
            change(known);
        };
        assert_eq!(codes(peer), (want.to_vec(), held));
    };
    check(|_| {}, &["equal"], true);
    check(|known| known.receipt = Some(receipt(10)), &["receipt", "equal"], true);
    check(|known| known.mode = NodeMode::Publish, &["node_mode"], false);
    check(|known| known.mode = NodeMode::Subscribe, &["node_mode"], false);
    check(|known| known.peer.mode = PeerMode::Paused, &["paused"], false);
    check(|known| known.peer.connected = false, &["no_route"], true);
    check(|known| known.domains.except = vec!["pay".into()], &["domain", "equal"], true);
    check(|known| known.theirs = None, &["unheard"], false);
    check(|known| known.theirs = Some([(log(1), head(4)), (log(2), head(12))].into()), &["behind", "behind"], false);
    check(
        |known| {
            let bobs = &mut known.standings[1];
            (bobs.verdict, bobs.missing) = (Verdict::Forked(3), 2);
            bobs.uncounted = [(Cause::Forked, 8)].into();
        },
        &["equivocation", "missing_payload", "equivocation"],
        true,
    );
    check(
        |known| {
            let mut signed = receipt(10);
            signed.gaps = vec![Gap { log: log(1), first: 3, last: 4 }];
            signed.stuck = vec![Stuck { log: log(1), seq: 10, reason: "unknown_type".into() }];
            known.receipt = Some(signed);
        },
        &["missing_payload", "unknown_type", "receipt"],
        true,
    );
    let words = crate::reason_words::Words { what: "bob runs 0.1.0, this node 0.2.0".into(), fix: "upgrade".into() };
    let mut known = known();
    (known.asked, known.peer.skew) = (Asked::Everything, Some(words));
    assert!(findings(&known).0.iter().any(|finding| finding.code == "version"));
}

#[test]
fn who_is_away_is_said_with_the_last_failure_and_the_next_attempt() {
    let mut known = known();
    known.peer.connected = false;
    known.peer.next_try = Some(NOW.after(7_000));
    let observed_at = UnixMillis(998_000);
    let error = HealthErrorView { reason: Reason::NetworkRefused, event: None, fact: None, observed_at };
    known.peer.health.last_error = Some(error);
    let found = findings(&known).0.remove(0);
    assert_eq!(
        found.what,
        "bob is away: it was last heard of 1 min ago; the last attempt, 2 s ago, says: nothing listens where bob was \
         last: it is stopped, or it listens elsewhere now; the next attempt is in 7 s"
    );
    assert_eq!(found.fix.as_deref(), Some("antiphon up --detach (on bob)"));
}

#[test]
fn spans_of_time_are_short() {
    assert_eq!(
        [ago(0), ago(59_999), ago(60_000), span(7_300_000), span(200_000_000)],
        ["just now", "59 s ago", "1 min ago", "2 h", "2 d"]
    );
}

fn backend() -> SealedFor {
    let role = "backend_developer".to_owned();
    SealedFor { peer_roles: vec![role.clone()], role, peer_may: true, peer_opens: true }
}

#[test]
fn whoever_holds_a_sealed_fact_and_cannot_open_it_is_told_apart_from_who_reads_it() {
    let check = |change: fn(&mut SealedFor), want: &[&str]| {
        let (codes, held) = codes(|known| {
            known.receipt = Some(receipt(10));
            change(fact(known).sealed.insert(backend()));
        });
        assert_eq!((codes.as_slice(), held), (want, true));
    };
    check(|_| {}, &["receipt"]);
    check(|sealed| sealed.peer_may = false, &["receipt", "wrong_role"]);
    check(|sealed| sealed.peer_opens = false, &["receipt", "missing_key"]);
}

/// Alice's document, of which bob has heard and which he may read.
fn document(known: &mut Known) -> &mut KnownVersion {
    if !matches!(known.asked, Asked::Document(_)) {
        let author = Author { store: StoreId([1; 16]), node: ALICE, name: "alice".into() };
        let entry =
            FactEntry { log: log(1), seq: 9, author, stands: true, payload: true, seal: None, cause: None, pos: 20 };
        let version = KnownVersion {
            number: 2,
            removed: false,
            unauthorised: false,
            sealed: backend(),
            entry: Some(entry),
            here: true,
        };
        let (address, _) = Address::parse("ucxl://ann/backend_developer/shop/login/plan").unwrap();
        known.asked = Asked::Document(Box::new(KnownDocument { address, version: Some(version) }));
    }
    match &mut known.asked {
        Asked::Document(document) => document.version.as_mut().unwrap(),
        other => panic!("no document: {other:?}"),
    }
}

#[test]
fn every_thing_that_stands_between_a_document_and_a_peer_is_named() {
    let check = |change: &dyn Fn(&mut Known), codes: &[&str], held: bool| {
        let mut known = known();
        document(&mut known);
        change(&mut known);
        let (found, reads) = findings(&known);
        assert_eq!(found.iter().map(|finding| finding.code).collect::<Vec<_>>(), codes);
        assert_eq!(reads, held, "{codes:?}");
    };
    check(&|_| {}, &["listed", "held_here"], true);
    check(&|known| document(known).sealed.peer_may = false, &["wrong_role", "listed", "held_here"], false);
    check(&|known| document(known).sealed.peer_opens = false, &["missing_key", "listed", "held_here"], false);
    check(&|known| document(known).here = false, &["listed", "held_elsewhere"], true);
    check(&|known| document(known).removed = true, &["removed"], false);
    check(&|known| document(known).unauthorised = true, &["auth"], false);
    check(&|known| document(known).entry.as_mut().unwrap().seq = 10, &["behind", "held_here"], false);
    check(&|known| known.theirs = None, &["unheard", "held_here"], false);
    check(&|known| known.peer.mode = PeerMode::Paused, &["listed", "held_here"], true);
    check(&|known| known.peer.connected = false, &["no_route", "listed", "held_here"], false);
    let unknown = |known: &mut Known| {
        let Asked::Document(document) = &mut known.asked else { panic!("a document") };
        document.version = None;
    };
    check(&unknown, &["unknown_here"], false);
}
