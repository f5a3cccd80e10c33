//! Secrets of an Antiphon node: keys, recovery phrase, age identities.
