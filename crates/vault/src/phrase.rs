//! The recovery phrase: 24 English words (BIP-39) that stand for the root of a node's keys.
//!
//! A phrase is written on paper and typed in again on a bad day, so reading is forgiving about case and spacing and
//! exact about everything else: it names the word that is wrong, and the checksum catches a swapped pair.

use std::fmt;
use std::str::FromStr;

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

use crate::random;

/// Words in a recovery phrase.
pub const PHRASE_WORDS: usize = 24;

/// Bytes of entropy that a phrase stands for.
pub const ROOT_BYTES: usize = 32;

/// Most bytes of text that are looked at when a phrase is read; 24 words with one space between need at most 215.
pub const PHRASE_TEXT_BYTES_MAX: usize = 4096;

/// Most characters of a wrong word that an error repeats.
const WORD_CHARS_MAX: usize = 20;

/// Why a text is not a recovery phrase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is far too long for a phrase.
    #[error(
        "a recovery phrase has {PHRASE_WORDS} words, this text has {got} bytes and the limit is {PHRASE_TEXT_BYTES_MAX}"
    )]
    TooLong {
        /// Bytes that were given.
        got: usize,
    },
    /// There are too few or too many words.
    #[error("a recovery phrase has {PHRASE_WORDS} words, not {got}")]
    WordCount {
        /// Words that were given.
        got: usize,
    },
    /// A word is not in the list.
    #[error("word {position} is {word:?}, which is not in the BIP-39 English list")]
    UnknownWord {
        /// Which word it is, counted from 1.
        position: usize,
        /// The word in lower case, cut to 20 characters.
        word: String,
    },
    /// All words are in the list, but not in this combination.
    #[error("the checksum of the recovery phrase fails: a word is wrong or words changed places")]
    Checksum,
    /// The words could not be made from the entropy.
    #[error("a recovery phrase cannot be made: {0}")]
    Encoding(bip39::Error),
}

/// A recovery phrase of [`PHRASE_WORDS`] words. It has no `Display`: showing it is a decision, see [`Phrase::expose`].
#[derive(Clone)]
pub struct Phrase {
    root: Zeroizing<[u8; ROOT_BYTES]>,
    mnemonic: Mnemonic,
}

impl Phrase {
    /// The phrase of this entropy.
    ///
    /// # Errors
    /// [`Error::Encoding`] if the word list cannot express it.
    pub fn from_entropy(entropy: &[u8; ROOT_BYTES]) -> Result<Self, Error> {
        let mnemonic = Mnemonic::from_entropy_in(Language::English, entropy).map_err(Error::Encoding)?;
        Ok(Self { root: Zeroizing::new(*entropy), mnemonic })
    }

    /// A fresh phrase from the operating system's randomness.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate() -> Result<Self, crate::key::Error> {
        let entropy = random::secret::<ROOT_BYTES>()?;
        Ok(Self::from_entropy(&entropy)?)
    }

    /// The words in lower case with one space between, to be shown once to the person who owns the node.
    pub fn expose(&self) -> Zeroizing<String> {
        // The capacity is enough for any phrase, so that growing leaves no unwiped copy behind.
        let mut text = Zeroizing::new(String::with_capacity(PHRASE_WORDS * 9));
        for word in self.mnemonic.words() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        text
    }

    /// The entropy that the words stand for: the root of all keys of the node.
    pub(crate) fn root(&self) -> &[u8; ROOT_BYTES] {
        &self.root
    }
}

impl FromStr for Phrase {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > PHRASE_TEXT_BYTES_MAX {
            return Err(Error::TooLong { got: text.len() });
        }
        let text = Zeroizing::new(text.to_ascii_lowercase());
        let got = text.split_whitespace().count();
        if got != PHRASE_WORDS {
            return Err(Error::WordCount { got });
        }
        let mnemonic =
            Mnemonic::parse_in_normalized(Language::English, &text).map_err(|error| explain(error, &text))?;
        let (bytes, _) = mnemonic.to_entropy_array();
        let bytes = Zeroizing::new(bytes);
        let mut root = Zeroizing::new([0; ROOT_BYTES]);
        root.copy_from_slice(&bytes[..ROOT_BYTES]);
        Ok(Self { root, mnemonic })
    }
}

fn explain(error: bip39::Error, text: &str) -> Error {
    match error {
        bip39::Error::UnknownWord(index) => {
            let word = text.split_whitespace().nth(index).unwrap_or_default();
            Error::UnknownWord { position: index + 1, word: word.chars().take(WORD_CHARS_MAX).collect() }
        }
        bip39::Error::InvalidChecksum => Error::Checksum,
        other => Error::Encoding(other),
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phrase(redacted)")
    }
}
