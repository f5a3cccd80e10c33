//! The fields of a fact: their bit numbers, which never change, and the kind of their values.

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
}

impl Kind {
    /// Whether `value` is of this kind.
    pub fn fits(self, value: &Value) -> bool {
        let id = |value: &Value| value.as_array::<16>().is_some();
        let pair = |value: &Value| matches!(value.as_list(), Some([Value::Text(_), Value::Text(_)]));
        match self {
            Self::Text => value.as_text().is_some(),
            Self::Uint => value.as_uint().is_some(),
            Self::Bool => value.as_bool().is_some(),
            Self::Texts => value.as_texts().is_some(),
            Self::Fact => id(value),
            Self::Facts => value.as_list().is_some_and(|ids| ids.iter().all(id)),
            Self::Anchors => value.as_list().is_some_and(|pairs| pairs.iter().all(pair)),
        }
    }
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal, $kind:ident;)*) => {
        /// A field of a fact.
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
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }
        }
    };
}

fields! {
    /// The text.
    Content = 0, "content", Text;
    /// How far it reaches: 0 project, 1 domain, 2 module, 3 snippet.
    Level = 1, "level", Uint;
    /// Area of knowledge.
    Domain = 2, "domain", Text;
    /// Module inside the domain.
    Module = 3, "module", Text;
    /// Tags.
    Tags = 4, "tags", Texts;
    /// Confidence in thousandths.
    Confidence = 5, "confidence", Uint;
    /// Place in code.
    CodeRef = 6, "code_ref", Text;
    /// The fact it belongs to.
    Parent = 7, "parent", Fact;
    /// Time to live in milliseconds.
    Ttl = 8, "ttl", Uint;
    /// What happens after that: 0 mark stale, 1 archive, 2 delete.
    OnExpire = 9, "on_expire", Uint;
    /// Not true before, Unix milliseconds.
    ValidFrom = 10, "valid_from", Uint;
    /// Not true after, Unix milliseconds.
    ValidUntil = 11, "valid_until", Uint;
    /// The fact it replaces.
    Supersedes = 12, "supersedes", Fact;
    /// Out of date.
    Stale = 13, "stale", Bool;
    /// Out of recall.
    Archived = 14, "archived", Bool;
    /// Facts it was derived from.
    DerivedFrom = 15, "derived_from", Facts;
    /// Files it speaks about.
    Anchors = 16, "anchors", Anchors;
    /// Never leaves the node.
    Private = 17, "private", Bool;
    /// Sealed to this role.
    Role = 18, "role", Text;
    /// When it was first written, Unix milliseconds.
    CreatedAt = 19, "created_at", Uint;
    /// Where it was taken from.
    Source = 20, "source", Text;
}

/// Bitmap of every field this version knows.
pub const FIELDS_KNOWN: u64 = (1 << Field::ALL.len()) - 1;

impl Field {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_numbered_without_gaps() {
        for (bit, field) in (0..).zip(Field::ALL) {
            assert_eq!((field.bit(), Field::from_bit(bit)), (bit, Some(*field)));
        }
        assert_eq!(Field::from_bit(63), None);
    }
}
