//! Questions to the memory, and its answers.

use antiphon_core::event::Provenance;
use antiphon_core::fact::{self, Level};
use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_node::{
    AskedMember, Explanation, Finder, Folded, FoundBy, Hit, Origin, Recall, RecallQuery, ToldHit, ToldRecall, WordPart,
    words,
};

use super::divergence::fact_sides;
use super::draft::source_of;
use super::view::{Seen, fact, provenance, said};
use crate::dto::{
    AskedMemberDto, ExplanationDto, FactDto, FoldedDto, HitDto, RecallDto, RecallRequestDto, Scalar, ShownDto,
    ToldByDto, WordPartDto,
};
use crate::error::Problem;
use crate::time::{parse, parse_duration_ms, rfc3339};

/// Longest question, in bytes.
const QUERY_BYTES_MAX: usize = 16 * 1024;
/// Facts that recall gives when nobody says how many.
const RECALL_FACTS_DEFAULT: usize = 10;
/// Most facts that one recall gives.
const RECALL_FACTS_MAX: usize = 200;
/// Longest value of a side that was one at an earlier time, in bytes.
const SIDE_BYTES_MAX: usize = 400;
/// What is said where nothing is shown to members who ask.
const NOTHING: &str = "none";
/// The stream of a fact that is held by another node alone.
const TOLD: &str = "told";

/// What to recall; `author` and `origin` are what was named.
pub(crate) fn query_of(
    dto: &RecallRequestDto,
    author: Option<NodeId>,
    origin: Option<Origin>,
    now: UnixMillis,
) -> Result<RecallQuery, Problem> {
    let query = RecallQuery {
        text: dto.query.clone(),
        limit: dto.limit.unwrap_or(RECALL_FACTS_DEFAULT).clamp(1, RECALL_FACTS_MAX),
        level: dto.level.as_ref().map(|level| level.0.parse::<Level>().map_err(fact::Error::from)).transpose()?,
        domain: dto.domain.clone(),
        module: dto.module.clone(),
        tag: dto.tag.clone(),
        author,
        origin,
        since: dto.since.as_ref().map(|at| moment_of("since", at, now)).transpose()?,
        until: dto.until.as_ref().map(|at| moment_of("until", at, now)).transpose()?,
        source: dto.source_kind.as_deref().map(source_of).transpose()?,
        diverged: dto.diverged.unwrap_or(false),
        include_archived: dto.archived.unwrap_or(false),
        include_stale: dto.stale.unwrap_or(true),
        audience: None,
        as_of: dto.as_of.as_ref().map(|at| moment_of("as_of", at, now)).transpose()?,
        explain: dto.explain.unwrap_or(false),
        now,
    };
    if query.text.trim().is_empty() && !narrows(&query) {
        let hint = "name some words to look for, or a filter; antiphon facts list shows every fact";
        return Err(Problem::bad_value("query", &dto.query, hint));
    }
    if query.text.len() > QUERY_BYTES_MAX {
        let hint = format!("ask with at most {QUERY_BYTES_MAX} bytes");
        return Err(Problem::bad_value("query", &dto.query, hint));
    }
    if query.as_of.is_some() && dto.peers == Some(true) {
        let what = "members are not asked about the past";
        return Err(Problem::bad_value("peers", "true", what));
    }
    Ok(query)
}

/// Whether anything but words says which facts are meant.
fn narrows(query: &RecallQuery) -> bool {
    let labels = [&query.domain, &query.module, &query.tag];
    let times = [query.since, query.until, query.as_of];
    labels.into_iter().any(Option::is_some)
        || times.into_iter().any(|time| time.is_some())
        || query.level.is_some()
        || query.author.is_some()
        || query.origin.is_some()
        || query.source.is_some()
        || query.diverged
}

/// A time, or how long ago it was.
pub(crate) fn moment_of(key: &str, text: &Scalar, now: UnixMillis) -> Result<UnixMillis, Problem> {
    let ago = || parse_duration_ms(&text.0).map(|ms| UnixMillis(now.0.saturating_sub(ms)));
    let hint = "write it as 2026-01-31T10:30:00Z, as 2026-01-31, in Unix milliseconds, or how long ago it was: 7d, 2h";
    parse(&text.0).or_else(ago).ok_or_else(|| Problem::bad_value(key, &text.0, hint))
}

pub(crate) fn recall(recall: Recall, as_of: Option<UnixMillis>, seen: Seen) -> RecallDto {
    // What is said of a fact is as of then: whether its time is over, too.
    let seen = Seen { now: as_of.unwrap_or(seen.now), ..seen };
    RecallDto {
        hits: recall.hits.into_iter().map(|found| hit(found, seen)).collect(),
        index_behind: recall.index_behind,
        cut: recall.cut,
        as_of: as_of.map(rfc3339),
        asked: Vec::new(),
    }
}

fn hit(hit: Hit, seen: Seen) -> HitDto {
    let folded = |folded: Folded| FoldedDto {
        id: folded.id.to_string(),
        author: folded.author.name,
        origin: folded.author.node.to_string(),
        told: false,
    };
    let mut shown = fact(hit.view, seen);
    shown.sides = fact_sides(hit.sides, SIDE_BYTES_MAX);
    HitDto {
        fact: shown,
        score: hit.score,
        snippet: hit.snippet,
        same: hit.same,
        folded: hit.folded.into_iter().map(folded).collect(),
        explanation: hit.explanation.map(explanation),
        told_by: None,
    }
}

