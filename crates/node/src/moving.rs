//! Moving from a team of one into the team of a ticket.

use antiphon_core::log::{LogId, Stream};
use antiphon_protocol::join::Joined;
use antiphon_protocol::ticket::Ticket;
use antiphon_store::{Bring, Counts, FactFilter, Identity, LogRun, Reader, Store};
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
}

/// Whether this node may leave its team for the ticket's, and with what.
pub(crate) async fn may_move(
    store: &Store,
    team: &TeamState,
    ticket: &Ticket,
    bring: Option<Bring>,
) -> Result<Bring, Error> {
    let others = team.others();
    if others > 0 {
        return Err(Error::InAnotherTeam { team: team.constitution.name.clone(), others });
    }
    let (counts, shared) = count(store).await?;
    match bring {
        Some(bring) => Ok(bring),
        None if counts.facts == 0 => Ok(Bring::None),
        None => Err(Error::BringUndecided {
            team: ticket.team_name.clone(),
            shared,
            local: counts.facts.saturating_sub(shared),
        }),
    }
}

async fn count(store: &Store) -> Result<(Counts, u64), Error> {
    Ok(store.read(|reader| Ok((reader.counts()?, count_shared(reader)?))).await?)
}

fn count_shared(reader: &Reader<'_>) -> Result<u64, antiphon_store::Error> {
    let filter = FactFilter { include_archived: true, ..FactFilter::default() };
    let (mut shared, mut after) = (0, None);
    loop {
        let facts = reader.facts(&filter, FACTS_AT_A_TIME, after)?;
        let Some(last) = facts.last() else { return Ok(shared) };
        after = Some(last.fact.id);
        shared += facts.iter().filter(|view| view.stream == Stream::Shared).count() as u64;
    }
}

/// Moves: a new store in the new team, and the facts written again by it.
pub(crate) async fn run(
    store: &Store,
    team: &TeamState,
    joined: &Joined,
    name: String,
    bring: Bring,
) -> Result<Moved, Error> {
    let (counts, shared) = count(store).await?;
    let identity = Identity { node: team.own.node, name, nonce: fresh_ulid()?, previous: None };
    let charter = joined.charter.iter().map(|log| LogRun {
        log: LogId::new(log.store, Stream::Charter),
        node: log.key,
        events: log.events.clone(),
    });
    let (charter, genome, seed) = (charter.collect(), joined.genome.clone(), random::bytes()?);
    store.write(move |db| db.move_to_team(&identity, &genome, charter, bring, now(), seed)).await?;
    let brought = if bring == Bring::Shared { shared } else { 0 };
    Ok(Moved { brought, kept_local: counts.facts.saturating_sub(brought) })
}
