//! The fields of an incident: their bit numbers, which never change, and the kind of their values.

use crate::value::Value;

/// What values a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A text.
    Text,
    /// A number, or the number of a term.
    Uint,
    /// A list of texts.
    Texts,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal, $kind:ident;)*) => {
        /// A field of an incident.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $($(#[$doc])* $name = $bit,)* }

        impl Field {
            /// Every field this version knows.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name at the doors.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }
        }
    };
}

fields! {
    /// What happened, on one line.
    Title = 0, "title", Text;
    /// How far it has been dealt with: the number of a status.
    Status = 1, "status", Uint;
    /// How bad it is: the number of a severity.
    Severity = 2, "severity", Uint;
    /// What is known about it.
    Description = 3, "description", Text;
    /// How many single occurrences it stands for.
    EventCount = 4, "event_count", Uint;
    /// The rule that saw them as one.
    CorrelationRule = 5, "correlation_rule", Text;
    /// How far the attack has got: the number of a phase.
    KillChainPhase = 6, "kill_chain_phase", Uint;
    /// Techniques of the MITRE ATT&CK matrix.
    MitreMapping = 7, "mitre_mapping", Texts;
    /// When it was first reported, Unix milliseconds.
    CreatedAt = 8, "created_at", Uint;
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

    /// Whether `value` is of the kind of its values.
    pub fn fits(self, value: &Value) -> bool {
        match self.kind() {
            Kind::Text => value.as_text().is_some(),
            Kind::Uint => value.as_uint().is_some(),
            Kind::Texts => value.as_texts().is_some(),
        }
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
        assert_eq!((Field::from_bit(63), FIELDS_KNOWN), (None, 0x1ff));
    }
}
