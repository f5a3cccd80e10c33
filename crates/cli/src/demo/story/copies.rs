//! Copies of the document, and a disk that is lost.

use std::collections::BTreeMap;
use std::time::Instant;

use antiphon_server::dto::{ContentAskDto, ReplicaDto};

use super::super::world::{Fail, World, until};
use super::document::address;
use super::{Told, WRITER, number_of};

/// Copies that a team keeps of every document.
const FACTOR: u64 = 3;

async fn replica(world: &mut World) -> Result<ReplicaDto, Fail> {
    let ask = ContentAskDto { address: address(), ciphertext: None };
    Ok(world.client("alice")?.replication_of(&ask).await?)
}

/// Who holds a copy that counts, and is here.
fn holders(replica: &ReplicaDto) -> Vec<String> {
    let here = replica.providers.iter().filter(|holder| holder.counts && (holder.own || holder.connected));
    here.map(|holder| holder.peer.clone()).collect()
}

/// There come to be as many copies as there should be, whoever may read them.
pub(super) async fn copies(world: &mut World) -> Told {
    let begun = Instant::now();
    let holders = until("there are three proved copies", async || {
        let replica = replica(world).await?;
        let whole = replica.health == "healthy" && replica.actual >= FACTOR;
        Ok(Some(holders(&replica)).filter(|holders| whole && holders.len() as u64 >= FACTOR))
    })
    .await?;
    let seconds = begun.elapsed().as_secs_f64();
    let claim = format!(
        "The ciphertext is held by {}, each of whom proved it; a holder need not be able to read it. {seconds:.1} s.",
        holders.join(", ")
    );
    Ok((claim, BTreeMap::from([("copies", number_of(holders.len())), ("copied_seconds", seconds)])))
}

/// A holder is lost with its disk, and another takes its place.
pub(super) async fn loss(world: &mut World) -> Told {
    let before = holders(&replica(world).await?);
    // alice goes on to lead the team, and eve is needed for the last step.
    let lost = before.iter().find_map(|name| ["bob", "carol", "dave"].into_iter().find(|other| other == name));
    let lost = lost.ok_or_else(|| Fail::new(format!("the copies are with {}", before.join(", "))))?;
    let begun = Instant::now();
    world.node(lost)?.lose()?;
    world.lost = Some(lost);
    let after = until("there are three copies again", async || {
        let replica = replica(world).await?;
        let holders = holders(&replica);
        let whole = replica.actual >= FACTOR && holders.len() as u64 >= FACTOR;
        Ok(Some(holders).filter(|holders| whole && !holders.iter().any(|name| name == lost)))
    })
    .await?;
    let seconds = begun.elapsed().as_secs_f64();
    let new: Vec<&str> = after.iter().filter(|name| !before.contains(name)).map(String::as_str).collect();
    let blind = if new.contains(&"eve") { format!(" (a {WRITER}, who cannot read it)") } else { String::new() };
    let took = if new.is_empty() { "the others".to_owned() } else { format!("{}{blind}", new.join(" and ")) };
    let claim = format!(
        "{lost}'s process was ended as by a power cut and its disk was erased. After a grace period of 2 s, set for this \
         demo, {took} took over the copy: {seconds:.1} s after the loss there were {} again.",
        after.len()
    );
    Ok((claim, BTreeMap::from([("repaired_seconds", seconds), ("copies", number_of(after.len()))])))
}
