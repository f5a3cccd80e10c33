//! Five real nodes on this machine, and the whole story in under a minute.
//!
//! A promise is easy to make, so the demo keeps it before your eyes: every node is a process of this very program with a
//! key, a home and a database of its own, they speak over loopback only, and what is printed was measured just then. A
//! claim that does not come true ends the demo with the step that failed. No process is left behind, however it ends, and no
//! file unless the demo itself is killed.

mod nodes;
mod report;
mod story;
mod world;

use std::time::Instant;

use crate::outcome::Problem;

pub(crate) use report::{DemoReport, StepReport};
use world::World;

/// Tells the story; `begun` hears the name of every step, and `told` what it showed when it has come true.
///
/// # Errors
/// A problem when there is no place for the nodes.
pub(crate) async fn run(
    keep: bool,
    begun: impl Fn(&'static str),
    told: impl Fn(&StepReport),
) -> Result<DemoReport, Problem> {
    let started = Instant::now();
    let mut world = World::new(keep)?;
    let mut report = DemoReport { home: keep.then(|| world.dir().to_owned()), ..DemoReport::default() };
    for step in story::STEPS {
        begun(step.name());
        let at = Instant::now();
        match step.tell(&mut world).await {
            Ok(mut one) => {
                one.seconds = at.elapsed().as_secs_f64();
                told(&one);
                report.steps.push(one);
            }
            Err(fail) => {
                report.failed = Some(fail.of(step.name()));
                break;
            }
        }
    }
    world.end().await;
    report.ok = report.failed.is_none();
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}
