//! The audit trail.

use antiphon_core::ids::Hash;
use antiphon_core::trail::Operation;
use antiphon_node::{TRAIL_LINES_MAX, TrailFilter};

use super::Service;
use crate::convert;
use crate::dto::{TrailCheckDto, TrailDto, TrailFilterDto, TrailVerdictDto};
use crate::error::{Code, Problem};

/// Lines of one answer when nothing else is asked.
const LINES_DEFAULT: usize = 100;

impl Service {
    pub(crate) async fn trail(&self, filter: TrailFilterDto) -> Result<TrailDto, Problem> {
        let operation = filter.operation.as_deref().map(operation_of).transpose()?;
        let limit = filter.limit.unwrap_or(LINES_DEFAULT).clamp(1, TRAIL_LINES_MAX);
        let TrailFilterDto { address, failed, before, .. } = filter;
        let lines = self.handle.trail(TrailFilter { address, operation, failed, before, limit }).await?;
        Ok(TrailDto { lines: lines.into_iter().map(convert::trail_line).collect() })
    }

    pub(crate) async fn verify_trail(&self, check: TrailCheckDto) -> Result<TrailVerdictDto, Problem> {
        let noted: Option<Hash> = check.head.as_deref().map(hash_of).transpose()?;
        let asked = noted.is_some();
        let verdict = convert::trail_verdict(self.handle.verify_trail(noted).await?, asked);
        self.dashboard().note_trail(self.now(), verdict.clone());
        Ok(verdict)
    }
}

fn operation_of(name: &str) -> Result<Operation, Problem> {
    Operation::from_name(name).ok_or_else(|| {
        let known = Operation::ALL.map(Operation::name).join(", ");
        Problem::new(Code::Invalid, format!("there is no operation {name:?}")).hint(format!("it is one of {known}"))
    })
}

fn hash_of(text: &str) -> Result<Hash, Problem> {
    text.parse().map_err(|_| {
        Problem::new(Code::Invalid, format!("{text:?} is not a hash"))
            .hint("the hash to compare with is the one that antiphon audit verify printed, 64 hexadecimal digits")
    })
}
