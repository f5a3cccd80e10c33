//! Messages between agents, on their way: sealed to whoever is to read them, and opened there.

use antiphon_core::ids::MessageId;
use antiphon_core::ids::{NodeId, TeamId};
use antiphon_core::letter::{Letter, NOTICE_IDS_MAX, ReadNotice, Signed};
use antiphon_core::outbox::{Outgoing, Protocol, Subject};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::outbox::{Item, Refusal};
use antiphon_store::{Effect, LETTER_SCHEMA, NOTICE_SCHEMA};
use antiphon_vault::{NodeKey, seal_to};

use super::effects::{Context, NOT_UNDERSTOOD};
use crate::api::Error;
use crate::team::TeamState;

/// Why a message is refused that does not open here: it was sealed to somebody else, or damaged.
const NOT_SEALED_TO_US: &str = "message_not_sealed_to_us";

/// What a message, or the notice that messages were read, means.
///
/// # Errors
/// Why it is refused for good.
pub(super) fn meaning(context: &Context, from: &NodeId, item: &Item) -> Result<Effect, Refusal> {
    let own = &context.team.own;
    let opened = context.key.open_sealed(&item.body).map_err(|error| {
        tracing::warn!(peer = %from, %error, "a message does not open");
        Refusal::named(NOT_SEALED_TO_US)
    })?;
    let refused = |error: antiphon_core::letter::Error| {
        tracing::warn!(peer = %from, %error, "a message is refused");
        Refusal::named(error.name())
    };
    let signed = Signed::decode(&opened).map_err(refused)?;
    match item.schema {
        LETTER_SCHEMA => {
            let letter = signed.letter(&own.team, from, &own.node).map_err(refused)?;
            Ok(Effect::Letter(Box::new(letter)))
        }
        NOTICE_SCHEMA => Ok(Effect::Read(signed.notice(&own.team, from, &own.node).map_err(refused)?)),
        _ => Err(Refusal::named(NOT_UNDERSTOOD)),
    }
}

/// A letter as an item, sealed to its receiver.
///
/// # Errors
/// [`Error::Message`] when it is unfit, [`Error::NotAMember`], [`Error::Seal`].
pub(crate) fn letter(letter: &Letter, key: &NodeKey, team: &TeamState) -> Result<Outgoing, Error> {
    let signed = letter.sign(key)?;
    item(&signed, letter.to, LETTER_SCHEMA, letter.id, team)
}

/// That messages were read, as items for their writers. Whoever is no member any more is not told.
pub(crate) fn notices(
    read: &[(NodeId, MessageId)],
    key: &NodeKey,
    team: &TeamState,
    at: UnixMillis,
) -> Result<Vec<Outgoing>, Error> {
    let mut items = Vec::new();
    for writer in read.chunk_by(|one, other| one.0 == other.0) {
        let Some((to, _)) = writer.first().filter(|(to, _)| team.membership.check(to, at).is_ok()) else { continue };
        for some in writer.chunks(NOTICE_IDS_MAX) {
            let mut ids: Vec<MessageId> = some.iter().map(|(_, id)| *id).collect();
            ids.sort_unstable();
            let Some(first) = ids.first().copied() else { continue };
            let notice = notice(team.own.team, key.node_id(), *to, at, ids);
            items.push(item(&notice.sign(key)?, *to, NOTICE_SCHEMA, first, team)?);
        }
    }
    Ok(items)
}

fn notice(team: TeamId, from: NodeId, to: NodeId, at: UnixMillis, ids: Vec<MessageId>) -> ReadNotice {
    ReadNotice { team, from, to, at, ids }
}

fn item(signed: &Signed, to: NodeId, schema: u16, about: MessageId, team: &TeamState) -> Result<Outgoing, Error> {
    let member = team.membership.member(&to).ok_or(Error::NotAMember(to))?;
    let body = seal_to(&member.grant.recipient, &signed.encode())?;
    Ok(Outgoing { peer: to, protocol: Protocol::MESSAGE, schema, subject: Subject(about.0), body })
}
