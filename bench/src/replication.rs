//! Copies of documents: how fast those are made again that a lost node took along, and what it costs to keep count of
//! 100,000 of them.
//!
//! Nodes are processes of their own on the loopback interface, which is theirs alone (see [`crate::wire`]). How many
//! copies there are is read in their databases by who measures, so a node's own view is not what its speed is judged by.

mod fill;
mod home;
mod keys;
mod ledger;
mod loss;
mod manager;
mod node;
mod plain;
mod team;

use crate::Outcome;
pub use manager::alone as manager_alone;
pub use node::run as node;
pub use plain::take;

/// Runs the parts that were asked for, `loss`, `keys` and `manager`, or all of them.
pub async fn run(parts: &[String]) -> Outcome<()> {
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|asked| asked == part);
    if wants("manager") {
        manager::run().await?;
    }
    if wants("keys") {
        keys::run().await?;
    }
    if wants("loss") {
        loss::run().await?;
    }
    Ok(())
}
