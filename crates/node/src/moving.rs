//! Moving from a team of one into the team of a ticket.

use antiphon_core::fact::stream_of;
use antiphon_core::log::{LogId, Stream};
use antiphon_protocol::join::Joined;
use antiphon_protocol::ticket::Ticket;
use antiphon_store::{Bring, Counts, FactFilter, FactView, Identity, LogRun, Reader, Store};
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
    if team.others() > 0 {
        return Err(in_another(team));
    }
    let (counts, shared) = count(store).await?;
    match bring {
        Some(bring) => Ok(bring),
        None if counts.facts == 0 && counts.incidents == 0 => Ok(Bring::None),
        None => Err(Error::BringUndecided {
            team: ticket.team_name.clone(),
            shared,
            local: counts.facts.saturating_sub(shared),
            incidents: counts.incidents,
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
        // One that was shared and is private by now does not come along.
        let comes = |view: &&FactView| {
            view.stream == Stream::Shared && stream_of(view.fact.level, view.fact.private) == Stream::Shared
        };
        shared += facts.iter().filter(comes).count() as u64;
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
        if present.others() > 0 {
            return Ok(Err(in_another(&present)));
        }
        let (counts, shared) = (db.reader().counts()?, count_shared(&db.reader())?);
        db.move_to_team(&identity, &genome, charter, bring, now(), seed)?;
        let brought = if bring == Bring::Shared { shared } else { 0 };
        Ok(Ok(Moved { brought, kept_local: counts.facts.saturating_sub(brought) }))
    });
    moved.await?
}

fn in_another(team: &TeamState) -> Error {
    Error::InAnotherTeam { team: team.constitution.name.clone(), others: team.others() }
}
