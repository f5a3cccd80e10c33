//! Taking in what was carried by hand: every check first, then the charter, then the rest.

use antiphon_core::event::Event;
use antiphon_core::ids::NodeId;
use antiphon_protocol::reason::Reason;
use antiphon_store::Applied;
use tokio::sync::oneshot;

use super::verify::{Checked, check_shared, foresee};
use super::{BUNDLE, CarriedFacts, CarriedGap, Carry, CarryError, Imported, RefusedLog};
use crate::api::Trust;
use crate::clock::now;
use crate::handle::Handle;
use crate::inputs::Command;

type StoreError = antiphon_store::Error;

/// Events that are stored in one transaction; it ends at the next signature.
const EVENTS_AT_A_TIME: usize = 512;

impl Handle {
    /// Takes in what a verified member sent. Its charter comes first, and only if the genomes are equal with it.
    ///
    /// # Errors
    /// [`CarryError`]; nothing was stored then. Logs that are refused one by one are part of the result.
    pub async fn import_carried(&self, facts: CarriedFacts) -> Result<Imported, CarryError> {
        let team = self.fresh_team().await?;
        let CarriedFacts { from, store, genome, clock, logs, .. } = facts;
        if facts.team != team.own.team {
            return Err(CarryError::OtherTeam { ours: team.own.team, theirs: facts.team });
        }
        if from == team.own.node {
            return Err(CarryError::Itself);
        }
        let refused = |reason| CarryError::Refused { peer: from, reason, by_peer: false };
        team.check(&from, now()).map_err(|refusal| refused(Reason::from(refusal)))?;
        let known = self.known_peer(from).await?;
        if known.trust != Trust::Verified {
            return Err(CarryError::NotVerified { peer: from, trust: known.trust });
        }
        if known.pinned != Some(store) {
            return Err(refused(Reason::IdentityMismatch));
        }
        let (foreseen, logs) = {
            let team = team.clone();
            let read = move |reader: &antiphon_store::Reader<'_>| Ok((foresee(reader, &team, &logs)?, logs));
            self.shared.store.read(read).await?
        };
        if foreseen.local.genome != genome {
            return Err(CarryError::Genome { ours: foreseen.local.genome, theirs: genome });
        }
        let mut imported = self.take_charter(from, foreseen.logs).await?;
        let team = team.own.team;
        let rest = self.shared.store.read(move |reader| check_shared(reader, &team, &logs)).await?;
        self.take_logs(from, rest, &mut imported).await?;
        self.report(from, &imported).await?;
        let facts = imported.facts;
        let told = |reply: oneshot::Sender<()>| Command::Carry(Carry::Imported { peer: from, facts, clock, reply });
        self.ask(told).await?;
        Ok(imported)
    }

    /// Stores charter logs that were found to be authentic.
    pub(super) async fn take_charter(&self, from: NodeId, logs: Vec<Checked>) -> Result<Imported, CarryError> {
        let mut imported = Imported::default();
        self.take_logs(from, logs, &mut imported).await?;
        Ok(imported)
    }

    async fn take_logs(&self, from: NodeId, logs: Vec<Checked>, imported: &mut Imported) -> Result<(), CarryError> {
        for log in logs {
            imported.gaps.extend(log.gap);
            imported.refused.extend(log.refused.clone());
            let (mut events, id, node) = (log.events, log.log, log.node);
            while !events.is_empty() {
                let rest = events.split_off(end_of_batch(&events));
                let first = events.first().map_or(0, |event| event.header().seq);
                match self.shared.store.apply_run(id, node, events, Some(from), now()).await {
                    Ok(applied) => count(imported, &applied),
                    Err(error) => {
                        let Some(reason) = refusal_of(&error) else { return Err(error.into()) };
                        imported.refused.push(RefusedLog { log: id, node, seq: first, reason });
                        break;
                    }
                }
                events = rest;
            }
        }
        Ok(())
    }

    /// Counts and writes down the logs that were refused.
    pub(super) async fn report(&self, from: NodeId, imported: &Imported) -> Result<(), CarryError> {
        for RefusedLog { log, node, seq, reason } in &imported.refused {
            let detail = format!("event {seq} of {log}, said to be of {node}");
            self.refuse(BUNDLE, Some(from), reason, &detail).await?;
        }
        for CarriedGap { log, held, got } in &imported.gaps {
            tracing::info!(%log, held, got, "what was carried by hand does not follow what is held");
        }
        Ok(())
    }
}

/// Where a batch ends: at the first signature after enough events, so that what a crash leaves can be passed on.
fn end_of_batch(events: &[Event]) -> usize {
    let signed = |(index, event): (usize, &Event)| event.signature().map(|_| index + 1);
    let ends = events.iter().enumerate().skip(EVENTS_AT_A_TIME - 1).find_map(signed);
    ends.unwrap_or(events.len())
}

fn count(imported: &mut Imported, applied: &Applied) {
    imported.events += applied.stored as u64;
    imported.known += applied.duplicates as u64;
    imported.facts += applied.facts as u64;
    imported.deferred += applied.deferred as u64;
    imported.quarantined += applied.quarantined as u64;
    imported.filled += applied.filled as u64;
    imported.forked += u64::from(applied.fork.is_some());
}

/// What is wrong with the log; `None` when the database itself failed.
fn refusal_of(error: &StoreError) -> Option<&'static str> {
    Some(match error {
        StoreError::OtherLog(_) => "other_log",
        StoreError::Gap { .. } => "gap",
        StoreError::OtherBranch { .. } => "other_branch",
        StoreError::NotASteward(_) => "not_a_steward",
        StoreError::TooManyStores(_) | StoreError::TooManyLogs | StoreError::CharterFull(_) => "quota",
        _ => return None,
    })
}
