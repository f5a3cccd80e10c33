//! The one place that turns what went wrong into words for people: what happened, why, and what to do next. The CLI,
//! the HTTP API and MCP all show the same [`Problem`].

mod bundle;
mod content;
mod dht;
mod divergence;
mod fact;
mod incident;
mod message;
mod node;
mod outbox;
mod recovery;
mod request;
mod resource;
mod sealed;
mod team;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of problem it is. Programs decide by it; the texts may change, these do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request is wrong and will stay so.
    Invalid,
    /// The request needs an answer to a question first.
    Undecided,
    /// There is no such thing.
    NotFound,
    /// Policy or trust forbids it.
    Refused,
    /// The door does not know who asks.
    Unauthorized,
    /// The request has more bytes than the door takes.
    TooLarge,
    /// Somebody else could not be reached.
    Unreachable,
    /// It took too long.
    TimedOut,
    /// Too often in a short time.
    TooMany,
    /// The node is stopping, or has too much to do.
    Busy,
    /// The disk is full.
    Full,
    /// It failed.
    #[serde(other)]
    Failed,
}

impl Code {
    /// Every code, by its HTTP status.
    pub(crate) const ALL: [Self; 12] = [
        Self::Invalid,
        Self::Unauthorized,
        Self::Refused,
        Self::NotFound,
        Self::Undecided,
        Self::TooLarge,
        Self::TooMany,
        Self::Failed,
        Self::Unreachable,
        Self::Busy,
        Self::TimedOut,
        Self::Full,
    ];

    /// The exit code of a command: 1 failed, 2 usage, 3 not found, 4 refused, 5 unreachable.
    pub const fn exit(self) -> u8 {
        match self {
            Self::Failed | Self::Full | Self::TimedOut => 1,
            Self::Invalid | Self::Undecided | Self::TooLarge => 2,
            Self::NotFound => 3,
            Self::Refused | Self::Unauthorized => 4,
            Self::Unreachable | Self::Busy | Self::TooMany => 5,
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthorized => 401,
            Self::Refused => 403,
            Self::NotFound => 404,
            Self::Undecided => 409,
            Self::TooLarge => 413,
            Self::TooMany => 429,
            Self::Failed => 500,
            Self::Unreachable => 502,
            Self::Busy => 503,
            Self::TimedOut => 504,
            Self::Full => 507,
        }
    }

    /// Its name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Undecided => "undecided",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Unauthorized => "unauthorized",
            Self::TooLarge => "too_large",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::TooMany => "too_many",
            Self::Busy => "busy",
            Self::Full => "full",
            Self::Failed => "failed",
        }
    }
}

/// What went wrong, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// What kind of problem it is.
    pub code: Code,
    /// The exit code of a command that ends with it.
    pub exit: u8,
    /// What happened.
    pub what: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What to do next, with a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without an explanation yet.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, exit: code.exit(), what: what.into(), why: None, hint: None }
    }

    /// The same problem with its reason.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// The same problem with what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(why) = &self.why {
            write!(f, "\nwhy: {why}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nnext: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// The body of an answer that is a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProblemBody {
    /// The problem.
    pub error: Problem,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_its_shape_on_the_wire() {
        let problem = Problem::new(Code::NotFound, "no fact 01X").hint("antiphon facts list");
        let body = serde_json::to_string(&ProblemBody { error: problem.clone() }).unwrap();
        assert_eq!(
            body,
            r#"{"error":{"code":"not_found","exit":3,"what":"no fact 01X","hint":"antiphon facts list"}}"#
        );
        assert_eq!(serde_json::from_str::<ProblemBody>(&body).unwrap().error, problem);
    }

    #[test]
    fn a_code_of_a_newer_version_reads_as_a_failure() {
        let problem: Problem = serde_json::from_str(r#"{"code":"melted","exit":1,"what":"x"}"#).unwrap();
        assert_eq!(problem.code, Code::Failed);
    }

    #[test]
    fn every_code_is_written_by_its_name() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("{:?}", code.name()));
        }
    }
}
