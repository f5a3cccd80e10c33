//! Documents by their addresses: whose and in which role, of which project and task, and the path.

use antiphon_core::time::UnixMillis;

use crate::dashboard::say::{Tag, Tone, When, bytes, called, link};
use crate::dto::ContentDto;

/// A row of the tree.
#[derive(Debug, Clone)]
pub(super) enum Row {
    /// A heading, with how deep it is and how many documents are below it on this page.
    Group { depth: usize, name: String, documents: usize },
    /// A document.
    Leaf(Box<Leaf>),
}

/// A document in the tree, or a version of one in a list.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) path: String,
    pub(super) href: String,
    pub(super) version: u64,
    pub(super) size: String,
    pub(super) roles: String,
    pub(super) author: String,
    pub(super) stored: When,
    /// How its copies stand.
    pub(super) health: Option<Tag>,
    /// What of it is here.
    pub(super) held: Tag,
    /// What else there is to know of it.
    pub(super) marks: Vec<Tag>,
}

/// The documents of one page as a tree.
pub(super) fn tree(documents: Vec<ContentDto>, now: UnixMillis) -> Vec<Row> {
    let mut split: Vec<([String; 2], ContentDto)> =
        documents.into_iter().map(|one| (groups(&one.address), one)).collect();
    split.sort_by(|(one, first), (other, second)| one.cmp(other).then_with(|| first.address.cmp(&second.address)));
    let count = |depth: usize, at: &[String; 2]| {
        split
            .iter()
            .filter(|(groups, _)| groups.iter().zip(at).take(depth + 1).all(|(one, other)| one == other))
            .count()
    };
    let mut rows = Vec::new();
    let mut open: Option<&[String; 2]> = None;
    for (groups, document) in &split {
        let same = open.map_or(0, |open| open.iter().zip(groups).take_while(|(one, other)| one == other).count());
        for (depth, name) in groups.iter().enumerate().skip(same) {
            rows.push(Row::Group { depth, name: name.clone(), documents: count(depth, groups) });
        }
        open = Some(groups);
        rows.push(Row::Leaf(Box::new(Leaf::of(document, now))));
    }
    rows
}

/// The two headings above a document: agent and role, project and task.
fn groups(address: &str) -> [String; 2] {
    let parts = parts(address);
    let part = |at: usize| parts.get(at).copied().unwrap_or("–");
    [format!("{} · {}", part(0), part(1)), format!("{} / {}", part(2), part(3))]
}

/// Agent, role, project, task and path of an address in the form that counts.
fn parts(address: &str) -> Vec<&str> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.splitn(5, '/').collect()
}

impl Leaf {
    pub(super) fn of(document: &ContentDto, now: UnixMillis) -> Self {
        let path = parts(&document.address).get(4).copied().unwrap_or(&document.address).to_owned();
        let mut marks = Vec::new();
        for (is, tone, word) in [
            (document.removed, Tone::Plain, "removed"),
            (document.unauthorised, Tone::Bad, "not entitled"),
            (document.concurrent, Tone::Warn, "stored twice at once"),
            (!document.readable, Tone::Plain, "not for this node"),
        ] {
            if is {
                marks.push(Tag::new(tone, word));
            }
        }
        Self {
            path,
            href: link("/content/document", &[("address", &document.address)]),
            version: document.version,
            size: bytes(document.size),
            roles: document.encrypted_for.join(", "),
            author: called(&document.author, &document.author_peer_id),
            stored: When::of(&document.timestamp, now),
            health: document.health.as_deref().map(health_tag),
            held: held_tag(&document.held),
            marks,
        }
    }
}

/// How copies stand.
pub(super) fn health_tag(health: &str) -> Tag {
    let tone = match health {
        "healthy" => Tone::Ok,
        "degraded" => Tone::Warn,
        "critical" => Tone::Bad,
        _ => Tone::Plain,
    };
    Tag::new(tone, health)
}

/// What of a document is on this node.
pub(super) fn held_tag(held: &str) -> Tag {
    match held {
        "all" => Tag::new(Tone::Ok, "here"),
        "part" => Tag::new(Tone::Info, "partly here"),
        _ => Tag::new(Tone::Plain, "elsewhere"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_stand_below_their_headings() {
        let document = |address: &str| ContentDto { address: address.to_owned(), ..ContentDto::default() };
        let documents = [
            "ucxl://ann/qa/shop/login/b",
            "ucxl://bob/qa/shop/login/x",
            "ucxl://ann/qa/shop/login/a/c",
            "ucxl://ann/qa/bank/fees/a",
        ];
        let rows = tree(documents.into_iter().map(document).collect(), UnixMillis(0));
        let shown: Vec<String> = rows
            .iter()
            .map(|row| match row {
                Row::Group { depth, name, documents } => format!("{depth} {name} ({documents})"),
                Row::Leaf(leaf) => leaf.path.clone(),
            })
            .collect();
        let want = [
            "0 ann · qa (3)",
            "1 bank / fees (1)",
            "a",
            "1 shop / login (2)",
            "a/c",
            "b",
            "0 bob · qa (1)",
            "1 shop / login (1)",
            "x",
        ];
        assert_eq!(shown, want);
        assert_eq!(tree(vec![document("odd")], UnixMillis(0)).len(), 3);
    }
}
