//! Writes that their callers named, so that repeating one does nothing.
//!
//! The database remembers the names of what it writes into the log. Messages go another way, through the outbox; their
//! names are remembered here, for as long as the node runs.

use std::collections::VecDeque;
use std::future::Future;

use tokio::sync::Mutex;

use crate::dto::WrittenDto;
use crate::error::Problem;

/// Most writes that are remembered; the oldest is forgotten first.
const NAMED_MAX: usize = 1_024;

/// The last named writes.
#[derive(Default)]
pub(crate) struct Named(Mutex<VecDeque<(String, WrittenDto)>>);

impl Named {
    /// Does `write` unless `name` was done before. Of two that come at once the second waits for the first.
    pub(crate) async fn once(
        &self,
        name: String,
        write: impl Future<Output = Result<WrittenDto, Problem>>,
    ) -> Result<WrittenDto, Problem> {
        let mut named = self.0.lock().await;
        if let Some((_, written)) = named.iter().find(|(known, _)| *known == name) {
            return Ok(WrittenDto { outcome: "existed".to_owned(), ..written.clone() });
        }
        let written = write.await?;
        if named.len() >= NAMED_MAX {
            named.pop_front();
        }
        named.push_back((name, written.clone()));
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_repeated_name_writes_once_and_a_failed_write_can_be_repeated() {
        let named = Named::default();
        let written = WrittenDto { id: "1".into(), event: "e".into(), outcome: "written".into() };
        let failed = run(named.once("a".into(), async { Err(Problem::new(Code::Busy, "busy")) }));
        assert_eq!(failed.unwrap_err().code, Code::Busy);
        let first = run(named.once("a".into(), async { Ok(written.clone()) })).unwrap();
        assert_eq!(first.outcome, "written");
        let second = run(named.once("a".into(), async { Err(Problem::new(Code::Failed, "ran twice")) })).unwrap();
        assert_eq!((second.id.as_str(), second.outcome.as_str()), ("1", "existed"));
    }
}
