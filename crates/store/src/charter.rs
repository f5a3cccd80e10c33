//! The charter and the genome as the database holds them.
//!
//! Membership is a function of the set of charter events, so it is computed from all of them whenever one arrives;
//! there are at most 10,000, and they change seldom. Of a charter log that its author signed twice both branches
//! count.

use std::sync::Arc;

use antiphon_core::charter::{Charter, Entry, GrantPath, Membership};
use antiphon_core::event::Event;
use antiphon_core::fact::{Level, Sharing};
use antiphon_core::genome::{self, Constitution, Genome};
use antiphon_core::ids::{Hash, NodeId, TeamId};
use antiphon_core::log::Stream;
use antiphon_core::roles::{ROLE_PREFIX, Roles};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Error;
use crate::{cache, row};

/// Id of the gene that says which levels are shared.
const SHARING_GENE: &str = "policy.shared_up_to";

/// Writes the founding genes, and their hashes beside them.
pub(crate) fn write_genome(conn: &Connection, genome: &Genome) -> Result<(), Error> {
    let mut gene = conn.prepare_cached("INSERT INTO genes (id, text) VALUES (?1, ?2)")?;
    let mut leaf = conn.prepare_cached("INSERT INTO gene_leaves (id, leaf) VALUES (?1, ?2)")?;
    for ((id, text), (_, hash)) in genome.genes().zip(genome.leaves()) {
        gene.execute(params![id, text])?;
        leaf.execute(params![id, hash.0])?;
    }
    Ok(())
}

/// The founding genes, as the rows say them; whether they are the team's is for `verify` to say.
pub(crate) fn genome(conn: &Connection) -> Result<Option<Genome>, Error> {
    let mut query = conn.prepare_cached("SELECT id, text FROM genes ORDER BY id")?;
    let genes = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let genome = Genome::new(genes.collect::<Result<Vec<(String, String)>, _>>()?)?;
    Ok(if genome.is_empty() { None } else { Some(genome) })
}

/// The founding genes and those that the charter added.
pub(crate) fn current_genome(conn: &Connection) -> Result<Genome, Error> {
    let founding = team_genome(conn)?;
    Ok(founding.with(charter(conn)?.membership().genes()))
}

/// What the founding genes say.
pub(crate) fn constitution(conn: &Connection) -> Result<Constitution, Error> {
    Ok(team_genome(conn)?.constitution()?)
}

/// Whether a fact of this level and reach is meant for others in this team.
pub(crate) fn shares(conn: &Connection, level: Level, private: bool) -> Result<bool, Error> {
    if private || level == Level::Project {
        return Ok(!private);
    }
    let mut query = conn.prepare_cached("SELECT text FROM genes WHERE id = ?1")?;
    let text: Option<String> = query.query_row([SHARING_GENE], |row| row.get(0)).optional()?;
    let sharing = text.as_deref().and_then(Sharing::parse).unwrap_or_default();
    Ok(sharing.stream_of(level, private) == Stream::Shared)
}

/// Checks that nobody changed a gene on which it hangs who is a member. A node that does not know who founded its team
/// must not decide who belongs to it; a changed law is for `verify` to say.
pub(crate) fn check_founding(conn: &Connection, team: &TeamId) -> Result<(), Error> {
    let changed = tampered(conn)?;
    let matters = |id: &String| genome::is_reserved(id) || id.starts_with(ROLE_PREFIX);
    if changed.iter().any(matters) || (changed.is_empty() && team_genome(conn)?.team() != *team) {
        return Err(Error::Tampered(changed));
    }
    Ok(())
}

/// What is wrong with the founding genes, gene by gene as far as their hashes tell.
pub(crate) fn tampered(conn: &Connection) -> Result<Vec<String>, Error> {
    let mut query = conn.prepare_cached(
        "SELECT id, text, leaf FROM genes LEFT JOIN gene_leaves USING (id)
         UNION ALL SELECT id, NULL, leaf FROM gene_leaves WHERE id NOT IN (SELECT id FROM genes)",
    )?;
    let mut rows = query.query([])?;
    let mut tampered = Vec::new();
    while let Some(found) = rows.next()? {
        let (id, text): (String, Option<String>) = (found.get(0)?, found.get(1)?);
        let leaf: Option<[u8; 32]> = found.get(2)?;
        if text.is_none_or(|text| leaf != Some(genome::leaf_hash(&id, &text).0)) {
            tampered.push(id);
        }
    }
    Ok(tampered)
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

/// Every charter record, with what they say together; events that are none are left out.
pub(crate) fn charter(conn: &Connection) -> Result<Charter, Error> {
    let founders = constitution(conn)?.founders;
    let events = events(conn)?;
    Ok(Charter::new(&founders, events.iter().filter_map(|(node, event)| Entry::read(event, *node).ok())))
}

/// Who is a member.
pub(crate) fn membership(conn: &Connection) -> Result<Arc<Membership>, Error> {
    Ok(charter(conn)?.shared_membership())
}

/// The roles of the team, those included that the charter added.
pub(crate) fn roles(conn: &Connection, membership: &Membership) -> Result<Arc<Roles>, Error> {
    Ok(Arc::new(Roles::of(&team_genome(conn)?.with(membership.genes()))))
}

/// The events that prove the membership of `node`, if it has one.
pub(crate) fn grant_path(conn: &Connection, node: &NodeId) -> Result<Option<GrantPath>, Error> {
    let membership = membership(conn)?;
    // Most of the work is reading the events, so nobody pays for it who has no path.
    if membership.member(node).is_none() {
        return Ok(None);
    }
    Ok(GrantPath::find(&membership, node, &events(conn)?))
}

/// The record with this hash and the opening of the log it stands in.
pub(crate) fn record(conn: &Connection, hash: &Hash) -> Result<Option<(Event, Event)>, Error> {
    let events = events(conn)?;
    let Some((_, record)) = events.iter().find(|(_, event)| event.hash() == *hash) else { return Ok(None) };
    let opening = events.iter().find(|(_, event)| event.log() == record.log() && event.header().seq == 1);
    Ok(opening.map(|(_, opening)| (opening.clone(), record.clone())))
}

/// The genome of the team, which there must be.
pub(crate) fn team_genome(conn: &Connection) -> Result<Genome, Error> {
    genome(conn)?.ok_or(Error::NoTeam)
}

/// Checks that the founding genes are still the team's.
pub(crate) fn genome_is_intact(conn: &Connection) -> Result<bool, Error> {
    let Some(own) = cache::own(conn)? else { return Ok(true) };
    Ok(team_genome(conn)?.team() == own.team)
}
