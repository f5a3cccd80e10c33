//! Recall at another member: what it keeps to itself and may show to whoever asks.
//!
//! Facts of deep levels stay on the node that wrote them, because nobody else needs most of them; somebody who works on
//! the same module needs some. So a member can be asked. It answers with facts that it wrote itself and with nothing
//! else: an answer is not signed, and what one member says of another's words would prove nothing. Who wrote a fact is
//! therefore not in it: whoever was asked did. The scores are not in it either, because they would be the member's to
//! choose; whoever asked weighs the texts by what words are worth to it.

use antiphon_core::cbor::{self, Error};
use antiphon_core::event::SourceKind;
use antiphon_core::fact::{self, Level, TextError, check_content, check_label};
use antiphon_core::ids::FactId;
use antiphon_core::time::{HLC_MILLIS_MAX, UnixMillis};
use minicbor::{Decoder, Encoder};

/// Longest question, in bytes.
pub const TEXT_BYTES_MAX: usize = 4 * 1024;
/// Most facts of one answer.
pub const FOUND_MAX: usize = 50;
/// Most bytes of facts in one answer.
pub const ANSWER_BYTES_MAX: usize = 192 * 1024;
/// Longest domain, module, tag, role or name of an agent, in bytes.
const LABEL_BYTES_MAX: usize = 1_024;
/// Most tags of a fact.
const TAGS_MAX: usize = 64;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// Any text; without any, the newest.
    pub text: String,
    /// Only of this level.
    pub level: Option<Level>,
    /// Only of this domain.
    pub domain: Option<String>,
    /// Only of this module.
    pub module: Option<String>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only last changed at this time or later.
    pub since: Option<UnixMillis>,
    /// Only last changed before this time.
    pub until: Option<UnixMillis>,
    /// Only whose text came to be like this.
    pub source: Option<SourceKind>,
    /// Also those that are archived.
    pub archived: bool,
    /// Also those that are stale.
    pub stale: bool,
    /// At most so many.
    pub limit: usize,
}

/// One fact, as its author tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its id.
    pub id: FactId,
    /// The text.
    pub text: String,
    /// How far it reaches.
    pub level: Level,
    /// Area of knowledge.
    pub domain: Option<String>,
    /// Module inside the domain.
    pub module: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// The role that it is sealed to.
    pub role: Option<String>,
    /// The agent that wrote it.
    pub agent: Option<String>,
    /// How the text came to be.
    pub source: Option<SourceKind>,
    /// When it was first written.
    pub created_at: UnixMillis,
    /// When it was last changed.
    pub updated_at: UnixMillis,
    /// Marked as out of date.
    pub stale: bool,
    /// Out of recall.
    pub archived: bool,
}

/// What a member has to say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The deepest level of facts that it shows; `None` when it shows nothing.
    pub up_to: Option<Level>,
    /// The facts, best first by what words are worth to it.
    pub found: Vec<Told>,
}

impl Question {
    /// Checks every value, and that the limit is from 1 to [`FOUND_MAX`].
    ///
    /// # Errors
    /// What is unfit.
    pub fn check(&self) -> Result<(), Error> {
        if self.text.len() > TEXT_BYTES_MAX {
            let (got, limit) = (self.text.len() as u64, TEXT_BYTES_MAX as u64);
            return Err(Error::TooLong { what: "the question", got, limit });
        }
        for label in [&self.domain, &self.module, &self.tag].into_iter().flatten() {
            fit(check_label("a filter", label, LABEL_BYTES_MAX))?;
        }
        if (1..=FOUND_MAX).contains(&self.limit) { Ok(()) } else { Err(Error::Value("a limit that no answer has")) }
    }

