//! The libp2p side of an Antiphon node: bytes and peers.
