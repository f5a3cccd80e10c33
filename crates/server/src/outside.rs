//! The readers of what programs and people hand in, for whoever tries them with bytes that nobody would think of. The
//! doors call the same functions; nothing here decides anything.

use antiphon_core::ids::{IncidentId, TeamId};
use antiphon_core::sign::{Signature, Signer};
use antiphon_core::time::UnixMillis;
use antiphon_node::bundles::bundle_message;
use data_encoding::BASE64;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::dto::NewFactDto;
use crate::error::Problem;
use crate::{bundle, convert};

pub use crate::mcp::outside::{mcp_message, memory_tool, memory_tools, tool_arguments};

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

/// Whether a fact that an importer made is one that the node remembers.
///
/// # Errors
/// What stands in the way.
pub fn remembered(fact: NewFactDto) -> Result<(), Problem> {
    convert::remember_of(fact).map(drop)
}

/// Reads the body of one of the requests that change or ask something, chosen by number; says whether it is taken.
pub fn request(which: u8, text: &[u8]) -> bool {
    fn read<T: DeserializeOwned, U>(text: &[u8], convert: impl FnOnce(T) -> Result<U, Problem>) -> bool {
        serde_json::from_slice::<T>(text).is_ok_and(|dto| convert(dto).is_ok())
    }
    let now = UnixMillis(1_790_000_000_000);
    match which % 8 {
        0 => read(text, convert::remember_of),
        1 => read(text, convert::edit_of),
        2 => read(text, |filter| convert::filter_of(&filter, None, now)),
        3 => read(text, |query| convert::query_of(&query, None, None, now)),
        4 => read(text, convert::report_of),
        5 => read(text, |edit| convert::update_of(IncidentId([7; 16]), edit)),
        6 => read(text, |message| convert::message_of(message, Vec::new())),
        _ => read(text, |choice| convert::choice_of(&choice)),
    }
}