    /// Whether a fact is one that was asked for, words aside.
    pub fn wants(&self, told: &Told) -> bool {
        let same = |want: &Option<String>, have: &Option<String>| want.is_none() || want == have;
        self.level.is_none_or(|level| level == told.level)
            && same(&self.domain, &told.domain)
            && same(&self.module, &told.module)
            && self.tag.as_ref().is_none_or(|tag| told.tags.contains(tag))
            && self.since.is_none_or(|since| told.updated_at >= since)
            && self.until.is_none_or(|until| told.updated_at < until)
            && (self.source.is_none() || self.source == told.source)
            && (self.archived || !told.archived)
            && (self.stale || !told.stale)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::array(out, 11);
            cbor::text(out, &self.text);
            write_uint(out, self.level.map(Level::number));
            [&self.domain, &self.module, &self.tag].into_iter().for_each(|label| write_text(out, label));
            write_uint(out, self.since.map(|at| at.0));
            write_uint(out, self.until.map(|at| at.0));
            write_uint(out, self.source.map(|source| source as u64));
            cbor::bool(out, self.archived);
            cbor::bool(out, self.stale);
            cbor::uint(out, self.limit as u64);
        })
    }

    /// Reads it back.
    ///
    /// # Errors
    /// Whatever is not canonical or unfit.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        cbor::decode(bytes, |input| {
            parts(input, 11)?;
            let question = Self {
                text: cbor::read_text(input, TEXT_BYTES_MAX)?,
                level: cbor::read_option(input, read_level)?,
                domain: read_label(input)?,
                module: read_label(input)?,
                tag: read_label(input)?,
                since: cbor::read_option(input, read_time)?,
                until: cbor::read_option(input, read_time)?,
                source: cbor::read_option(input, read_source)?,
                archived: input.bool()?,
                stale: input.bool()?,
                limit: usize::try_from(input.u64()?).unwrap_or(usize::MAX),
            };
            question.check().map(|()| question)
        })
    }
}

impl Told {
    /// How many bytes it takes in an answer.
    pub fn bytes(&self) -> usize {
        cbor::encode(|out| self.write(out)).len()
    }

    fn check(&self) -> Result<(), Error> {
        fit(check_content(&self.text))?;
        let labels = [&self.domain, &self.module, &self.role, &self.agent];
        let mut labels = labels.into_iter().flatten().chain(&self.tags);
        labels.try_for_each(|label| fit(check_label("a label", label, LABEL_BYTES_MAX)))
    }

    fn write(&self, out: &mut Encoder<&mut Vec<u8>>) {
        cbor::array(out, 13);
        cbor::bytes(out, &self.id.0);
        cbor::text(out, &self.text);
        cbor::uint(out, self.level.number());
        write_text(out, &self.domain);
        write_text(out, &self.module);
        cbor::array(out, self.tags.len());
        self.tags.iter().for_each(|tag| cbor::text(out, tag));
        write_text(out, &self.role);
        write_text(out, &self.agent);
        write_uint(out, self.source.map(|source| source as u64));
        cbor::uint(out, self.created_at.0);
        cbor::uint(out, self.updated_at.0);
        cbor::bool(out, self.stale);
        cbor::bool(out, self.archived);
    }

    fn read(input: &mut Decoder<'_>) -> Result<Self, Error> {
        parts(input, 13)?;
        let told = Self {
            id: FactId(cbor::read_array(input)?),
            text: cbor::read_text(input, fact::CONTENT_BYTES_MAX)?,
            level: read_level(input)?,
            domain: read_label(input)?,
            module: read_label(input)?,
            tags: {
                let count = cbor::read_list(input, TAGS_MAX)?;
                (0..count).map(|_| cbor::read_text(input, LABEL_BYTES_MAX)).collect::<Result<_, _>>()?
            },
            role: read_label(input)?,
            agent: read_label(input)?,
            source: cbor::read_option(input, read_source)?,
            created_at: read_time(input)?,
            updated_at: read_time(input)?,
            stale: input.bool()?,
            archived: input.bool()?,
        };
        told.check().map(|()| told)
    }
}

impl Answer {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::array(out, 2);
            write_uint(out, self.up_to.map(Level::number));
            cbor::array(out, self.found.len());
            self.found.iter().for_each(|told| told.write(out));
        })
    }

    /// Reads it back.
    ///
    /// # Errors
    /// Whatever is not canonical or unfit: characters that deceive, too many facts, a fact twice.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        cbor::decode(bytes, |input| {
            parts(input, 2)?;
            let up_to = cbor::read_option(input, read_level)?;
            let count = cbor::read_list(input, FOUND_MAX)?;
            let found = (0..count).map(|_| Told::read(input)).collect::<Result<Vec<_>, _>>()?;
            let twice = |(n, told): (usize, &Told)| found[..n].iter().any(|other| other.id == told.id);
            if found.iter().enumerate().any(twice) {
                return Err(Error::Value("the same fact twice"));
            }
            Ok(Self { up_to, found })
        })
    }
}

fn parts(input: &mut Decoder<'_>, want: usize) -> Result<(), Error> {
    if cbor::read_list(input, want)? == want as u64 { Ok(()) } else { Err(Error::Value("an array with too few parts")) }
}

fn fit(checked: Result<(), TextError>) -> Result<(), Error> {
    checked.map_err(|error| Error::Malformed(error.to_string()))
}

fn write_text(out: &mut Encoder<&mut Vec<u8>>, text: &Option<String>) {
    match text {
        Some(text) => cbor::text(out, text),
        None => cbor::null(out),
    }
}

