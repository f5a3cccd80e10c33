//! The hostile peer: a test-only node that speaks the protocols over real connections to a real node and keeps none of
//! their rules. Every story ends with an honest member and the victim telling each other something new. What each
//! attack meets stands in the table of `docs/threat-model.md`, which names these stories.

mod crowd;
mod deliveries;
mod lies;
mod mallory;
mod memory;
mod talk;
