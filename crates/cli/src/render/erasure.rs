//! Erasures, as they are shown.

use antiphon_server::dto::{ErasedAtDto, ErasureDto, FactDto};

use super::time::{ago, minute, now_ms};
use super::{count, safe, snippet, table};
use crate::output::{FAINT, styled};

/// What a person is asked before a fact is erased.
pub(crate) fn question(fact: &FactDto) -> String {
    let text = fact.content.as_deref().map_or_else(|| "(its text is gone already)".to_owned(), snippet);
    format!(
        "{}  {text}\nThis takes the text from every machine of the team, with every version of it and whatever is \
         written about it later.\nNothing brings it back. A dishonest member can keep a copy.",
        fact.id
    )
}

/// What became of an erasure.
pub(crate) fn erasure(erasure: &ErasureDto) -> String {
    format!("Erased {}.\n{}", erasure.id, members(erasure))
}

/// Where a fact is gone and where not yet.
pub(crate) fn members(erasure: &ErasureDto) -> String {
    let by = format!("Erased by {}, {}.", safe(&erasure.author), minute(&erasure.at));
    let mut out = format!("{}\n", styled(FAINT, &by));
    if erasure.cleaning {
        out.push_str("This machine is still cleaning its files; antiphon facts show says when it is done.\n");
    }
    if !erasure.shared {
        out.push_str("It never left this machine, but in copies that are sealed to it: those are made anew.\n");
        return out;
    }
    if erasure.members.is_empty() {
        out.push_str("This machine is the team's only member.\n");
        return out;
    }
    let row = |member: &ErasedAtDto| {
        let state = match (&member.reason, member.erased) {
            (_, true) => "erased".to_owned(),
            (Some(reason), false) => format!("could not apply it: {}", safe(reason)),
            (None, false) => "not yet".to_owned(),
        };
        let signed = member.signed_at.as_deref().map_or_else(String::new, |at| ago(at, now_ms()));
        vec![safe(&member.name), state, signed]
    };
    out.push_str(&table(&["member", "state", "signed"], erasure.members.iter().map(row)));
    let all = count(erasure.members.len(), "other member");
    out.push_str(&format!("\n{} of {all} signed that it is gone there.", erasure.erased));
    if erasure.erased < erasure.members.len() as u64 {
        out.push_str(" The others erase it when they next sync.");
    }
    out.push_str("\nThat is what they say: a dishonest member can keep a copy. If it was a secret, change it.\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn it_says_who_has_erased_who_has_not_and_what_that_is_worth() {
        let member = |name: &str, erased, reason: Option<&str>| ErasedAtDto {
            name: name.into(),
            erased,
            reason: reason.map(str::to_owned),
            ..ErasedAtDto::default()
        };
        let members =
            vec![member("bob", true, None), member("carol", false, None), member("dave", false, Some("auth"))];
        let shown = ErasureDto {
            id: "F".into(),
            author: "alice".into(),
            at: "2026-01-01T00:00:00Z".into(),
            shared: true,
            erased: 1,
            members,
            ..ErasureDto::default()
        };
        assert!(!shown.is_complete());
        let text = plain(&erasure(&shown));
        for words in ["Erased F.", "erased", "not yet", "could not apply it: auth", "1 of 3 other members signed"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(text.contains("a dishonest member can keep a copy"), "{text}");
        let local = ErasureDto { shared: false, members: Vec::new(), ..shown };
        assert!(local.is_complete() && plain(&erasure(&local)).contains("never left this machine"));
    }
}
