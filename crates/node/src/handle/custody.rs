//! Who has signed that it holds what, and whether this machine can be wiped.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::charter::Membership;
use antiphon_core::custody::{Custody, Holding};
use antiphon_core::event::Subject as About;
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::outbox::{Outgoing, Protocol, Subject};
use antiphon_store::{Error as StoreError, MessageCounts, Reader};

use super::Handle;
use crate::api::{
    Error, FactHolding, FactReceipts, MemberReceipt, OutboxSummary, SealedView, WIPE_EXAMPLES_MAX, WipeCheck, WipeItem,
    WipeKind,
};
use crate::clock::now;
use crate::custody::coverage::{self, Ranges};

/// The only form of a request for a receipt, which says nothing more.
const REQUEST_SCHEMA: u16 = 1;
/// Most events that are looked at for examples.
const EXAMPLES_READ_MAX: usize = 256;
/// Longest beginning of a text that is shown as an example, in characters.
const EXAMPLE_CHARS_MAX: usize = 60;

impl Handle {
    /// Who has signed that it holds a fact.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`].
    pub async fn fact_receipts(&self, fact: FactId) -> Result<FactReceipts, Error> {
        let team = self.team().await?;
        let (edits, receipts) = self
            .store()
            .read(move |reader| {
                let entries = reader.fact_entries(fact)?.into_iter().filter(|entry| entry.stands);
                let edits: Vec<(LogId, u64)> = entries.map(|entry| (entry.log, entry.seq)).collect();
                Ok((edits, signed(reader)?))
            })
            .await?;
        let shared: Vec<(LogId, u64)> = edits.iter().copied().filter(|(log, _)| log.stream == Stream::Shared).collect();
        let members = self.others(&team.membership, &team.own.node).await?.into_iter();
        let members = members.map(|(node, name)| {
            let receipt = receipts.get(&node);
            let holding = receipt.map(|custody| worst(custody, &shared));
            FactHolding { node, name, at: receipt.map(|custody| custody.at), holding }
        });
        Ok(FactReceipts { fact, shared: !shared.is_empty(), members: members.collect(), edits: shared })
    }

    /// What every other member has signed, compared with what this node holds.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`].
    pub async fn receipts(&self) -> Result<Vec<MemberReceipt>, Error> {
        let team = self.team().await?;
        let others = self.others(&team.membership, &team.own.node).await?;
        let (documents_here, copies) = self.copies_by_member(&team.membership).await?;
        let read = self.store().read(move |reader| {
            let Some(ours) = reader.custody(now())? else { return Ok(Vec::new()) };
            let receipts = signed(reader)?;
            others
                .into_iter()
                .map(|(node, name)| {
                    let documents = copies.get(&node).copied().unwrap_or(0);
                    let Some(theirs) = receipts.get(&node) else {
                        let behind = ours.heads.values().fold(0, |sum: u64, head| sum.saturating_add(head.seq));
                        let (at, headers, stuck) = (None, 0, Vec::new());
                        return Ok(MemberReceipt { node, name, at, behind, headers, stuck, documents, documents_here });
                    };
                    let open = coverage::uncovered(&ours, &[theirs], &same(reader, &ours, theirs)?);
                    let (behind, headers) = coverage::split(theirs, &open);
                    let mut stuck: BTreeMap<String, u64> = BTreeMap::new();
                    // What is stuck here too is the event's fault, not the member's.
                    let there = theirs.stuck.iter().filter(|stuck| !ours.stuck.contains(stuck));
                    there.for_each(|one| *stuck.entry(one.reason.clone()).or_default() += 1);
                    let stuck = stuck.into_iter().collect();
                    let at = Some(theirs.at);
                    Ok(MemberReceipt { node, name, at, behind, headers, stuck, documents, documents_here })
                })
                .collect::<Result<Vec<MemberReceipt>, StoreError>>()
        });
        Ok(read.await?)
    }

