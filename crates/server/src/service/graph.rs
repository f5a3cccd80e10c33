//! The knowledge graph of the memory server.

use antiphon_node::Draft;

use super::Service;
use crate::convert::{self, Actor};
use crate::dto::{ActorDto, NewFactDto};
use crate::error::{Code, Problem};
use crate::graph::{Changes, DOMAIN, GRAPH_FACTS_MAX, Graph, KeptGraph};

impl Service {
    /// Reads the graph as it stands.
    pub(crate) async fn graph<T>(&self, read: impl FnOnce(&Graph) -> T) -> Result<T, Problem> {
        Ok(read(self.followed(&mut *self.graph.lock().await).await?))
    }

    /// Changes the graph by what `change` makes of it, and gives its answer once the change is durable.
    pub(crate) async fn change_graph<T>(
        &self,
        actor: ActorDto,
        change: impl FnOnce(&Graph) -> Result<(T, Changes), Problem>,
    ) -> Result<T, Problem> {
        // One at a time changes it, so that none goes by what another has just changed.
        let mut kept = self.graph.lock().await;
        let graph = self.followed(&mut kept).await?;
        let (answer, changes) = change(graph)?;
        within_limit(graph.facts().saturating_add(changes.remember.len()))?;
        let provenance = convert::provenance_of(Actor::from(actor.clone()))?;
        let written = |fact: NewFactDto| {
            let ActorDto { agent, tool, session, source_kind } = actor.clone();
            convert::remember_of(NewFactDto { agent, tool, session, source_kind, ..fact })
        };
        // All of it is checked before any of it is written.
        let mut drafts: Vec<Draft> = changes.remember.into_iter().map(written).collect::<Result<_, _>>()?;
        let remembered = drafts.len();
        let forget = |fact| Draft::Forget { fact, provenance: provenance.clone() };
        drafts.extend(changes.forget.into_iter().map(forget));
        if !drafts.is_empty() {
            for result in self.handle.author(drafts).await? {
                result?;
            }
            self.counts.remembered(remembered);
            self.graph_written.notify_one();
        }
        Ok(answer)
    }

    /// Follows what the tools of the graph write as soon as they have answered, so that whoever asks next need not wait for
    /// it. Never ends.
    pub(crate) async fn follow_graph(&self) {
        loop {
            self.graph_written.notified().await;
            if let Err(problem) = self.graph(|_| ()).await {
                // Whoever asks next is told.
                tracing::debug!(%problem, "the graph could not be followed");
            }
        }
    }

    /// The graph, with what became of its facts since it was last used.
    async fn followed<'a>(&self, kept: &'a mut KeptGraph) -> Result<&'a Graph, Problem> {
        kept.use_it();
        let mut mark = kept.mark();
        while !kept.is_newest(self.now()) {
            let mut commits = self.handle.committed();
            commits.mark_unchanged();
            let (news, now) = self.handle.domain_since(DOMAIN, mark.take(), GRAPH_FACTS_MAX + 1).await?;
            // Without a mark all facts are read, and then there is nothing that they do not fit to.
            if kept.follow(news, now, commits).is_ok() {
                break;
            }
        }
        let lost = || Problem::new(Code::Failed, "the graph was not kept");
        let graph = kept.graph().ok_or_else(lost)?;
        within_limit(graph.facts())?;
        Ok(graph)
    }

    /// Lets go of what is kept for calls that have not come for long.
    pub(crate) async fn rest(&self) {
        self.graph.lock().await.rest();
    }
}

fn within_limit(facts: usize) -> Result<(), Problem> {
    if facts <= GRAPH_FACTS_MAX {
        return Ok(());
    }
    let what = format!("the knowledge graph can have {GRAPH_FACTS_MAX} elements, not {facts} or more");
    Err(Problem::new(Code::TooLarge, what)
        .why("the profile memory-server keeps all of them in memory")
        .hint("use the core profile: its recall finds the same facts, however many there are"))
}
