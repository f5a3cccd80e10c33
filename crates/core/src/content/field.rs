//! The fields of an entry of the index: their bit numbers, which never change, and the kind of their values.

use crate::edit::fields;

fields! {
    /// A field of an entry. Every entry sets them all: one event is one version.
    {
        /// The address in its canonical form.
        Address = 0, "address", Text;
        /// Which version it is, as its author counts.
        Version = 1, "version", Uint;
        /// The role in which it was stored.
        CreatorRole = 2, "creator_role", Text;
        /// Which roles can read it, and by which of their keys.
        EncryptedFor = 3, "encrypted_for", Epochs;
        /// What kind of document it is.
        ContentType = 4, "content_type", Text;
        /// When it was stored, Unix milliseconds, by its author's clock.
        CreatedAt = 5, "created_at", Uint;
        /// Bytes of the document.
        Size = 6, "size", Uint;
        /// Bytes of the ciphertext.
        StoredSize = 7, "stored_size", Uint;
        /// SHA-256 of the whole ciphertext.
        Hash = 8, "hash", Hash;
        /// The root manifest of the ciphertext.
        Root = 9, "root", Hash;
    }
}
