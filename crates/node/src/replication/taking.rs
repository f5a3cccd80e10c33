//! Part of keeping copies of documents.
