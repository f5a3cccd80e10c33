//! What stands between `---` lines at the head of a file: a few keys are understood, the rest stays text.

use antiphon_core::time::UnixMillis;

use super::tag_of;
use crate::time;

/// Most tags that are taken from a file.
pub(super) const TAGS_MAX: usize = 16;

/// The head of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Front {
    /// Its title.
    pub(super) title: Option<String>,
    /// Its tags.
    pub(super) tags: Vec<String>,
    /// Whatever else stands there.
    pub(super) rest: String,
}

impl Front {
    /// Cuts a text into its head and what follows.
    pub(super) fn split(text: &str) -> (Self, &str) {
        let mut lines = text.split_inclusive('\n');
        let Some(first) = lines.next().filter(|line| line.trim_end() == "---") else { return (Self::default(), text) };
        let mut at = first.len();
        let mut front = Self::default();
        let mut in_tags = false;
        for line in lines {
            at += line.len();
            if line.trim_end() == "---" {
                front.tags.truncate(TAGS_MAX);
                return (front, &text[at..]);
            }
            in_tags = front.take(line, in_tags);
        }
        // The second line of dashes is missing: the first was a rule, and all is text.
        (Self::default(), text)
    }

    /// Reads one line; whether the lines of a tag list may follow.
    fn take(&mut self, line: &str, in_tags: bool) -> bool {
        if let Some(item) = line.trim_start().strip_prefix("- ").filter(|_| in_tags) {
            self.tags.extend(tag_of(plain(item)));
            return true;
        }
        match line.split_once(':') {
            Some(("title", title)) if self.title.is_none() && !plain(title).is_empty() => {
                self.title = Some(plain(title).to_owned());
            }
            Some(("tags", list)) => {
                let list = list.trim().trim_start_matches('[').trim_end_matches(']');
                self.tags.extend(list.split(',').filter_map(|tag| tag_of(plain(tag))));
                return list.is_empty();
            }
            _ => self.rest.push_str(line),
        }
        false
    }

    /// Takes the value of one more key out of the rest.
    pub(super) fn pull(&mut self, key: &str) -> Option<String> {
        let mut found = None;
        let mut rest = String::with_capacity(self.rest.len());
        for line in self.rest.split_inclusive('\n') {
            match line.split_once(':') {
                Some((name, value)) if name == key && found.is_none() => found = Some(plain(value).to_owned()),
                _ => rest.push_str(line),
            }
        }
        self.rest = rest;
        found.filter(|value| !value.is_empty())
    }

    /// When the head says the file was made.
    pub(super) fn pull_created(&mut self) -> Option<UnixMillis> {
        let keys = ["created", "created_at", "date"];
        keys.into_iter().filter_map(|key| self.pull(key)).find_map(|at| time::parse(&at))
    }
}

fn plain(text: &str) -> &str {
    text.trim().trim_matches(['"', '\'']).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_of_other_forms_loses_nothing() {
        let (front, body) = Front::split("---\ntags:\n  - a\n  - 'b c'\nother:\n  - x\n---\nbody");
        assert_eq!((front.tags.join("|"), front.rest.as_str(), body), ("a|b c".into(), "other:\n  - x\n", "body"));
        assert_eq!(Front::split("---\nno end"), (Front::default(), "---\nno end"));
    }

    #[test]
    fn a_key_is_taken_once_and_the_rest_stays() {
        let (mut front, _) = Front::split("---\ntype: 'person'\ncreated: 2025-03-04\ntype: twice\nrole: lead\n---\n");
        assert_eq!(front.pull("type").as_deref(), Some("person"));
        assert_eq!(front.pull_created(), time::parse("2025-03-04"));
        assert_eq!(front.rest, "type: twice\nrole: lead\n");
    }
}
