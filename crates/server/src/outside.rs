//! The readers of what programs and people hand in, for whoever tries them with bytes that nobody would think of. The
//! doors call the same functions; nothing here decides anything.

use antiphon_core::ids::TeamId;
use antiphon_core::sign::{Signature, Signer};
use antiphon_node::bundles::bundle_message;
use data_encoding::BASE64;
use serde_json::Value;

use crate::bundle;

pub use crate::mcp::outside::{mcp_message, memory_tool, tool_arguments};

/// Reads a bundle that is not sealed, and all that it brings. Gives it as it would be written, and whether it is signed.
pub fn bundle(text: &[u8]) -> Option<(Vec<u8>, bool)> {
    let opened = bundle::open(text).ok()?;
    if let Some(from) = opened.signed_by {
        // Each part has errors of its own, which are told to a person.
        let document = &opened.document;
        drop((
            document.request(from).ok(),
            document.answer(from).ok(),
            document.carried(from).ok(),
            document.logs().ok(),
        ));
    }
    let signed = opened.signed_by.is_some();
    let value = bundle::to_value(&opened.document).ok()?;
    drop(bundle::plain(opened.document));
    Some((value.to_string().into_bytes(), signed))
}

/// The same text as a bundle that `signer` signed, if it is one but for that.
pub fn signed_bundle(text: &[u8], team: &TeamId, signer: &dyn Signer) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(text).ok()?;
    let object = value.as_object_mut()?;
    object.insert("from_peer_id".to_owned(), Value::String(signer.node_id().to_string()));
    object.insert("team".to_owned(), Value::String(team.to_string()));
    object.insert("signature".to_owned(), Value::Null);
    let signature: Signature = signer.sign(&bundle_message(team, &bundle::hash_of(&value).ok()?));
    value.as_object_mut()?.insert("signature".to_owned(), Value::String(BASE64.encode(&signature.0)));
    Some(value.to_string().into_bytes())
}
