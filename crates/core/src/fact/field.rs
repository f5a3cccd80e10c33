//! The fields of a fact: their bit numbers, which never change, and the kind of their values.

use crate::edit::fields;

fields! {
    /// A field of a fact.
    {
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
}
