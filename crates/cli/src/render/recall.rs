//! What recall found, how it came about, and what members say who were asked.

use antiphon_server::dto::{AskedMemberDto, ContextDto, ExplanationDto, FoldedDto, HitDto, WordPartDto};

use super::divergences::sides;
use super::facts::headline;
use super::{count, safe, snippet};
use crate::output::{FAINT, styled};

/// Facts that a question found, best first.
pub(crate) fn hits(hits: &[HitDto], now_ms: u64) -> String {
    if hits.is_empty() {
        return "Nothing was found. `antiphon facts list` shows every fact.".to_owned();
    }
    hits.iter().map(|hit| one(hit, now_ms)).collect()
}

fn one(hit: &HitDto, now_ms: u64) -> String {
    let content = hit.fact.content.as_deref().unwrap_or_default();
    let text = if hit.snippet.is_empty() { content } else { &hit.snippet };
    // The sides say the text themselves, the shown one first.
    let told = hit.fact.sides.iter().any(|side| side.field == "content");
    let text = if told { String::new() } else { format!("  {}\n", snippet(text)) };
    let mut out = format!("{}\n{text}{}", headline(&hit.fact, now_ms), sides(&hit.fact));
    if let Some(by) = &hit.told_by {
        out.push_str(&faint(&format!(
            "{} told this when asked; it is not held here, and no signature covers it",
            safe(&by.name)
        )));
    }
    if !hit.folded.is_empty() {
        out.push_str(&faint(&folded(hit)));
    }
    if let Some(explanation) = &hit.explanation {
        out.push_str(&explained(hit.score, explanation));
    }
    out
}

fn faint(line: &str) -> String {
    format!("  {}\n", styled(FAINT, line))
}

/// The facts with the same text, some of them by name.
fn folded(hit: &HitDto) -> String {
    let name = |fact: &FoldedDto| {
        let told = if fact.told { ", told when asked" } else { "" };
        format!("{} ({}{told})", safe(&fact.id), safe(&fact.author))
    };
    let named = hit.folded.iter().map(name).collect::<Vec<_>>().join(", ");
    let more = hit.same.saturating_sub(hit.folded.len() + 1);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("the same text: {named}{more}")
}

/// How a score came about.
fn explained(score: f64, explanation: &ExplanationDto) -> String {
    let ExplanationDto { found_by, words, length, average_length } = explanation;
    let why = match found_by.as_str() {
        "not_indexed_yet" => "it is newer than the index",
        "rarest_words" => "it has one of the rarest words",
        "best_of_rare_words" => "it is among the best with a rare word",
        "common_words_together" => "it has several of the common words together",
        "newest" => "it is among the newest",
        "changed_since" => "it was changed since that time",
        other => other,
    };
    let words_count = count(usize::try_from(*length).unwrap_or(usize::MAX), "word");
    let mut out = faint(&format!(
        "score {score:.2}: looked at because {}; {words_count}, the average is {average_length:.0}",
        safe(why)
    ));
    let part = |part: &WordPartDto| {
        let WordPartDto { word, times, facts, weight, share, part } = part;
        let facts = count(usize::try_from(*facts).unwrap_or(usize::MAX), "fact");
        faint(&format!("  {part:.2} = {weight:.2} × {share:.2}  {} ({times} here, in {facts})", safe(word)))
    };
    out.extend(words.iter().map(part));
    out
}

/// How one member answered.
pub(crate) fn asked(member: &AskedMemberDto) -> String {
    let name = safe(&member.name);
    if let Some(reason) = &member.reason {
        return format!("{name} did not answer: {}", safe(&reason.text));
    }
    let Some(shows) = &member.shows else {
        return format!("{name} shows nothing to whoever asks.");
    };
    let facts = |number: u64| count(usize::try_from(number).unwrap_or(usize::MAX), "fact");
    let mut line = format!("{name} shows down to the level {}: {}", safe(shows), facts(member.taken));
    if member.held > 0 {
        line.push_str(&format!(", {} that are here anyway", facts(member.held)));
    }
    if member.unfit > 0 {
        line.push_str(&format!(", {} left out that nobody asked for", facts(member.unfit)));
    }
    format!("{line}.")
}

/// What matters now.
pub(crate) fn context(packed: &ContextDto) -> String {
    let ContextDto { text, tokens, budget, .. } = packed;
    format!("{}{}", safe(text), styled(FAINT, &format!("(at most {tokens} of {budget} tokens)\n")))
}

/// What is shown to members who ask.
pub(crate) fn shown(up_to: &str) -> String {
    match up_to {
        "none" => "Members who ask are shown nothing that is not shared.".to_owned(),
        level => format!("Members who ask are shown facts down to the level {}, but no private ones.", safe(level)),
    }
}

#[cfg(test)]
mod tests {
    use antiphon_server::dto::{FactDto, ReasonDto, ToldByDto};

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_fact_of_eve_cannot_play_with_the_terminal() {
        let told_by = ToldByDto { name: "eve\u{1b}[2J".into(), ..ToldByDto::default() };
        let folded = FoldedDto { id: "01X".into(), author: "eve\u{1b}[2J".into(), told: true, ..FoldedDto::default() };
        let hit = HitDto {
            fact: FactDto { author: "eve\u{1b}[2J".into(), content: Some("a\u{202E}b".into()), ..FactDto::default() },
            told_by: Some(told_by),
            folded: vec![folded],
            same: 5,
            ..HitDto::default()
        };
        let shown = plain(&hits(&[hit], 0));
        assert_eq!(shown.matches("eve\\u{001B}[2J").count(), 3, "{shown}");
        assert!(shown.contains("a\\u{202E}b") && shown.contains("and 3 more"), "{shown}");
    }

    #[test]
    fn a_score_is_shown_with_its_parts() {
        let word = WordPartDto { word: "port".into(), times: 2, facts: 1, weight: 2.0, share: 1.5, part: 3.0 };
        let explanation =
            ExplanationDto { found_by: "rarest_words".into(), words: vec![word], length: 7, average_length: 6.4 };
        let hit = HitDto { score: 3.0, explanation: Some(explanation), same: 1, ..HitDto::default() };
        let shown = plain(&hits(&[hit], 0));
        assert!(
            shown.contains("score 3.00: looked at because it has one of the rarest words; 7 words, the average is 6")
        );
        assert!(shown.contains("3.00 = 2.00 × 1.50  port (2 here, in 1 fact)"), "{shown}");
    }

    #[test]
    fn what_members_say_is_told_in_a_line() {
        let member = AskedMemberDto { name: "bob".into(), ..AskedMemberDto::default() };
        assert_eq!(asked(&member), "bob shows nothing to whoever asks.");
        let open = AskedMemberDto { shows: Some("module".into()), taken: 1, unfit: 2, ..member.clone() };
        assert_eq!(asked(&open), "bob shows down to the level module: 1 fact, 2 facts left out that nobody asked for.");
        let reason = ReasonDto { text: "it is away".into(), ..ReasonDto::default() };
        assert_eq!(asked(&AskedMemberDto { reason: Some(reason), ..member }), "bob did not answer: it is away");
    }
}
