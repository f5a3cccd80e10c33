//! What waits for a peer: how fast it is put down, what many of it cost, and how fast it is delivered.

mod drain;
mod enqueue;
mod many;
mod queue;

use crate::Outcome;

pub async fn run(parts: &[String]) -> Outcome<()> {
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    if wants("enqueue") {
        enqueue::run().await?;
    }
    if wants("many") {
        many::run().await?;
    }
    if wants("drain") {
        drain::run().await?;
    }
    Ok(())
}
