//! What the pages about documents show.

use antiphon_core::time::UnixMillis;

use super::tree::Leaf;
use crate::dashboard::say::{Tag, Tone, When, bytes, called, link, many, number};
use crate::dto::{ContentStatusDto, HealthCountsDto, ReplicaDto, ReplicaHolderDto};

/// Something that is wrong with a document, and what mends it.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) class: &'static str,
    pub(super) address: String,
    pub(super) href: String,
    pub(super) words: String,
    pub(super) cure: String,
}

/// A part of the bar of copies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Share {
    pub(super) class: &'static str,
    pub(super) from: String,
    pub(super) width: String,
}

/// A member that holds a document, or should.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    pub(super) name: String,
    pub(super) placed: bool,
    pub(super) copy: Tag,
    pub(super) known_at: Option<When>,
    pub(super) connection: Tag,
}

/// Width of the bar of copies.
const BAR: f64 = 300.0;

/// How all documents stand, in a sentence.
pub(super) fn health_words(counts: HealthCountsDto) -> String {
    let HealthCountsDto { healthy, degraded, critical } = counts;
    if healthy + degraded + critical == 0 {
        return "No version of a document needs copies yet.".to_owned();
    }
    format!(
        "{} with all their copies · {} with too few · {} of which nobody is known to hold a copy",
        many(healthy, "version", "versions"),
        number(degraded),
        number(critical)
    )
}

/// The same as a bar.
#[expect(clippy::cast_precision_loss, reason = "a bar is three hundred units wide")]
pub(super) fn shares(counts: HealthCountsDto) -> Vec<Share> {
    let parts = [("ok", counts.healthy), ("warn", counts.degraded), ("bad", counts.critical)];
    let all = parts.iter().map(|(_, count)| count).sum::<u64>().max(1) as f64;
    let mut from = 0.0;
    let mut shares = Vec::new();
    for (class, count) in parts.into_iter().filter(|(_, count)| *count > 0) {
        let width = count as f64 / all * BAR;
        shares.push(Share { class, from: format!("{from:.1}"), width: format!("{width:.1}") });
        from += width;
    }
    shares
}

/// What is wrong with the copies of a version, if anything is.
pub(super) fn problem(replica: &ReplicaDto, now: UnixMillis) -> Option<Problem> {
    let last = replica.last_holder().filter(|_| replica.actual == 0);
    let (class, words, cure) = match (replica.health.as_str(), last) {
        ("critical", Some(holder)) => {
            let who = called(&holder.peer, &holder.peer_id);
            let words = format!("has no copy that can be reached; {who} had it last");
            ("bad", words, format!("antiphon why {} {who}", replica.address))
        }
        ("critical", None) => {
            let cure = format!("antiphon content providers {}", replica.address);
            ("bad", "has no copy that can be reached, and nobody is known to have had one".to_owned(), cure)
        }
        ("degraded", _) => {
            let words = format!("has {} of {}", replica.actual, many(replica.target, "copy", "copies"));
            ("", words, format!("antiphon replication run {}", replica.address))
        }
        _ => return None,
    };
    let words = format!("(version {}) {words}, known since {}.", replica.version, plain_age(&replica.created, now));
    let href = link("/content/document", &[("address", &replica.address)]);
    Some(Problem { class, address: replica.address.clone(), href, words, cure })
}

fn plain_age(at: &str, now: UnixMillis) -> String {
    crate::time::parse(at).map_or_else(|| at.to_owned(), |then| crate::time::age(now.0.saturating_sub(then.0)))
}

/// What keeps a document from being read, if anything does.
pub(super) fn damage(status: &ContentStatusDto) -> Option<Problem> {
    let address = status.content.address.clone();
    status.damaged.then(|| Problem {
        class: "",
        href: String::new(),
        words: "Parts of it on this node were found damaged; they are fetched again when it is read.".to_owned(),
        cure: format!("antiphon content get {address} -o FILE"),
        address,
    })
}