fn explanation(explanation: Explanation) -> ExplanationDto {
    let found_by = match explanation.found {
        FoundBy::Tail => "not_indexed_yet",
        FoundBy::Rarest => "rarest_words",
        FoundBy::Ranked => "best_of_rare_words",
        FoundBy::Together(_) => "common_words_together",
        FoundBy::Newest => "newest",
        FoundBy::Changed => "changed_since",
    };
    let word = |word: WordPart| {
        let WordPart { word, times, facts, weight, share, part } = word;
        WordPartDto { word, times, facts, weight, share, part }
    };
    ExplanationDto {
        found_by: found_by.to_owned(),
        words: explanation.words.into_iter().map(word).collect(),
        length: explanation.length,
        average_length: explanation.average,
    }
}

/// Puts what members told among what is held here, at most `limit` facts in all. What says the same as a fact that is
/// there already is folded into it.
pub(crate) fn add_told(answer: &mut RecallDto, told: ToldRecall, limit: usize, seen: Seen) {
    for found in told.hits {
        let same = answer.hits.iter_mut().find(|hit| hit.fact.content.as_deref() == Some(&found.told.text));
        match same {
            Some(hit) => {
                hit.same += 1;
                let (id, author) = (found.told.id.to_string(), found.name);
                hit.folded.push(FoldedDto { id, author, origin: found.from.to_string(), told: true });
            }
            None => answer.hits.push(told_hit(found, seen)),
        }
    }
    answer.hits.sort_by(|one, other| other.score.total_cmp(&one.score));
    answer.hits.truncate(limit);
    answer.asked = told.asked.into_iter().map(asked).collect();
}

fn told_hit(hit: ToldHit, seen: Seen) -> HitDto {
    let told = hit.told;
    let told_by = ToldByDto { peer_id: hit.from.to_string(), name: hit.name.clone() };
    let fact = FactDto {
        id: told.id.to_string(),
        content: Some(told.text),
        level: told.level.number(),
        level_name: told.level.name().to_owned(),
        author: hit.name,
        origin: hit.from.to_string(),
        trust: if hit.from == seen.own { "own" } else { "member" }.to_owned(),
        stream: TOLD.to_owned(),
        created_at: rfc3339(told.created_at),
        updated_at: rfc3339(told.updated_at),
        provenance: provenance(Provenance { agent: told.agent, source: told.source, ..Provenance::default() }),
        domain: told.domain,
        module: told.module,
        tags: told.tags,
        role: told.role,
        stale: told.stale,
        archived: told.archived,
        ..FactDto::default()
    };
    HitDto { fact, score: hit.score, snippet: hit.snippet, same: 1, told_by: Some(told_by), ..HitDto::default() }
}

fn asked(asked: AskedMember) -> AskedMemberDto {
    let plain = AskedMemberDto { peer_id: asked.node.to_string(), name: asked.name, ..AskedMemberDto::default() };
    match asked.answer {
        Ok(answer) => AskedMemberDto {
            shows: answer.up_to.map(|level| level.name().to_owned()),
            taken: answer.taken,
            held: answer.held,
            unfit: answer.unfit,
            ..plain
        },
        Err(reason) => {
            let reason = said(reason.name(), Some(words(reason, &plain.name, "this node", Finder::Us)));
            AskedMemberDto { reason: Some(reason), ..plain }
        }
    }
}

/// What is shown to members who ask.
pub(crate) fn shown(up_to: Option<Level>) -> ShownDto {
    ShownDto { up_to: up_to.map_or(NOTHING, Level::name).to_owned() }
}

/// Down to which level facts are to be shown to members who ask.
pub(crate) fn shown_of(dto: &ShownDto) -> Result<Option<Level>, Problem> {
    if dto.up_to.trim().eq_ignore_ascii_case(NOTHING) {
        return Ok(None);
    }
    let wrong = || Problem::bad_value("up_to", &dto.up_to, "use module, snippet, or none");
    dto.up_to.trim().parse().map(Some).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000_000_000);

    fn query(dto: RecallRequestDto) -> Result<RecallQuery, Problem> {
        query_of(&dto, None, None, NOW)
    }

    #[test]
    fn times_are_written_by_people() {
        let since = |text: &str| {
            let dto = RecallRequestDto { since: Some(text.into()), ..RecallRequestDto::default() };
            query(dto).map(|query| query.since.unwrap().0)
        };
        assert_eq!(since("2h"), Ok(NOW.0 - 7_200_000));
        assert_eq!(since("1970-01-02"), Ok(86_400_000));
        assert_eq!(since("1500"), Ok(1_500));
        assert_eq!(since("99999y"), Ok(0));
        assert!(since("yesterday").unwrap_err().to_string().contains("since"));
    }

    #[test]
    fn a_question_has_words_or_a_filter() {
        assert!(query(RecallRequestDto::default()).is_err());
        assert!(query(RecallRequestDto { archived: Some(true), ..RecallRequestDto::default() }).is_err());
        assert!(query(RecallRequestDto { tag: Some("db".into()), ..RecallRequestDto::default() }).is_ok());
        assert!(query(RecallRequestDto { diverged: Some(true), ..RecallRequestDto::default() }).is_ok());
        let past = RecallRequestDto { as_of: Some("1d".into()), peers: Some(true), ..RecallRequestDto::default() };
        assert!(query(past).is_err());
        let kind = RecallRequestDto { source_kind: Some("rumour".into()), ..RecallRequestDto::default() };
        assert!(query(kind).unwrap_err().to_string().contains("source_kind"));
    }

    #[test]
    fn what_is_shown_is_a_level_or_nothing() {
        let of = |up_to: &str| shown_of(&ShownDto { up_to: up_to.into() });
        assert_eq!((of("module").unwrap(), of("None").unwrap()), (Some(Level::Module), None));
        assert_eq!(shown(of("3").unwrap()).up_to, "snippet");
        assert!(of("all").is_err());
    }
}
