//! What an agent is told of the node without asking, as log messages.
//!
//! An agent of the older revision says from which level on it wants to hear. It hears when a problem of the node appears
//! or is mended, and when messages came. Nothing is told before it asks: most agents have no place for it. The newer
//! revision has logs of single requests only, and watches the status instead.
#![expect(deprecated, reason = "the older revision has logging, and agents of it are served")]

use std::collections::BTreeMap;

use antiphon_core::fact::escape;
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam};
use rmcp::service::{Peer, RoleServer};
use serde_json::{Value, json};

use crate::dto::StatusDto;
use crate::error::Problem;
use crate::service::Service;

/// What log messages say they come from.
const LOGGER: &str = "antiphon";

/// What one agent wants to hear, and has heard.
#[derive(Debug, Clone)]
pub(super) struct News {
    level: LoggingLevel,
    /// What is wrong and what mends it.
    problems: BTreeMap<String, String>,
    unread: u64,
}

impl News {
    /// From `level` on.
    pub(super) const fn from(level: LoggingLevel) -> Self {
        Self { level, problems: BTreeMap::new(), unread: 0 }
    }

    /// The same, where everything that is so now is known already.
    pub(super) async fn starting_now(mut self, service: &Service) -> Result<Self, Problem> {
        // There is nobody to be told yet.
        self.compare(&service.status().await?);
        Ok(self)
    }

    /// Takes over what was heard; the level may have been changed meanwhile.
    pub(super) fn take_over(&mut self, heard: Self) {
        (self.problems, self.unread) = (heard.problems, heard.unread);
    }

    /// Tells what is new. Whether it could be told.
    pub(super) async fn tell(&mut self, service: &Service, peer: &Peer<RoleServer>) -> bool {
        let status = match service.status().await {
            Ok(status) => status,
            Err(problem) => {
                tracing::debug!(%problem, "what is new could not be read; it is read with the next change");
                return true;
            }
        };
        for (level, data) in self.compare(&status) {
            let wanted = severity(level) >= severity(self.level);
            let message = LoggingMessageNotificationParam::new(level, data).with_logger(LOGGER);
            if wanted && peer.notify_logging_message(message).await.is_err() {
                return false;
            }
        }
        true
    }

    /// What is new in `status`, which is known from now on.
    fn compare(&mut self, status: &StatusDto) -> Vec<(LoggingLevel, Value)> {
        let now: BTreeMap<String, String> =
            status.problems.iter().map(|problem| (escape(&problem.what), escape(&problem.fix))).collect();
        let mut told = Vec::new();
        for (what, fix) in now.iter().filter(|(what, _)| !self.problems.contains_key(*what)) {
            told.push((LoggingLevel::Warning, json!({"news": "problem", "what": what, "fix": fix})));
        }
        for what in self.problems.keys().filter(|what| !now.contains_key(*what)) {
            told.push((LoggingLevel::Notice, json!({"news": "mended", "what": what})));
        }
        if status.unread > self.unread {
            told.push((LoggingLevel::Info, json!({"news": "messages", "unread": status.unread})));
        }
        (self.problems, self.unread) = (now, status.unread);
        told
    }
}

const fn severity(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dto::FindingDto;

    #[test]
    fn a_problem_is_told_when_it_comes_and_when_it_goes() {
        let status = |problems: &[&str], unread: u64| StatusDto {
            problems: problems
                .iter()
                .map(|what| FindingDto { what: (*what).to_owned(), fix: "antiphon doctor".into() })
                .collect(),
            unread,
            ..StatusDto::default()
        };
        let mut news = News::from(LoggingLevel::Info);
        let told = |told: Vec<(LoggingLevel, Value)>| -> Vec<String> {
            told.iter().map(|(level, data)| format!("{level:?} {}", data["news"].as_str().unwrap())).collect()
        };
        assert_eq!(told(news.compare(&status(&["disk full\u{1b}"], 0))), ["Warning problem"]);
        assert_eq!(told(news.compare(&status(&["disk full\u{1b}"], 2))), ["Info messages"]);
        assert_eq!(told(news.compare(&status(&[], 1))), ["Notice mended"]);
        assert!(severity(LoggingLevel::Warning) > severity(LoggingLevel::Info));
    }
}
