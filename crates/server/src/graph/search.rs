//! The texts of an entity in the form in which they are searched.

use memchr::memmem::Finder;

use super::index::{Index, Row};

/// What stands between two texts. No text of a fact holds it.
const BETWEEN: char = '\0';

/// The texts of an entity, in small letters. Making them small at every search takes longer than searching.
#[derive(Debug)]
pub(super) struct Searched {
    kind: String,
    texts: String,
    row: Option<Row>,
}

impl Searched {
    /// Those of an entity of which no more is known yet, noted in the index as those of this one.
    pub(super) fn new(name: &str, kind: &str, index: &mut Index, owner: usize) -> Self {
        let mut searched = Self { kind: kind.to_lowercase(), texts: name.to_lowercase(), row: None };
        index.note(&mut searched.row, owner, &searched.texts);
        index.note(&mut searched.row, owner, &searched.kind);
        searched
    }

    /// It is of another type.
    pub(super) fn set_kind(&mut self, kind: &str, index: &mut Index, owner: usize) {
        self.kind = kind.to_lowercase();
        index.note(&mut self.row, owner, &self.kind);
    }

    /// It has one more observation.
    pub(super) fn add(&mut self, text: &str, index: &mut Index, owner: usize) {
        let text = text.to_lowercase();
        index.note(&mut self.row, owner, &text);
        self.texts.push(BETWEEN);
        self.texts.push_str(&text);
    }

    /// Whether one of the texts holds what is looked for.
    pub(super) fn has(&self, query: &Sought<'_>) -> bool {
        let is_in = |text: &str| query.0.find(text.as_bytes()).is_some();
        is_in(&self.texts) || is_in(&self.kind)
    }
}

/// What is looked for in many texts.
#[derive(Debug)]
pub(super) struct Sought<'a>(Finder<'a>);

impl<'a> Sought<'a> {
    /// What is looked for, in small letters; `None` when no text can hold it.
    pub(super) fn new(query: &'a str) -> Option<Self> {
        (!query.contains(BETWEEN)).then(|| Self(Finder::new(query.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_within_one_text_only() {
        let mut index = Index::default();
        let mut texts = Searched::new("Alice", "Robot", &mut index, 7);
        texts.add("likes TEA", &mut index, 7);
        texts.set_kind("Person", &mut index, 7);
        let found = ["alice", "s te", "", "person"].map(|query| (query, true));
        let not = ["elikes", "e\0likes", "robot", "teaperson"].map(|query| (query, false));
        for (query, found) in found.into_iter().chain(not) {
            assert_eq!(Sought::new(query).is_some_and(|query| texts.has(&query)), found, "{query:?}");
            if found && query.len() > 3 {
                assert_eq!(index.may_hold(query), Some(vec![7]), "{query:?}");
            }
        }
    }
}
