//! `/antiphon/query/1`: questions to a member that is connected, and their answers.
//!
//! A question is worth something only while somebody waits for the answer, so it is never queued: one request, one
//! response. Both are an array of the number of what is asked and the bytes of it, which have a form of their own; a
//! number that a version does not know is refused and harms nothing else.

pub mod rates;
pub mod recall;

use antiphon_core::cbor::{self, Error};
use antiphon_core::resource::question::{Answer, Question};

/// Most bytes of what is asked, and of the answer to it.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// The number of a search in a member's catalogue.
const RESOURCES: u64 = 1;
/// The number of a recall of what a member keeps to itself.
const RECALL: u64 = 2;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Which of its resources fit.
    Resources(Question),
    /// Which of the facts that it keeps to itself fit.
    Recall(recall::Question),
}

/// The answer to the question of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Those of its resources that fit.
    Resources(Answer),
    /// Those of its facts that fit and may be shown.
    Recall(recall::Answer),
}

impl Query {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Resources(question) => write(RESOURCES, &question.encode()),
            Self::Recall(question) => write(RECALL, &question.encode()),
        }
    }

    /// Reads a question.
    ///
    /// # Errors
    /// Whatever is not canonical, too long, unfit, or of a number that this version does not know.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        match read(bytes)? {
            (RESOURCES, body) => Ok(Self::Resources(Question::decode(&body)?)),
            (RECALL, body) => Ok(Self::Recall(recall::Question::decode(&body)?)),
            _ => Err(Error::Value("a question that this version does not know")),
        }
    }
}

impl Reply {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Resources(answer) => write(RESOURCES, &answer.encode()),
            Self::Recall(answer) => write(RECALL, &answer.encode()),
        }
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// As [`Query::decode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        match read(bytes)? {
            (RESOURCES, body) => Ok(Self::Resources(Answer::decode(&body)?)),
            (RECALL, body) => Ok(Self::Recall(recall::Answer::decode(&body)?)),
            _ => Err(Error::Value("an answer that this version does not know")),
        }
    }
}

fn write(number: u64, body: &[u8]) -> Vec<u8> {
    cbor::encode(|out| {
        cbor::array(out, 2);
        cbor::uint(out, number);
        cbor::bytes(out, body);
    })
}

fn read(bytes: &[u8]) -> Result<(u64, Vec<u8>), Error> {
    cbor::decode(bytes, |input| {
        if cbor::read_list(input, 2)? != 2 {
            return Err(Error::Value("a question has two parts"));
        }
        Ok((input.u64()?, cbor::read_bytes(input, BODY_BYTES_MAX)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_and_its_answer_are_read_back() {
        let query = Query::Resources(Question { text: "gpu".into(), limit: 5, ..Question::default() });
        assert_eq!(Query::decode(&query.encode()), Ok(query));
        let reply = Reply::Resources(Answer::default());
        assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
        let query = Query::Recall(recall::Question { text: "parser".into(), limit: 5, ..recall::Question::default() });
        assert_eq!(Query::decode(&query.encode()), Ok(query));
        let reply = Reply::Recall(recall::Answer::default());
        assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
    }

    #[test]
    fn what_eve_asks_in_another_form_is_refused() {
        let good = Query::Resources(Question { limit: 1, ..Question::default() }).encode();
        for len in 0..good.len() {
            assert!(Query::decode(&good[..len]).is_err(), "{len}");
        }
        assert!(Query::decode(&write(99, &[])).is_err(), "an unknown number");
        assert!(Query::decode(&write(RESOURCES, &[0xff])).is_err());
        let none = Question { limit: 0, ..Question::default() };
        assert!(Query::decode(&write(RESOURCES, &none.encode())).is_err());
        assert!(Reply::decode(&[good.clone(), vec![0]].concat()).is_err());
    }
}
