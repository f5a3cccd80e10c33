//! The charter and the genome as the database holds them.
//!
//! Membership is a function of the set of charter events, so it is computed from all of them whenever one arrives;
//! there are at most 10,000, and they change seldom. Of a charter log that its author signed twice both branches
//! count.

use antiphon_core::charter::{Entry, GrantPath, Membership, Record};
use antiphon_core::event::Event;
use antiphon_core::genome::Genome;
use antiphon_core::ids::NodeId;
use antiphon_core::log::{LogId, Stream};
use rusqlite::{Connection, params};

use crate::error::Error;
use crate::{cache, row};

/// Writes the founding genes.
pub(crate) fn write_genome(conn: &Connection, genome: &Genome) -> Result<(), Error> {
    let mut insert = conn.prepare_cached("INSERT INTO genes (id, text) VALUES (?1, ?2)")?;
    for (id, text) in genome.genes() {
        insert.execute(params![id, text])?;
    }
    Ok(())
}

/// The genome, as the rows say it; whether that is the team's is for `verify` to say.
pub(crate) fn genome(conn: &Connection) -> Result<Option<Genome>, Error> {
    let mut query = conn.prepare_cached("SELECT id, text FROM genes ORDER BY id")?;
    let genes = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let genome = Genome::new(genes.collect::<Result<Vec<(String, String)>, _>>()?)?;
    Ok(if genome.is_empty() { None } else { Some(genome) })
}

/// Every charter event that can be read, with the key that signed it.
pub(crate) fn events(conn: &Connection) -> Result<Vec<(NodeId, Event)>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT l.node, v.header, v.payload, v.signature, v.log, v.seq FROM logs l JOIN events v ON v.log = l.id
         WHERE l.stream = 0
         UNION ALL
         SELECT l.node, f.header, f.payload, f.signature, f.log, f.seq FROM logs l JOIN forks f ON f.log = l.id
         WHERE l.stream = 0
         ORDER BY 5, 6",
    )?;
    let mut rows = query.query([])?;
    let mut events = Vec::new();
    while let Some(found) = rows.next()? {
        events.push((row::node(found, 0)?, row::event(found, 1)?));
    }
    Ok(events)
}

/// Every charter record; events that are none are left out.
pub(crate) fn entries(conn: &Connection) -> Result<Vec<Entry>, Error> {
    Ok(events(conn)?.iter().filter_map(|(node, event)| Entry::read(event, *node).ok()).collect())
}

/// Who is a member.
pub(crate) fn membership(conn: &Connection) -> Result<Membership, Error> {
    let genome = genome(conn)?.ok_or(Error::NoTeam)?;
    Ok(Membership::of(genome.constitution()?.steward, &entries(conn)?))
}

/// The events that prove the membership of `node`, if it has one.
pub(crate) fn grant_path(conn: &Connection, node: &NodeId) -> Result<Option<GrantPath>, Error> {
    let members = membership(conn)?;
    let Some((_, member)) = members.members().find(|(key, _)| *key == node) else { return Ok(None) };
    let events = events(conn)?;
    let steward = members.first_steward();
    let grants = |(author, event): &&(NodeId, Event)| {
        let entry = Entry::read(event, *author).ok();
        *author == steward
            && entry.is_some_and(|entry| matches!(&entry.record, Record::Grant(grant) if *grant == member.grant))
    };
    let Some((_, grant)) = events.iter().rev().find(grants) else { return Ok(None) };
    let log = LogId::new(grant.header().store, Stream::Charter);
    let open = events.iter().find(|(_, event)| event.log() == log && event.header().seq == 1);
    Ok(open.map(|(_, open)| GrantPath { open: open.clone().into_unverified(), grant: grant.clone().into_unverified() }))
}

/// The genome of the team, which there must be.
pub(crate) fn team_genome(conn: &Connection) -> Result<Genome, Error> {
    genome(conn)?.ok_or(Error::NoTeam)
}

/// Checks that the genes are still the team's.
pub(crate) fn genome_is_intact(conn: &Connection) -> Result<bool, Error> {
    let Some(own) = cache::own(conn)? else { return Ok(true) };
    Ok(team_genome(conn)?.team() == own.team)
}