/// How many copies there are.
pub(super) fn copies_words(copies: Option<&ReplicaDto>) -> String {
    copies.map_or_else(
        || "nobody needs it any more".to_owned(),
        |copies| {
            let there = many(copies.actual, "copy", "copies");
            format!("{there} of {}, {} connected · {}", copies.target, copies.healthy, copies.health)
        },
    )
}

pub(super) fn holder(holder: &ReplicaHolderDto, now: UnixMillis) -> Holder {
    let name = called(&holder.peer, &holder.peer_id);
    let copy = match holder.known_by.as_str() {
        "proved" => Tag::new(Tone::Ok, "proved"),
        "claimed" => Tag::new(Tone::Info, "says so"),
        "announced" => Tag::new(Tone::Info, "announced"),
        "missing" => Tag::new(Tone::Plain, "has none"),
        "wrong" => Tag::new(Tone::Bad, "answered wrongly"),
        other => Tag::new(Tone::Plain, other),
    };
    let connection = match (holder.own, holder.member, holder.connected) {
        (true, ..) => Tag::new(Tone::Ok, "this node"),
        (_, false, _) => Tag::new(Tone::Plain, "removed"),
        (_, _, true) => Tag::new(Tone::Ok, "connected"),
        _ => Tag::new(Tone::Warn, "away"),
    };
    let known_at = When::maybe(holder.known_at.as_ref(), now);
    Holder { name, placed: holder.placed, copy, known_at, connection }
}

/// What is on this node, in words.
pub(super) fn held_words(blobs: u64, cached: u64) -> String {
    format!(
        "in {}; {} decrypted in memory",
        many(blobs, "ciphertext", "ciphertexts"),
        many(cached, "document", "documents")
    )
}

/// The heading above what is wrong.
pub(super) fn problems_title(counts: HealthCountsDto) -> String {
    let wrong = counts.degraded + counts.critical;
    if wrong == 1 { "One version lacks copies".to_owned() } else { format!("{} versions lack copies", number(wrong)) }
}

/// A version and what is known beyond the list.
#[derive(Debug, Clone)]
pub(super) struct Detail {
    pub(super) leaf: Leaf,
    pub(super) stored_size: String,
}

impl Detail {
    pub(super) fn of(status: &ContentStatusDto, now: UnixMillis) -> Self {
        Self { leaf: Leaf::of(&status.content, now), stored_size: bytes(status.content.stored_size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_copies_says_who_had_it_and_what_mends_it() {
        let now = UnixMillis(1_700_000_000_000);
        let created = crate::time::rfc3339(UnixMillis(now.0 - 7_200_000));
        let replica = |health: &str, actual, providers| ReplicaDto {
            address: "ucxl://a/b/c/d/e".into(),
            health: health.into(),
            version: 2,
            target: 3,
            created: created.clone(),
            actual,
            providers,
            ..ReplicaDto::default()
        };
        assert!(problem(&replica("healthy", 3, vec![]), now).is_none());
        let degraded = problem(&replica("degraded", 1, vec![]), now).unwrap();
        assert!(degraded.words.contains("has 1 of 3 copies, known since 2 h") && degraded.class.is_empty());
        let bob = ReplicaHolderDto { peer: "bob".into(), known_by: "proved".into(), ..ReplicaHolderDto::default() };
        let critical = problem(&replica("critical", 0, vec![bob]), now).unwrap();
        assert_eq!((critical.class, critical.cure.as_str()), ("bad", "antiphon why ucxl://a/b/c/d/e bob"));
        assert!(problem(&replica("critical", 0, vec![]), now).unwrap().cure.contains("providers"));
    }

    #[test]
    fn the_bar_is_as_long_as_all_parts() {
        let counts = HealthCountsDto { healthy: 2, degraded: 1, critical: 0 };
        let shares = shares(counts);
        assert_eq!((shares.len(), shares[0].width.as_str(), shares[1].from.as_str()), (2, "200.0", "200.0"));
        assert!(health_words(counts).starts_with("2 versions with all"));
        assert_eq!(self::shares(HealthCountsDto::default()), []);
    }
}
