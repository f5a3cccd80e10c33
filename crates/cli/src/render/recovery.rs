//! Sealed copies and recoveries, as they are shown.

use antiphon_server::dto::{FormerPlaceDto, RecoveryDto, SealResultDto, SealedDto, SealedToDto, UnsealedDto};

use super::time::{ago, now_ms};
use super::{count, safe, table};
use crate::output::{BAD, GOOD, STRONG, WARNING, styled};

/// The team that a member shows, for a person to compare.
pub(crate) fn question(place: &FormerPlaceDto) -> String {
    let stewards: Vec<String> = place.stewards.iter().map(|name| safe(name)).collect();
    format!(
        "{} says that this key is {} in the team {}.\n  team id    {}\n  stewards   {}\n  roles      {}\n\
         Compare the id with antiphon status on a machine you trust.",
        styled(STRONG, &safe(&place.peer_name)),
        styled(STRONG, &safe(&place.name)),
        styled(STRONG, &safe(&place.team.name)),
        place.team.id,
        stewards.join(", "),
        place.roles.iter().map(|role| safe(role)).collect::<Vec<_>>().join(", "),
    )
}

/// What came back, and what did not.
pub(crate) fn recovered(place: &FormerPlaceDto, recovery: &RecoveryDto) -> String {
    let (own, private) = (thousands(recovery.own_facts), thousands(recovery.private_facts));
    let mut out = format!(
        "{} is back in the team {}: {}, {}, from {}.\n",
        styled(STRONG, &safe(&place.name)),
        styled(STRONG, &safe(&place.team.name)),
        styled(GOOD, &count(own, "shared fact")),
        styled(GOOD, &count(private, "private fact")),
        count(recovery.peers.len(), "peer"),
    );
    if recovery.missing > 0 {
        let line = format!("{} of this machine's own log are missing still", events(recovery.missing));
        out.push_str(&format!("{} {line}.\n", styled(WARNING, "Missing:")));
    }
    for part in &recovery.damaged {
        let line = format!("the part from event {} that {} kept: {}", part.first, part.peer_id, safe(&part.why));
        out.push_str(&format!("{} {line}.\n", styled(BAD, "Refused:")));
    }
    for gap in &recovery.gaps {
        let line = format!("private events {} to {} of store {}", gap.after + 1, gap.last, gap.store_id);
        out.push_str(&format!("{} {line} could not be taken back.\n", styled(WARNING, "Missing:")));
    }
    for peer in &recovery.unasked {
        let line = format!("{} could not be asked for sealed copies: {}", safe(&peer.name), safe(&peer.reason.text));
        out.push_str(&format!("{} {line}.\n", styled(WARNING, "Missing:")));
    }
    if !recovery.away.is_empty() {
        let away: Vec<String> = recovery.away.iter().map(|name| safe(name)).collect();
        out.push_str(&format!(
            "Away, and may keep more, which comes by itself when they are back: {}.\n",
            away.join(", ")
        ));
    }
    if recovery.complete {
        out.push_str("The members that knew the former disk take the new one for it by themselves.\n");
    } else {
        out.push_str("Repeat the same command to go on.\n");
    }
    out
}

/// What became of sealing.
pub(crate) fn sealed(result: &SealResultDto) -> String {
    let one = |sealed: &SealedToDto| {
        let who = styled(STRONG, &safe(&sealed.name));
        match &sealed.refused {
            Some(reason) => format!(
                "{who} {}: {}. It lacks {} of {}.\n",
                styled(BAD, "took not all"),
                safe(&reason.text),
                events(sealed.missing),
                events(sealed.events + sealed.missing)
            ),
            None if sealed.parts == 0 => format!("{who} keeps all {} already.\n", events(sealed.events)),
            None => format!(
                "{who} keeps all {} now: {}, {}, which only this node's key can open.\n",
                events(sealed.events),
                count(sealed.parts, "new part"),
                crate::size::shown(sealed.bytes)
            ),
        }
    };
    let lines: String = result.sealed.iter().map(one).collect();
    format!("{lines}They get what comes later by themselves.\n")
}

/// A copy that was taken back.
pub(crate) fn unsealed(unsealed: &UnsealedDto) -> String {
    format!("{} has forgotten {} and gets none any more.\n", unsealed.peer_id, count(unsealed.parts, "part"))
}

/// Who keeps what.
pub(crate) fn copies(view: &SealedDto) -> String {
    let now = now_ms();
    let mut out = if view.holders.is_empty() && view.private_facts == 0 {
        "This node has no private facts, so nobody needs to keep a sealed copy of any.\n".to_owned()
    } else if view.holders.is_empty() {
        format!(
            "Nobody keeps a sealed copy of the {} of this node.\nChoose somebody: antiphon backup seal --with PEER\n",
            count(thousands(view.private_facts), "private fact")
        )
    } else {
        let rows = view.holders.iter().map(|holder| {
            let state = match (&holder.refused, holder.member, holder.missing) {
                (_, false, _) => "no member any more".to_owned(),
                (Some(reason), ..) => format!("lacks {}: {}", events(holder.missing), safe(reason)),
                (None, true, 0) => "complete".to_owned(),
                (None, true, missing) => format!("lacks {}", events(missing)),
            };
            let when = holder.confirmed_at.as_deref().map_or_else(|| "never".to_owned(), |at| ago(at, now));
            vec![safe(&holder.name), holder.events.to_string(), state, when]
        });
        let title =
            format!("{} of this node are kept sealed by:", count(thousands(view.private_facts), "private fact"));
        format!("{title}\n{}\n", table(&["member", "events", "state", "confirmed"], rows))
    };
    if !view.kept.is_empty() {
        let rows = view.kept.iter().map(|kept| {
            let size = format!("{} of {}", crate::size::shown(kept.bytes), crate::size::shown(view.quota_bytes));
            vec![safe(&kept.name), kept.parts.to_string(), size, ago(&kept.updated_at, now)]
        });
        out.push_str("\nThis node keeps, and cannot read, those of:\n");
        out.push_str(&format!("{}\n", table(&["member", "parts", "size", "updated"], rows)));
    }
    out
}

fn events(n: u64) -> String {
    count(thousands(n), "event")
}

/// `1,234,567`
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_can_be_read() {
        assert_eq!(
            (thousands(7), thousands(1_000), thousands(1_234_567)),
            ("7".into(), "1,000".into(), "1,234,567".into())
        );
    }

    #[test]
    fn what_did_not_come_back_is_named() {
        let place = FormerPlaceDto { name: "bob".into(), ..FormerPlaceDto::default() };
        let recovery = RecoveryDto { missing: 1_200, away: vec!["carol".into()], ..RecoveryDto::default() };
        let text = recovered(&place, &recovery);
        assert!(text.contains("1,200 events") && text.contains("carol") && text.contains("Repeat"), "{text}");
    }
}
