//! What people type and paste.

use std::fmt::{Debug, Display};

use antiphon_core::address::{ADDRESS_BYTES_MAX, Address, Pattern, Selector};
use antiphon_core::dht::{Key, Prefix};
use antiphon_core::fact::{Level, check_content, check_label, check_text, escape};
use antiphon_core::ids::{
    ContentId, EventId, FactId, Hash, IncidentId, MessageId, NodeId, ResourceId, StoreId, TeamId,
};
use antiphon_core::incident::{KillChainPhase, Severity, Status};
use antiphon_core::letter::Reference;
use antiphon_core::resource::Kind;
use antiphon_core::roles::RoleRule;
use antiphon_protocol::ticket::{ADDRESSES_MAX, ROLES_MAX, Ticket};
use antiphon_vault::seal::check_recipient;
use antiphon_vault::{NodeKey, Phrase};
use data_encoding::BASE32_NOPAD;

use crate::laws::{choice, reads_back};

/// Longest text that becomes visible in a few bytes per character.
const ESCAPED_BYTES_PER_BYTE: usize = 12;

/// An address in each of its forms, a pattern, and which version is meant.
pub fn address(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok((address, selector)) = Address::parse(text) {
        let canonical = address.to_string();
        assert!(canonical.len() <= ADDRESS_BYTES_MAX);
        assert_eq!(Address::read(&canonical).as_ref(), Ok(&address), "the canonical form is another address");
        let parts = (address.agent(), address.role(), address.project(), address.task(), address.path());
        assert_eq!(Address::new(parts.0, parts.1, parts.2, parts.3, parts.4).as_ref(), Ok(&address));
        assert_eq!(Address::parse(&address.at(selector)).as_ref(), Ok(&(address.clone(), selector)));
        assert!(Pattern::from(&address).matches(&address) && Pattern::any().matches(&address));
    }
    if let Ok(address) = Address::read(text) {
        assert_eq!(address.to_string(), text, "a canonical address with two forms");
    }
    reads_back::<Pattern>(text);
    if let Some(selector) = reads_back::<Selector>(text) {
        for versions in [&[][..], &[5], &[1, 3, u64::MAX]] {
            assert!(selector.choose(versions).is_none_or(|at| at < versions.len()));
        }
    }
}

/// The words, ids and rules that stand in commands, genes and files.
pub fn words(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    ids(text);
    reads_back::<Level>(text);
    reads_back::<Severity>(text);
    reads_back::<Status>(text);
    reads_back::<KillChainPhase>(text);
    reads_back::<Kind>(text);
    reads_back::<Reference>(text);
    reads_back::<Prefix>(text);
    if let Ok(rule) = RoleRule::parse(text) {
        assert_eq!(RoleRule::parse(&rule.to_string()).as_ref(), Ok(&rule), "a rule that is read as another");
    }
    let _ = check_recipient(text);
    visible(text);
}

/// One form for each id: what is read is written as it was.
fn ids(text: &str) {
    fn one<T: std::str::FromStr + Display + PartialEq + Debug>(text: &str)
    where
        T::Err: Debug,
    {
        if let Some(id) = reads_back::<T>(text) {
            assert!(id.to_string().eq_ignore_ascii_case(text), "an id with two forms: {id}");
        }
    }
    one::<NodeId>(text);
    one::<TeamId>(text);
    one::<Hash>(text);
    one::<ContentId>(text);
    one::<StoreId>(text);
    one::<FactId>(text);
    one::<EventId>(text);
    one::<IncidentId>(text);
    one::<MessageId>(text);
    one::<ResourceId>(text);
}

/// What is written in a visible form hides nothing, is not much longer, and does not change when it is written again.
fn visible(text: &str) {
    let shown = escape(text);
    assert_eq!(escape(&shown), shown, "what is visible is escaped again");
    assert!(shown.len() <= text.len().saturating_mul(ESCAPED_BYTES_PER_BYTE));
    if !shown.trim().is_empty() {
        assert!(check_text("text", &shown, usize::MAX).is_ok(), "what was escaped is still refused: {shown:?}");
    }
    assert!(check_content(text).is_err() || shown == text, "what is taken as it is would be escaped");
    let _ = check_label("label", text, 64);
}

/// A key of the hash table.
pub fn dht_key(bytes: &[u8]) {
    let prefix = Prefix::of_team(&TeamId([9; 32]));
    for path in [bytes.to_vec(), [prefix.as_str().as_bytes(), bytes].concat()] {
        if let Some(key) = Key::parse(&path, &prefix) {
            assert_eq!(key.path(&prefix).as_bytes(), path, "a key with two forms");
        }
    }
}

/// A ticket, as it is pasted, and with the sum that makes its bytes a ticket.
pub fn ticket(bytes: &[u8]) {
    let Some((which, rest)) = choice(bytes) else { return };
    let text = if which % 2 == 0 { std::str::from_utf8(rest).ok().map(str::to_owned) } else { Some(summed(rest)) };
    let Some(ticket) = text.and_then(|text| Ticket::parse(&text).ok()) else { return };
    assert!(ticket.addresses.len() <= ADDRESSES_MAX && ticket.roles.len() <= ROLES_MAX);
    let written = ticket.to_text();
    assert!(Ticket::parse(&written).is_ok_and(|again| again == ticket), "a ticket that is read as another");
    // One letter that was misread makes it no ticket, or the same one.
    let misread = written.replacen('q', "r", 1);
    assert!(Ticket::parse(&misread).map_or(true, |other| other == ticket), "a damaged ticket is taken");
}

/// The text of a ticket with these bytes: the sum is the first four bytes of their SHA-256 after a domain.
pub(crate) fn summed(bytes: &[u8]) -> String {
    let sum = Hash::of(&[b"antiphon/ticket/1", bytes].concat());
    let all = [bytes, &sum.0[..4]].concat();
    format!("antiphon1{}", BASE32_NOPAD.encode(&all).to_ascii_lowercase())
}

/// The words of a recovery phrase. What is taken names one key, whatever its spelling.
pub fn phrase(bytes: &[u8]) {
    let Some((which, rest)) = choice(bytes) else { return };
    let text = if which % 2 == 0 {
        std::str::from_utf8(rest).ok().map(str::to_owned)
    } else {
        let mut entropy = [0; 32];
        let len = rest.len().min(32);
        entropy[..len].copy_from_slice(&rest[..len]);
        Some(Phrase::from_entropy(&entropy).expect("32 bytes are a phrase").expose().to_string())
    };
    let Some(phrase) = text.and_then(|text| text.parse::<Phrase>().ok()) else { return };
    let again: Phrase = phrase.expose().parse().expect("a phrase is read back");
    let of = |phrase: &Phrase| NodeKey::from_phrase(phrase).expect("a phrase is a key").node_id();
    assert_eq!(of(&again), of(&phrase), "a phrase that is read as another key");
}