fn write_uint(out: &mut Encoder<&mut Vec<u8>>, value: Option<u64>) {
    match value {
        Some(value) => cbor::uint(out, value),
        None => cbor::null(out),
    }
}

fn read_label(input: &mut Decoder<'_>) -> Result<Option<String>, Error> {
    cbor::read_option(input, |input| cbor::read_text(input, LABEL_BYTES_MAX))
}

fn read_level(input: &mut Decoder<'_>) -> Result<Level, Error> {
    Level::from_number(input.u64()?).ok_or(Error::Value("a level that there is not"))
}

fn read_source(input: &mut Decoder<'_>) -> Result<SourceKind, Error> {
    let number = usize::try_from(input.u64()?).unwrap_or(usize::MAX);
    SourceKind::ALL.get(number).copied().ok_or(Error::Value("a kind of source that this version does not know"))
}

fn read_time(input: &mut Decoder<'_>) -> Result<UnixMillis, Error> {
    let at = input.u64()?;
    if at <= HLC_MILLIS_MAX { Ok(UnixMillis(at)) } else { Err(Error::Value("a time that no clock shows")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(n: u8) -> Told {
        Told {
            id: FactId([n; 16]),
            text: "the parser keeps positions".into(),
            level: Level::Module,
            domain: Some("web".into()),
            module: None,
            tags: vec!["parser".into()],
            role: None,
            agent: Some("claude".into()),
            source: Some(SourceKind::Agent),
            created_at: UnixMillis(1),
            updated_at: UnixMillis(2),
            stale: false,
            archived: false,
        }
    }

    fn question() -> Question {
        Question {
            text: "parser".into(),
            level: Some(Level::Module),
            domain: Some("web".into()),
            since: Some(UnixMillis(1)),
            source: Some(SourceKind::Agent),
            limit: 5,
            ..Question::default()
        }
    }

    #[test]
    fn a_question_and_its_answer_are_read_back() {
        assert_eq!(Question::decode(&question().encode()), Ok(question()));
        let answer = Answer { up_to: Some(Level::Snippet), found: vec![told(1), told(2)] };
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        assert_eq!(Answer::decode(&Answer::default().encode()), Ok(Answer::default()));
    }

    #[test]
    fn what_eve_answers_in_another_form_is_refused() {
        let refused = |found: Vec<Told>| {
            assert!(Answer::decode(&Answer { up_to: None, found }.encode()).is_err());
        };
        refused(vec![Told { text: "\u{1b}[2J".into(), ..told(1) }]);
        refused(vec![Told { text: " ".into(), ..told(1) }]);
        refused(vec![Told { text: "x".repeat(fact::CONTENT_BYTES_MAX + 1), ..told(1) }]);
        refused(vec![Told { agent: Some("a\nb".into()), ..told(1) }]);
        refused(vec![Told { tags: vec!["\u{202E}".into()], ..told(1) }]);
        refused(vec![Told { tags: vec!["t".into(); TAGS_MAX + 1], ..told(1) }]);
        refused(vec![Told { updated_at: UnixMillis(u64::MAX), ..told(1) }]);
        refused(vec![told(1), told(1)]);
        refused((0..=FOUND_MAX).map(|n| told(u8::try_from(n).unwrap())).collect());
        let good = Answer { up_to: None, found: vec![told(1)] }.encode();
        assert!((0..good.len()).all(|len| Answer::decode(&good[..len]).is_err()));
    }

    #[test]
    fn what_eve_asks_in_another_form_is_refused() {
        let refused = |question: Question| assert!(Question::decode(&question.encode()).is_err(), "{question:?}");
        refused(Question { limit: 0, ..question() });
        refused(Question { limit: FOUND_MAX + 1, ..question() });
        refused(Question { text: "x".repeat(TEXT_BYTES_MAX + 1), ..question() });
        refused(Question { domain: Some("a\0".into()), ..question() });
        let good = question().encode();
        assert!((0..good.len()).all(|len| Question::decode(&good[..len]).is_err()));
    }

    #[test]
    fn a_fact_that_was_not_asked_for_is_told_from_one_that_was() {
        assert!(question().wants(&told(1)));
        for other in [
            Told { level: Level::Snippet, ..told(1) },
            Told { domain: None, ..told(1) },
            Told { updated_at: UnixMillis(0), ..told(1) },
            Told { source: None, ..told(1) },
            Told { stale: true, ..told(1) },
            Told { archived: true, ..told(1) },
        ] {
            assert!(!question().wants(&other), "{other:?}");
        }
    }
}
