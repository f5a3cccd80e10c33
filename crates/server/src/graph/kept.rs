//! The graph while it is used.

use std::time::{Duration, Instant};

use antiphon_core::time::UnixMillis;
use antiphon_node::{Commits, DomainMark, DomainNews};

use super::{Graph, Unsettled};

/// How long a graph is kept that nobody asks for.
const KEPT_SECONDS: u64 = 10 * 60;

/// The graph as it was when it was last used, and how far it was read.
#[derive(Debug, Default)]
pub(crate) struct KeptGraph(Option<Kept>);

#[derive(Debug)]
struct Kept {
    graph: Graph,
    mark: DomainMark,
    /// Tells whether anything was committed since.
    commits: Commits,
    used: Instant,
}

impl KeptGraph {
    /// How far it was read.
    pub(crate) fn mark(&self) -> Option<DomainMark> {
        self.0.as_ref().map(|kept| kept.mark)
    }

    /// Whether it is there, nothing was committed since it was read, and nothing of it has expired.
    pub(crate) fn is_newest(&self, now: UnixMillis) -> bool {
        let unchanged = |commits: &Commits| commits.has_changed().is_ok_and(|changed| !changed);
        self.0.as_ref().is_some_and(|kept| unchanged(&kept.commits) && kept.mark.holds_at(now))
    }

    /// The graph.
    pub(crate) fn graph(&self) -> Option<&Graph> {
        self.0.as_ref().map(|kept| &kept.graph)
    }

    /// Notes that somebody asks for it.
    pub(crate) fn use_it(&mut self) {
        self.0.iter_mut().for_each(|kept| kept.used = Instant::now());
    }

    /// Takes in what became of the facts since [`KeptGraph::mark`], which was read when all that `commits` has seen was
    /// there.
    ///
    /// # Errors
    /// All facts must be read again; nothing is kept any more.
    pub(crate) fn follow(&mut self, news: DomainNews, mark: DomainMark, commits: Commits) -> Result<(), Unsettled> {
        let used = Instant::now();
        let graph = match (news, self.0.take()) {
            (DomainNews::Whole(facts), _) => Graph::of_facts(facts),
            (DomainNews::More { facts, elsewhere }, Some(Kept { mut graph, .. })) => {
                if elsewhere.iter().any(|fact| graph.is_made_of(fact)) {
                    return Err(Unsettled);
                }
                graph.extend(facts)?;
                graph
            }
            (DomainNews::More { .. }, None) => return Err(Unsettled),
        };
        self.0 = Some(Kept { graph, mark, commits, used });
        Ok(())
    }

    /// Lets go of it if it was not used for long.
    pub(crate) fn rest(&mut self) {
        self.0.take_if(|kept| kept.used.elapsed() >= Duration::from_secs(KEPT_SECONDS));
    }
}