    /// Asks every other member to sign anew what it holds; who is away is asked when it is back. Says whom.
    ///
    /// # Errors
    /// [`Error::Store`] also when the outbox is full for one of them, [`Error::Stopped`].
    pub async fn ask_for_receipts(&self) -> Result<Vec<String>, Error> {
        let team = self.team().await?;
        let others = self.others(&team.membership, &team.own.node).await?;
        let ask = |peer: &NodeId| Outgoing {
            peer: *peer,
            protocol: Protocol::CUSTODY_REQUEST,
            schema: REQUEST_SCHEMA,
            subject: Subject([0; 16]),
            body: Vec::new(),
        };
        self.send_items(others.iter().map(|(node, _)| ask(node)).collect(), |_| Ok(())).await?;
        Ok(others.into_iter().map(|(_, name)| name).collect())
    }

    /// Whether this machine can be wiped, and what would be lost.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Stopped`].
    pub async fn wipe_check(&self) -> Result<WipeCheck, Error> {
        let team = self.team().await?;
        let sealed = self.sealed_copies().await?;
        let own = team.own.node;
        let membership = team.membership.clone();
        let read = move |reader: &Reader<'_>| {
            let unconfirmed = unconfirmed(reader, &membership, &own)?;
            Ok((unconfirmed, reader.own_log()?.waiting, reader.message_counts()?))
        };
        let (unconfirmed, set_aside, messages) = self.store().read(read).await?;
        let (documents, of_documents) = self.wipe_documents(&team.membership).await?;
        let mut items: Vec<WipeItem> = unconfirmed.into_iter().chain(of_documents).collect();
        items.extend(private(&sealed));
        items.extend((set_aside > 0).then(|| of_set_aside(set_aside)));
        items.extend(undelivered(&self.outbox_summary().await?));
        items.extend(received(&messages));
        items.extend(stewardship(&team.membership, &own));
        items.extend(role_keys(&team.membership, &own));
        items.extend(kept_copies(&sealed));
        items.push(phrase());
        items.sort_by_key(|item| (!item.loses, item.kind));
        Ok(WipeCheck { items, documents })
    }

    /// Every other member with its name.
    async fn others(&self, membership: &Membership, own: &NodeId) -> Result<Vec<(NodeId, String)>, Error> {
        let nodes: Vec<NodeId> = membership.members().map(|(node, _)| *node).filter(|node| node != own).collect();
        let names = self.names_of(&nodes).await?;
        let mut others: Vec<(NodeId, String)> = nodes.into_iter().zip(names).collect();
        others.sort_by(|one, other| (&one.1, one.0).cmp(&(&other.1, other.0)));
        Ok(others)
    }
}

/// Messages that came are kept by this node alone: whoever wrote them may have let go of its copy.
fn received(counts: &MessageCounts) -> Option<WipeItem> {
    let MessageCounts { received, unread, .. } = *counts;
    let (loses, what, fix) = match (received, unread) {
        (0, _) => return None,
        (_, 0) => (
            false,
            format!("{} that came and were read are kept on this machine alone", crate::count(received, "message")),
            "antiphon inbox --json > messages.json (to keep the newest of them)",
        ),
        (_, unread) => (
            true,
            format!("{} that came and were not read are kept on this machine alone", crate::count(unread, "message")),
            "antiphon inbox --unread",
        ),
    };
    let count = if loses { unread } else { received };
    Some(WipeItem { kind: WipeKind::Inbox, loses, count, what, examples: Vec::new(), fix: fix.to_owned() })
}

/// What members of the team have signed.
fn signed(reader: &Reader<'_>) -> Result<BTreeMap<NodeId, Custody>, StoreError> {
    let Some(own) = reader.own()? else { return Ok(BTreeMap::new()) };
    let receipts = reader.receipts()?.into_iter();
    // Receipts of a team that this node has left do not verify.
    let read = receipts.filter_map(|kept| kept.receipt.verify(&own.team).ok());
    Ok(read.map(|custody| (custody.node, custody)).collect())
}

