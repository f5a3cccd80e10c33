//! Facts on their way out, a page at a time, so that memory does not grow with how many there are.
//!
//! An export is no snapshot: what is written while it runs may or may not be in it. No fact that was there from its
//! beginning to its end is left out, because pages go by ids and ids do not change.

use std::sync::Arc;

use antiphon_core::ids::FactId;
use antiphon_node::{FactFilter, FactView};

use super::{BATCH_FACTS_MAX, Service};
use crate::convert;
use crate::dto::{
    EXPORT_VERSION, ExportAskDto, ExportBeginDto, ExportEndDto, ExportLineDto, FactFilterDto, KnownAskDto, KnownDto,
};
use crate::error::{Code, Problem};

/// Facts that are read and sent at once: at most about 16 MiB.
const FACTS_PER_PAGE: usize = 256;

/// An export that is under way.
pub(crate) struct Export {
    service: Arc<Service>,
    filter: FactFilter,
    ask: ExportAskDto,
    begin: Option<ExportBeginDto>,
    after: Option<FactId>,
    end: ExportEndDto,
    done: bool,
}

impl Service {
    /// Begins an export.
    pub(crate) async fn export_facts(self: Arc<Self>, ask: ExportAskDto) -> Result<Export, Problem> {
        let status = self.handle.status().await?;
        let list = FactFilterDto {
            level: ask.level.clone(),
            domain: ask.domain.clone(),
            module: ask.module.clone(),
            tag: ask.tag.clone(),
            archived: ask.archived,
            ..FactFilterDto::default()
        };
        let filter = convert::filter_of(&list, None, self.now())?;
        let begin = ExportBeginDto {
            version: EXPORT_VERSION,
            team: status.team.name,
            node: status.node_id.to_string(),
            at: crate::time::rfc3339(self.now()),
            held: status.facts,
        };
        let end = ExportEndDto { closed: status.closed, ..ExportEndDto::default() };
        Ok(Export { service: self, filter, ask, begin: Some(begin), after: None, end, done: false })
    }

    /// Which of these facts are here.
    pub(crate) async fn known(&self, ask: KnownAskDto) -> Result<KnownDto, Problem> {
        if ask.ids.len() > BATCH_FACTS_MAX {
            let what = format!("{} facts are asked about, the limit is {BATCH_FACTS_MAX}", ask.ids.len());
            return Err(Problem::new(Code::TooLarge, what).hint("ask several times"));
        }
        let mut known = Vec::new();
        for id in ask.ids {
            let fact: FactId = id.parse().map_err(|_| {
                Problem::bad_value("ids", &id, "a fact id has 26 characters, as antiphon facts list shows them")
            })?;
            match self.handle.fact(fact).await.map_err(Problem::from) {
                Ok(_) => known.push(id),
                Err(problem) if problem.code == Code::NotFound => {}
                // It is here, and closed to this node.
                Err(problem) if problem.code == Code::Refused => known.push(id),
                Err(problem) => return Err(problem),
            }
        }
        Ok(KnownDto { known })
    }
}

impl Export {
    /// The next lines; `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<Result<Vec<u8>, Problem>> {
        if let Some(begin) = self.begin.take() {
            return Some(lines([ExportLineDto::Begin(begin)]));
        }
        if self.done {
            return None;
        }
        Some(self.page().await)
    }

    async fn page(&mut self) -> Result<Vec<u8>, Problem> {
        let views = self.service.handle.facts(self.filter.clone(), FACTS_PER_PAGE, self.after).await?;
        let whole = views.len() == FACTS_PER_PAGE;
        self.after = views.last().map(|view| view.fact.id);
        let mut page: Vec<_> = views.into_iter().filter_map(|view| self.take(view)).collect();
        if !whole {
            self.done = true;
            page.push(ExportLineDto::End(self.end.clone()));
        }
        lines(page)
    }

    /// The line of a fact, or a count of those that are left out.
    fn take(&mut self, view: FactView) -> Option<ExportLineDto> {
        let end = &mut self.end;
        if view.fact.private && self.ask.private != Some(true) {
            end.private += 1;
            return None;
        }
        if view.fact.role.is_some() && self.ask.sealed != Some(true) {
            end.sealed += 1;
            return None;
        }
        let Some(fact) = convert::exported(view) else {
            end.without_text += 1;
            return None;
        };
        end.facts += 1;
        end.diverged += u64::from(!fact.recorded.diverged.is_empty());
        Some(ExportLineDto::Fact(Box::new(fact)))
    }
}

fn lines(page: impl IntoIterator<Item = ExportLineDto>) -> Result<Vec<u8>, Problem> {
    let mut text = Vec::new();
    for line in page {
        serde_json::to_writer(&mut text, &line).map_err(|error| Problem::new(Code::Failed, error.to_string()))?;
        text.push(b'\n');
    }
    Ok(text)
}
