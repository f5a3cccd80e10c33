//! Which figures are kept.

/// What kind of number a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// So many of something.
    Count,
    /// So many bytes.
    Bytes,
    /// How often in a minute.
    Rate,
}

impl Kind {
    /// What its numbers are in.
    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Bytes => "bytes",
            Self::Rate => "per_minute",
        }
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident $kind:ident $text:literal $what:literal;)*) => {
        /// A figure that is kept.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Metric { $($(#[$doc])* $name,)* }

        impl Metric {
            /// Every one of them, in the order of a page.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name at the doors.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it is, for people.
            pub(crate) const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }

            /// What kind of number it is.
            pub(crate) const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }
        }
    };
}

metrics! {
    /// See `what`.
    Facts Count "facts" "Facts held here";
    /// See `what`.
    Events Count "events" "Events held here";
    /// See `what`.
    Lag Count "lag" "Events that a member has not confirmed";
    /// See `what`.
    Recalls Rate "recalls" "Recalls at all doors";
    /// See `what`.
    Writes Rate "writes" "Facts remembered at all doors";
    /// See `what`.
    OutboxItems Count "outbox_items" "Items that wait in the outbox";
    /// See `what`.
    OutboxBytes Bytes "outbox_bytes" "What waits in the outbox";
    /// See `what`.
    Healthy Count "content_healthy" "Document versions with all their copies";
    /// See `what`.
    Degraded Count "content_degraded" "Document versions with too few copies";
    /// See `what`.
    Critical Count "content_critical" "Document versions without a known copy";
    /// See `what`.
    Memory Bytes "memory" "Memory that the process takes";
    /// See `what`.
    Database Bytes "database" "Database and search index on the disk";
}

impl Metric {
    /// The one of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|metric| metric.name() == name)
    }
}
