//! Which version of a document is meant.

use std::fmt;
use std::str::FromStr;

use super::error::{Error, cut};

/// Longest text of a selector, in bytes: two signs and the longest number.
pub(super) const SELECTOR_BYTES_MAX: usize = 22;

/// Chooses one version of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Selector {
    /// `*^`: the latest.
    #[default]
    Latest,
    /// `*~N`: version N. Versions count from 1.
    Version(u64),
    /// `~~N`: N back from the latest; 0 is the latest.
    Back(u64),
    /// `^^N`: N forward from the first; 0 is the first.
    Forward(u64),
}

impl Selector {
    /// The place of the chosen one among `versions`, which are the numbers of all versions in their order. Of several
    /// with the same number it is the last.
    pub fn choose(self, versions: &[u64]) -> Option<usize> {
        let last = versions.len().checked_sub(1)?;
        let steps = |steps: u64| usize::try_from(steps).ok();
        match self {
            Self::Latest => Some(last),
            Self::Version(number) => versions.iter().rposition(|version| *version == number),
            Self::Back(back) => last.checked_sub(steps(back)?),
            Self::Forward(forward) => steps(forward).filter(|forward| *forward <= last),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.pad("*^"),
            Self::Version(number) => f.pad(&format!("*~{number}")),
            Self::Back(number) => f.pad(&format!("~~{number}")),
            Self::Forward(number) => f.pad(&format!("^^{number}")),
        }
    }
}

impl FromStr for Selector {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = || Error::Selector(cut(text));
        if text == "*^" {
            return Ok(Self::Latest);
        }
        let (kind, number) = text.split_at_checked(2).ok_or_else(refused)?;
        let number = number_of(number).ok_or_else(refused)?;
        match kind {
            "*~" if number > 0 => Ok(Self::Version(number)),
            "~~" => Ok(Self::Back(number)),
            "^^" => Ok(Self::Forward(number)),
            _ => Err(refused()),
        }
    }
}

/// A number in its one spelling: digits, no zero before others.
fn number_of(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let one_spelling = digits && (text == "0" || !text.starts_with('0'));
    one_spelling.then(|| text.parse().ok()).flatten()
}

/// Takes the selector off what follows the task, if one is there.
pub(super) fn leading(rest: &str) -> Result<(Option<Selector>, &str), Error> {
    if !rest.starts_with(['*', '~', '^']) {
        return Ok((None, rest));
    }
    let (selector, path) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((Some(selector.parse()?), path))
}
