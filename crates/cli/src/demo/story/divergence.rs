//! Two people change the same fact while they cannot reach each other.

use std::collections::BTreeMap;
use std::time::Instant;

use antiphon_server::dto::{DivergenceFilterDto, EditDto, ResolveDto};

use super::super::world::{Fail, NAMES, World, until};
use super::{Told, equal, number_of};

const BOBS: &str = "the staging database is called nightingale, on port 5432";
const ALICES: &str = "the staging database was renamed to thrush";
/// Everybody but bob.
const OTHERS: [&str; 4] = ["alice", "carol", "dave", "eve"];

/// Both edit, and both find both sides.
pub(super) async fn diverge(world: &mut World) -> Told {
    let fact = world.fact.clone();
    let edit = |text: &str| EditDto { content: Some(text.to_owned()), ..EditDto::default() };
    // Alone in the world: there is nobody whom bob could tell.
    world.stop(&OTHERS).await;
    world.client("bob")?.edit(&fact, &edit(BOBS)).await?;
    world.stop(&["bob"]).await;
    world.start(&OTHERS).await?;
    world.client("alice")?.edit(&fact, &edit(ALICES)).await?;
    world.start(&["bob"]).await?;
    let begun = Instant::now();
    until("every node shows both sides", async || {
        for (_, node) in world.running() {
            let found = node.divergences(&DivergenceFilterDto::default()).await?.divergences;
            let sides = found.iter().find(|one| one.id == fact).and_then(|one| one.fields.first()).map(|field| {
                let mut sides: Vec<&str> = field.sides.iter().map(|side| side.author.as_str()).collect();
                sides.sort_unstable();
                sides == ["alice", "bob"]
            });
            if sides != Some(true) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    let seconds = begun.elapsed().as_secs_f64();
    let claim = format!(
        "With all others off, bob edited the fact; with bob off, alice edited it too. {seconds:.1} s after bob's node \
         was back, all five showed a divergence with both sides: nothing was overwritten."
    );
    Ok((claim, BTreeMap::from([("found_seconds", seconds), ("sides", 2.0)])))
}

/// One decides, and all have it.
pub(super) async fn resolve(world: &mut World) -> Told {
    let fact = world.fact.clone();
    let begun = Instant::now();
    let accept = ResolveDto { accept: Some("bob".to_owned()), ..ResolveDto::default() };
    let resolved = world.client("carol")?.resolve(&fact, &accept).await?;
    if resolved.outcome != "resolved" || !resolved.left.is_empty() {
        return Err(Fail::new(format!("the divergence was not settled but {}", resolved.outcome)));
    }
    until("every node shows what was accepted", async || {
        for (_, node) in world.running() {
            let shown = node.fact(&fact).await?;
            if shown.content.as_deref() != Some(BOBS) || !shown.diverged.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    let ms = begun.elapsed().as_secs_f64() * 1_000.0;
    equal(world).await?;
    let claim =
        format!("carol accepted bob's side; after {ms:.0} ms all five showed it and held the same state again.");
    Ok((claim, BTreeMap::from([("resolved_ms", ms), ("nodes", number_of(NAMES.len()))])))
}
