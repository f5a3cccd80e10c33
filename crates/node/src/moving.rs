//! Moving from a team of one, or one that is left, into the team of a ticket.

use antiphon_core::fact::Sharing;
use antiphon_core::ids::NodeId;
use antiphon_core::log::{LogId, Stream};
use antiphon_protocol::join::Joined;
use antiphon_protocol::ticket::Ticket;
use antiphon_store::{Bring, FactFilter, FactView, Identity, LogRun, Reader, Store};
use antiphon_vault::random;

use crate::api::Error;
use crate::clock::now;
use crate::start::fresh_ulid;
use crate::team::TeamState;

/// Facts that are counted at a time.
const FACTS_AT_A_TIME: usize = 1_000;

/// Facts that came along and facts that stayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) brought: u64,
    pub(crate) kept_local: u64,
    /// Facts of others that stayed with the team that was left.
    pub(crate) left_behind: u64,
}

/// Whether this node may leave its team for the ticket's, and with what.
pub(crate) async fn may_move(
    store: &Store,
    team: &TeamState,
    ticket: &Ticket,
    bring: Option<Bring>,
    leave: bool,
) -> Result<Bring, Error> {
    if team.others() > 0 && !leave {
        return Err(in_another(team));
    }
    let (own, sharing) = (comes_from(team), team.constitution.sharing);
    let node = team.own.node;
    let read = store.read(move |reader| {
        // To a team that others belong to they were offered, and to nobody else.
        let resources = if own.is_none() { reader.catalogue_size(&node)? as u64 } else { 0 };
        Ok((reader.counts()?, Luggage::count(reader, own, sharing)?, resources))
    });
    let (counts, count, resources) = read.await?;
    let shared = count.shared;
    match bring {
        Some(bring) => Ok(bring),
        None if counts.facts == 0 && counts.incidents == 0 && resources == 0 => Ok(Bring::None),
        None => Err(Error::BringUndecided {
            team: ticket.team_name.clone(),
            shared,
            local: count.all.saturating_sub(shared),
            incidents: counts.incidents,
            resources,
        }),
    }
}

/// Whose facts come along: from a team that others belong to only this node's own.
fn comes_from(team: &TeamState) -> Option<NodeId> {
    (team.others() > 0).then_some(team.own.node)
}

/// Facts that would come along.
#[derive(Debug, Clone, Copy, Default)]
struct Luggage {
    all: u64,
    /// Those that would be visible to the new team.
    shared: u64,
}

impl Luggage {
    fn count(reader: &Reader<'_>, own: Option<NodeId>, sharing: Sharing) -> Result<Self, antiphon_store::Error> {
        let filter = FactFilter { include_archived: true, author: own, ..FactFilter::default() };
        let (mut count, mut after) = (Self::default(), None);
        loop {
            let facts = reader.facts(&filter, FACTS_AT_A_TIME, after)?;
            let Some(last) = facts.last() else { return Ok(count) };
            after = Some(last.fact.id);
            // One that was shared and is private by now does not come along.
            let shown = |view: &&FactView| {
                view.stream == Stream::Shared && sharing.stream_of(view.fact.level, view.fact.private) == Stream::Shared
            };
            // What is sealed to a role of this team stays in it.
            let plain = || facts.iter().filter(|view| view.fact.role.is_none());
            count.all += plain().count() as u64;
            count.shared += plain().filter(shown).count() as u64;
        }
    }
}

/// Moves: a new store in the new team, and the facts written again by it.
pub(crate) async fn run(
    store: &Store,
    team: &TeamState,
    joined: &Joined,
    name: String,
    bring: Bring,
    leave: bool,
) -> Result<Moved, Error> {
    let identity = Identity { node: team.own.node, name, nonce: fresh_ulid()?, previous: None };
    let charter = joined.charter.iter().map(|log| LogRun {
        log: LogId::new(log.store, Stream::Charter),
        node: log.key,
        events: log.events.clone(),
    });
    let (charter, genome, seed) = (charter.collect(), joined.genome.clone(), random::bytes()?);
    let moved = store.write(move |db| {
        // Facts were written and somebody may have joined while the steward was asked. Now nothing comes in between.
        let present = TeamState::read(&db.reader(), "")?;
        if present.others() > 0 && !leave {
            return Ok(Err(in_another(&present)));
        }
        let sharing = genome.constitution()?.sharing;
        let (all, count) = (db.reader().counts()?.facts, Luggage::count(&db.reader(), comes_from(&present), sharing)?);
        db.move_to_team(&identity, &genome, charter, bring, now(), seed)?;
        let brought = if bring == Bring::Shared { count.shared } else { 0 };
        let (kept_local, left_behind) = (count.all.saturating_sub(brought), all.saturating_sub(count.all));
        Ok(Ok(Moved { brought, kept_local, left_behind }))
    });
    moved.await?
}

fn in_another(team: &TeamState) -> Error {
    Error::InAnotherTeam { team: team.constitution.name.clone(), others: team.others() }
}