/// Tells whether an event that somebody claims is the one that is held here.
fn same(
    reader: &Reader<'_>,
    ours: &Custody,
    theirs: &Custody,
) -> Result<impl Fn(&LogId, &Head) -> bool + use<>, StoreError> {
    let mut other = BTreeSet::new();
    for (log, claimed) in &theirs.heads {
        let Some(held) = ours.heads.get(log).filter(|held| claimed.seq <= held.seq) else { continue };
        let hash = if held.seq == claimed.seq { Some(held.hash) } else { reader.header_hash_at(*log, claimed.seq)? };
        if hash != Some(claimed.hash) {
            other.insert((*log, claimed.seq));
        }
    }
    Ok(move |log: &LogId, head: &Head| !other.contains(&(*log, head.seq)))
}

/// How a member holds the edit that it holds worst.
fn worst(custody: &Custody, edits: &[(LogId, u64)]) -> Holding {
    let rank = |holding: &Holding| match holding {
        Holding::Whole => 0,
        Holding::Stuck(_) => 1,
        Holding::Header => 2,
        Holding::Not => 3,
    };
    let held = edits.iter().map(|(log, seq)| custody.holding(log, *seq));
    held.max_by_key(rank).unwrap_or(Holding::Not)
}

/// Shared events that no other member has signed for.
fn unconfirmed(reader: &Reader<'_>, membership: &Membership, own: &NodeId) -> Result<Option<WipeItem>, StoreError> {
    let Some(ours) = reader.custody(now())? else { return Ok(None) };
    let mut receipts = signed(reader)?;
    receipts.retain(|node, _| node != own && membership.member(node).is_some());
    // Each receipt is compared alone, because each may be about another branch.
    let mut open = coverage::uncovered(&ours, &[], |_, _| true);
    for theirs in receipts.values() {
        let alone = coverage::uncovered(&ours, &[theirs], &same(reader, &ours, theirs)?);
        let both = |(log, ranges): (LogId, Ranges)| {
            let both = coverage::common(&ranges, alone.get(&log)?);
            (!both.is_empty()).then_some((log, both))
        };
        open = open.into_iter().filter_map(both).collect();
    }
    let count = open.values().map(coverage::count).fold(0, u64::saturating_add);
    if count == 0 {
        return Ok(None);
    }
    let alone = membership.members().all(|(node, _)| node == own);
    let fix = if alone {
        "antiphon invite --role ROLE (let another machine join and keep it)"
    } else {
        "antiphon status (until another member is connected and has caught up), then antiphon wipe-check again"
    };
    Ok(Some(WipeItem {
        kind: WipeKind::Unconfirmed,
        loses: true,
        count,
        what: format!("{} shared here that no other member has signed for", crate::count(count, "event")),
        examples: examples(reader, &open)?,
        fix: fix.to_owned(),
    }))
}

/// Facts and documents among these events, the newest first.
fn examples(reader: &Reader<'_>, open: &BTreeMap<LogId, Ranges>) -> Result<Vec<String>, StoreError> {
    let shared = open.iter().filter(|(log, _)| log.stream == Stream::Shared);
    let places = shared.flat_map(|(log, ranges)| {
        ranges.iter().rev().flat_map(|(first, last)| (*first..=*last).rev()).map(|seq| (*log, seq))
    });
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for (log, seq) in places.take(EXAMPLES_READ_MAX) {
        let Some(subject) = reader.event_at(log, seq)?.map(|event| event.header().subject.clone()) else { continue };
        let shown = match subject {
            About::Fact(fact) if seen.insert(subject.clone()) => {
                let text = reader.fact(fact)?.and_then(|view| view.fact.content).unwrap_or_default();
                let short: String = text.chars().take(EXAMPLE_CHARS_MAX).collect();
                Some(format!("{fact} {short}").trim_end().to_owned())
            }
            About::Content(_) if seen.insert(subject.clone()) => {
                reader.content_at(log, seq)?.map(|view| view.entry.address.to_string())
            }
            _ => None,
        };
        found.extend(shown);
        if found.len() == WIPE_EXAMPLES_MAX {
            break;
        }
    }
    Ok(found)
}

