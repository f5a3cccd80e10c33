//! Requests that a door cannot read.

use super::{Code, Problem};

impl Problem {
    /// A JSON body, or one item of it, that is not what was expected.
    pub(crate) fn bad_json(error: &serde_json::Error) -> Self {
        let problem = Self::new(Code::Invalid, format!("the request cannot be read: {error}"));
        let text = error.to_string();
        if text.starts_with("unknown field") {
            problem.why("an unknown key is refused, so that a misspelt one is not silently ignored")
        } else if text.starts_with("missing field") {
            problem.hint("add the missing key")
        } else {
            problem.hint("send one JSON object in UTF-8")
        }
    }

    /// A value of a request that cannot be used.
    pub(crate) fn bad_value(key: &str, got: &str, hint: impl Into<String>) -> Self {
        let got: String = got.chars().take(80).collect();
        Self::new(Code::Invalid, format!("{key}: {got:?} cannot be used")).hint(hint)
    }

    /// A body beyond the door's limit.
    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(Code::TooLarge, format!("the request has more than {limit} bytes"))
            .hint("send less at a time; a fact has at most 61440 bytes")
    }

    /// A request that took too long.
    pub(crate) fn timed_out(seconds: u64) -> Self {
        Self::new(Code::TimedOut, format!("no answer within {seconds} seconds"))
            .why("the node is busy or a peer does not answer; what was acknowledged stays")
            .hint("antiphon status")
    }

    /// No token, or a wrong one.
    pub(crate) fn unauthorized() -> Self {
        Self::new(Code::Unauthorized, "this door needs the node's token")
            .why("the request has no Authorization header with it, or a wrong one")
            .hint("send Authorization: Bearer TOKEN; the token is in the file http.token of the node's home")
    }

    /// A request that came in under a foreign name or from a foreign page.
    pub(crate) fn foreign(header: &str, got: &str) -> Self {
        let got: String = got.chars().take(80).collect();
        Self::new(Code::Refused, format!("{header} {got:?} is not allowed"))
            .why("this door answers under its own names only, to programs and pages of these names")
            .hint("use the address that antiphon status shows, or allow the name: antiphon config set http.hosts NAME")
    }

    /// Something that an address did too often.
    pub(crate) fn too_many(what: &str, seconds: u64) -> Self {
        Self::new(Code::TooMany, format!("too many {what} from this address"))
            .why(format!("the next one is looked at in {seconds} seconds"))
            .hint("wait, and look which program it is")
    }
}
