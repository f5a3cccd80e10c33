//! Fields and edits of them: what facts and incidents have in common.
//!
//! A field has a bit number, which never changes: a header says by a bitmap which fields its event touches, a payload
//! holds their values by the same numbers.

use std::collections::BTreeMap;

use crate::value::Value;

/// What values a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A number.
    Uint,
    /// Yes or no.
    Bool,
    /// A list of texts.
    Texts,
    /// One fact id.
    Fact,
    /// A list of fact ids.
    Facts,
    /// A list of `[path, blob]`.
    Anchors,
    /// A hash.
    Hash,
    /// A list of `[role, key epoch]`.
    Epochs,
}

impl Kind {
    /// Whether `value` is of this kind.
    pub fn fits(self, value: &Value) -> bool {
        let id = |value: &Value| value.as_array::<16>().is_some();
        let hash = |value: &Value| value.as_array::<32>().is_some();
        let epoch = |value: &Value| matches!(value.as_list(), Some([Value::Text(_), epoch]) if hash(epoch));
        let pair = |value: &Value| matches!(value.as_list(), Some([Value::Text(_), Value::Text(_)]));
        match self {
            Self::Text => value.as_text().is_some(),
            Self::Uint => value.as_uint().is_some(),
            Self::Bool => value.as_bool().is_some(),
            Self::Texts => value.as_texts().is_some(),
            Self::Fact => id(value),
            Self::Facts => value.as_list().is_some_and(|ids| ids.iter().all(id)),
            Self::Anchors => value.as_list().is_some_and(|pairs| pairs.iter().all(pair)),
            Self::Hash => hash(value),
            Self::Epochs => value.as_list().is_some_and(|pairs| pairs.iter().all(epoch)),
        }
    }
}

/// The fields of one kind of subject.
pub trait Fields: Copy + Ord + 'static {
    /// Every field this version knows.
    const ALL: &'static [Self];
    /// Its bit number.
    fn bit(self) -> u8;
    /// The kind of its values.
    fn kind(self) -> Kind;
    /// Its name at the doors.
    fn name(self) -> &'static str;
    /// Its bit in a header's bitmap.
    fn mask(self) -> u64 {
        1 << self.bit()
    }
}

/// Defines the fields of a subject: number, name at the doors, kind of values.
macro_rules! fields {
    ($(#[$about:meta])* { $($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal, $kind:ident;)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $($(#[$doc])* $name = $bit,)* }

        impl Field {
            /// Every field this version knows.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name at the doors.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The kind of its values.
            pub const fn kind(self) -> $crate::edit::Kind {
                match self { $(Self::$name => $crate::edit::Kind::$kind,)* }
            }

            /// Its bit number.
            pub const fn bit(self) -> u8 {
                self as u8
            }

            /// Its bit in a header's bitmap.
            pub const fn mask(self) -> u64 {
                1 << self.bit()
            }

            /// The field of a bit number, if this version knows it.
            pub fn from_bit(bit: u8) -> Option<Self> {
                Self::ALL.get(usize::from(bit)).copied()
            }
        }

        impl $crate::edit::Fields for Field {
            const ALL: &'static [Self] = Self::ALL;
            fn bit(self) -> u8 {
                self.bit()
            }
            fn kind(self) -> $crate::edit::Kind {
                self.kind()
            }
            fn name(self) -> &'static str {
                self.name()
            }
        }

        /// Bitmap of every field this version knows.
        pub const FIELDS_KNOWN: u64 = (1 << Field::ALL.len()) - 1;

        #[cfg(test)]
        mod numbers {
            use super::*;

            #[test]
            fn bits_are_numbered_without_gaps() {
                for (bit, field) in (0..).zip(Field::ALL) {
                    assert_eq!((field.bit(), Field::from_bit(bit)), (bit, Some(*field)));
                }
                assert_eq!(Field::from_bit(63), None);
            }
        }
    };
}

pub(crate) use fields;

/// Fields to set (`Some`) or to clear (`None`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit<F>(pub BTreeMap<F, Option<Value>>);

impl<F> Default for Edit<F> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<F: Fields> FromIterator<(F, Option<Value>)> for Edit<F> {
    fn from_iter<T: IntoIterator<Item = (F, Option<Value>)>>(fields: T) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl<F: Fields> Edit<F> {
    /// An edit of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same edit with `field` set to `value`.
    #[must_use]
    pub fn set(mut self, field: F, value: Value) -> Self {
        self.0.insert(field, Some(value));
        self
    }

    /// The same edit with `field` set, if there is a value.
    #[must_use]
    pub fn maybe(self, field: F, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.set(field, value),
            None => self,
        }
    }

    /// The same edit with `field` cleared.
    #[must_use]
    pub fn clear(mut self, field: F) -> Self {
        self.0.insert(field, None);
        self
    }

    /// Bitmap of the fields it touches.
    pub fn bits(&self) -> u64 {
        self.0.keys().fold(0, |bits, field| bits | field.mask())
    }

    /// The values a payload holds: those that are set.
    pub fn values(&self) -> BTreeMap<u8, Value> {
        self.0.iter().filter_map(|(field, value)| Some((field.bit(), value.clone()?))).collect()
    }
}