/// Private facts that no member keeps sealed.
fn private(sealed: &SealedView) -> Option<WipeItem> {
    let holders = sealed.holders.iter().filter(|holder| holder.member);
    let missing = holders.map(|holder| holder.missing).min().unwrap_or(sealed.events);
    (sealed.private_facts > 0 && missing > 0).then(|| WipeItem {
        kind: WipeKind::Private,
        loses: true,
        count: missing,
        what: format!(
            "{} here, and {} of them that no member keeps sealed",
            crate::count(sealed.private_facts, "private fact"),
            crate::count(missing, "event"),
        ),
        examples: Vec::new(),
        fix: "antiphon backup seal --all".to_owned(),
    })
}

fn of_set_aside(count: u64) -> WipeItem {
    WipeItem {
        kind: WipeKind::SetAside,
        loses: true,
        count,
        what: format!(
            "{} set aside when this machine came back, and not written again yet",
            crate::count(count, "event")
        ),
        examples: Vec::new(),
        fix: "antiphon status (they are written again once members are connected)".to_owned(),
    }
}

/// What waits for members that have not taken it, wherever it is kept.
fn undelivered(outbox: &OutboxSummary) -> Option<WipeItem> {
    let count = outbox.pending.saturating_add(outbox.stuck);
    (count > 0).then(|| WipeItem {
        kind: WipeKind::Outbox,
        loses: true,
        count,
        what: format!("{} in the outbox, not delivered yet", crate::count(count, "item")),
        examples: outbox.peers.iter().map(|peer| format!("for {}", peer.name)).take(WIPE_EXAMPLES_MAX).collect(),
        fix: "antiphon outbox list --watch (with those machines on), or antiphon outbox drop ID --yes".to_owned(),
    })
}

/// Whether the team would be without stewards.
fn stewardship(membership: &Membership, own: &NodeId) -> Option<WipeItem> {
    let only = membership.is_steward(own) && membership.stewards().iter().all(|steward| steward == own);
    only.then(|| WipeItem {
        kind: WipeKind::OnlySteward,
        loses: true,
        count: 1,
        what: "this machine is the team's only steward: without it nobody is granted, renewed or removed".to_owned(),
        examples: Vec::new(),
        fix: "antiphon team steward add PEER".to_owned(),
    })
}

/// Roles whose present key no other member holds.
fn role_keys(membership: &Membership, own: &NodeId) -> Option<WipeItem> {
    let roles: BTreeSet<&str> = membership.role_keys().epochs().map(|key| key.role.as_str()).collect();
    let only = |role: &&str| {
        let key = membership.role_key(role);
        let other = |node: &NodeId| node != own && membership.member(node).is_some();
        key.is_some_and(|key| key.wraps.contains_key(own) && !key.wraps.keys().any(other))
    };
    let roles: Vec<String> = roles.into_iter().filter(only).map(str::to_owned).collect();
    (!roles.is_empty()).then(|| WipeItem {
        kind: WipeKind::OnlyKeyHolder,
        loses: true,
        count: roles.len() as u64,
        what: "no other member can open what is sealed to these roles".to_owned(),
        examples: roles.into_iter().take(WIPE_EXAMPLES_MAX).collect(),
        fix: "antiphon team steward add PEER (stewards hold every role key), or antiphon team renew PEER".to_owned(),
    })
}

/// Copies that others have left here, perhaps only here.
fn kept_copies(sealed: &SealedView) -> Option<WipeItem> {
    let count = sealed.kept.len() as u64;
    (count > 0).then(|| WipeItem {
        kind: WipeKind::KeptCopies,
        loses: false,
        count,
        what: format!("sealed copies of {} are kept here, and go with it", crate::count(count, "member")),
        examples: sealed.kept.iter().map(|kept| kept.name.clone()).take(WIPE_EXAMPLES_MAX).collect(),
        fix: "antiphon backup seal --with PEER (on each of them, to leave a copy elsewhere)".to_owned(),
    })
}

fn phrase() -> WipeItem {
    WipeItem {
        kind: WipeKind::RecoveryPhrase,
        loses: false,
        count: 1,
        what: "only the recovery phrase brings this machine's key back; no node knows whether you have it".to_owned(),
        examples: Vec::new(),
        fix: "look for the 24 words first; antiphon recover asks for them".to_owned(),
    }
}
