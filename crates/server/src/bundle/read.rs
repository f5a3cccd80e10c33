//! Reading documents: every check that needs neither key nor database.

use antiphon_core::event::Event;
use antiphon_core::genome::GENES_MAX;
use antiphon_core::ids::{Hash, NodeId, TeamId};
use antiphon_core::log::{Head, LogId, NodeClock, Stream};
use antiphon_core::sign::{self, Signature};
use antiphon_node::bundles::{CarriedFacts, CarriedLog, RequestView, ResponseView, bundle_message};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;

use super::document::{Document, EventPart, EventsPart, Kind};
use super::{Error, VERSIONS_READ, hash_of, scan};
use crate::dto::HeadDto;
use crate::time::rfc3339;

/// Most logs of one document: charter and shared ones of every store that a node may know.
const LOGS_MAX: usize = 8_192;
/// Characters of a wrong value that an error repeats.
const SHOWN_CHARS_MAX: usize = 80;

/// A document whose signature is its sender's, or one that nobody signed.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) document: Document,
    /// The sender, where the document is signed.
    pub(crate) signed_by: Option<NodeId>,
}

/// Reads a document that is not sealed, or not any more.
pub(crate) fn open(text: &[u8]) -> Result<Opened, Error> {
    scan::check(text)?;
    let value: Value = serde_json::from_slice(text).map_err(|error| Error::Malformed(error.to_string()))?;
    let version = value.get("version").and_then(Value::as_str).unwrap_or("(none)");
    if !VERSIONS_READ.contains(&version) {
        return Err(Error::Version(shown(version)));
    }
    let signature = match value.get("signature") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some((signature_of(text)?, hash_of(&value)?)),
        Some(_) => return Err(Error::Malformed("signature is no text".to_owned())),
    };
    let document: Document = serde_json::from_value(value).map_err(|error| Error::Malformed(error.to_string()))?;
    let signed_by = match signature {
        Some((signature, hash)) => Some(check_signature(&document, &signature, &hash)?),
        None if document.kind != Kind::Facts || !document.events.is_empty() => return Err(Error::Unsigned),
        None => None,
    };
    let genes = document.facts.iter().filter(|fact| fact.is_gene).count();
    if genes > GENES_MAX {
        return Err(Error::TooManyGenes { got: genes, limit: GENES_MAX });
    }
    Ok(Opened { document, signed_by })
}

fn check_signature(document: &Document, signature: &Signature, hash: &Hash) -> Result<NodeId, Error> {
    let from: NodeId = id("from_peer_id", &document.from_peer_id)?;
    let team: TeamId = id("team", document.team.as_deref().unwrap_or_default())?;
    if sign::verify(&from, &bundle_message(&team, hash), signature) { Ok(from) } else { Err(Error::BadSignature(from)) }
}

impl Document {
    /// Refuses a document of another kind.
    pub(crate) fn need(&self, want: Kind) -> Result<(), Error> {
        if self.kind == want { Ok(()) } else { Err(Error::Kind { got: self.kind.name(), want: want.name() }) }
    }

    /// The bytes of the request that `from` signed, if people read in it what it proves.
    pub(crate) fn request(&self, from: NodeId) -> Result<Vec<u8>, Error> {
        self.need(Kind::HandshakeRequest)?;
        let bytes = base64("message", self.handshake.message.as_deref().unwrap_or_default())?;
        let view = RequestView::read(&bytes)?;
        let part = &self.handshake;
        agree("from_peer_id", view.from == from)?;
        agree("from_node", self.from_node.as_ref() == Some(&view.name))?;
        agree("team", self.team == Some(view.team.to_string()))?;
        agree("genome_hash", self.genome_hash == view.genome.to_string())?;
        agree("store_id", self.store_id == view.store.map(|store| store.to_string()))?;
        agree("timestamp", part.timestamp == Some(rfc3339(view.timestamp)))?;
        agree("nonce", part.nonce == Some(HEXLOWER.encode(&view.nonce)))?;
        agree("agent_version", part.agent_version.as_ref() == Some(&view.agent_version))?;
        Ok(bytes)
    }

    /// The bytes of the answer that `from` signed, if people read in it what it proves.
    pub(crate) fn answer(&self, from: NodeId) -> Result<Vec<u8>, Error> {
        self.need(Kind::HandshakeResponse)?;
        let bytes = base64("message", self.handshake.message.as_deref().unwrap_or_default())?;
        let view = ResponseView::read(&bytes)?;
        let part = &self.handshake;
        agree("from_peer_id", view.to == from)?;
        agree("to_peer_id", part.to_peer_id == Some(view.to.to_string()))?;
        agree("to_node", part.to_node.as_ref() == Some(&view.name))?;
        agree("genome_hash", self.genome_hash == view.genome.to_string())?;
        agree("store_id", self.store_id == view.store.map(|store| store.to_string()))?;
        agree("match", part.matches == Some(view.matches))?;
        agree("trust", part.trust.as_deref() == Some(view.trust.name()))?;
        agree("reason", part.reason == view.reason.map(|reason| reason.name().to_owned()))?;
        agree("timestamp", part.timestamp == Some(rfc3339(view.timestamp)))?;
        agree("nonce", part.nonce == Some(HEXLOWER.encode(&view.nonce)))?;
        Ok(bytes)
    }

    /// The facts that `from` signed.
    pub(crate) fn carried(&self, from: NodeId) -> Result<CarriedFacts, Error> {
        Ok(CarriedFacts {
            from,
            team: id("team", self.team.as_deref().unwrap_or_default())?,
            store: id("store_id", self.store_id.as_deref().unwrap_or_default())?,
            genome: id("genome_hash", &self.genome_hash)?,
            clock: clock_of(&self.heads)?,
            logs: self.logs()?,
        })
    }

    /// The events of the document.
    pub(crate) fn logs(&self) -> Result<Vec<CarriedLog>, Error> {
        check_logs(self.events.len())?;
        self.events.iter().map(log_of).collect()
    }

    /// Whether it brings more than a handshake.
    pub(crate) fn brings_facts(&self) -> bool {
        !self.heads.is_empty()
    }
}

fn agree(what: &'static str, same: bool) -> Result<(), Error> {
    if same { Ok(()) } else { Err(Error::Disagrees(what)) }
}

fn log_of(part: &EventsPart) -> Result<CarriedLog, Error> {
    let log = LogId::new(id("store_id", &part.store_id)?, stream_of(&part.stream)?);
    let events = part.events.iter().map(event_of).collect::<Result<_, _>>()?;
    Ok(CarriedLog { log, node: id("peer_id", &part.peer_id)?, events })
}

fn event_of(part: &EventPart) -> Result<Event<antiphon_core::event::Unverified>, Error> {
    let payload = part.payload.as_deref().map(|text| base64("payload", text)).transpose()?;
    let signature = part.signature.as_deref().map(signature_of).transpose()?;
    let event = Event::parse(base64("header", &part.header)?, payload, signature);
    event.map_err(|error| Error::Malformed(format!("an event: {error}")))
}

/// Reads a cursor: what `antiphon bundle cursor` prints, or any other document of a node that names its heads.
pub(crate) fn clock_of_text(text: &[u8]) -> Result<NodeClock, Error> {
    scan::check(text)?;
    let value: Value = serde_json::from_slice(text).map_err(|error| Error::Malformed(error.to_string()))?;
    let heads = value.get("heads").or_else(|| value.get("cursor").and_then(|cursor| cursor.get("heads")));
    let heads = heads.ok_or_else(|| Error::Malformed("it names no heads".to_owned()))?;
    let heads: Vec<HeadDto> =
        serde_json::from_value(heads.clone()).map_err(|error| Error::Malformed(error.to_string()))?;
    clock_of(&heads)
}

/// A clock from its heads.
pub(crate) fn clock_of(heads: &[HeadDto]) -> Result<NodeClock, Error> {
    check_logs(heads.len())?;
    let head = |head: &HeadDto| {
        let log = LogId::new(id("store_id", &head.store_id)?, stream_of(&head.stream)?);
        Ok((log, Head { seq: head.seq, hash: id("hash", &head.hash)? }))
    };
    heads.iter().map(head).collect()
}

/// A clock as its heads.
pub(crate) fn heads(clock: &NodeClock) -> Vec<HeadDto> {
    let head = |(log, head): (&LogId, &Head)| HeadDto {
        store_id: log.store.to_string(),
        stream: log.stream.to_string(),
        seq: head.seq,
        hash: head.hash.to_string(),
    };
    clock.iter().map(head).collect()
}

fn check_logs(got: usize) -> Result<(), Error> {
    if got > LOGS_MAX { Err(Error::TooComplex { what: "logs", limit: LOGS_MAX }) } else { Ok(()) }
}

fn stream_of(name: &str) -> Result<Stream, Error> {
    let found = Stream::ALL.into_iter().find(|stream| stream.to_string() == name);
    found.ok_or_else(|| Error::Malformed(format!("stream: {:?}", shown(name))))
}

fn id<T: std::str::FromStr<Err: std::fmt::Display>>(key: &str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error| Error::Malformed(format!("{key}: {error}")))
}

fn base64(key: &str, text: &str) -> Result<Vec<u8>, Error> {
    BASE64.decode(text.as_bytes()).map_err(|error| Error::Malformed(format!("{key} is not base64: {error}")))
}

fn signature_of(text: &str) -> Result<Signature, Error> {
    let bytes = base64("signature", text)?;
    Signature::from_slice(&bytes).map_err(|error| Error::Malformed(error.to_string()))
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use antiphon_core::log::NodeClock;
    use antiphon_node::bundles::Take;
    use antiphon_node::{Config, Handle, Home, Node};

    use super::super::document::PlainFact;
    use super::super::{facts_document, hash_of, request_document, to_bytes, to_value};
    use super::*;

    struct Alice {
        _dir: tempfile::TempDir,
        node: Node,
        handle: Handle,
    }

    impl Alice {
        async fn start() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let mut config = Config::new(Home::new(dir.path().join("home")));
            (config.listen, config.mdns) = (vec!["/ip4/127.0.0.1/tcp/0".into()], false);
            let node = Node::start(config).await.unwrap();
            let handle = node.handle();
            Self { _dir: dir, node, handle }
        }

        /// The document, signed as it is, however wrong.
        async fn sign(&self, document: &Document) -> Vec<u8> {
            let hash = hash_of(&to_value(document).unwrap()).unwrap();
            let signature = self.handle.sign_bundle(&hash).await.unwrap();
            to_bytes(document.clone(), &signature).unwrap()
        }

        async fn stop(self) {
            self.handle.shutdown().await;
            self.node.stopped().await;
        }
    }

    fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
        result.unwrap_err().reason().unwrap()
    }

    #[tokio::test]
    async fn what_people_read_in_a_request_is_what_it_proves() {
        let alice = Alice::start().await;
        let message = alice.handle.carry_request(None).await.unwrap();
        let view = RequestView::read(&message).unwrap();
        let honest = request_document(&view, &message);
        let opened = open(&alice.sign(&honest).await).unwrap();
        assert_eq!((opened.signed_by, opened.document.request(view.from).unwrap()), (Some(view.from), message));
        assert_eq!(reason(opened.document.answer(view.from)), "wrong_kind");
        let lies: [fn(&mut Document); 5] = [
            |document| document.from_node = Some("bob".to_owned()),
            |document| document.genome_hash = "0".repeat(64),
            |document| document.handshake.timestamp = Some("2001-01-01T00:00:00.000Z".to_owned()),
            |document| document.handshake.nonce = None,
            |document| document.handshake.agent_version = Some("9".to_owned()),
        ];
        for lie in lies {
            let mut document = honest.clone();
            lie(&mut document);
            let opened = open(&alice.sign(&document).await).unwrap();
            assert_eq!(reason(opened.document.request(view.from)), "disagrees", "{document:?}");
        }
        let mut cut = honest.clone();
        cut.handshake.message = cut.handshake.message.map(|text| text[..text.len() / 2].to_owned());
        assert_eq!(reason(open(&alice.sign(&cut).await).unwrap().document.request(view.from)), "malformed");
        alice.stop().await;
    }

    #[tokio::test]
    async fn a_signature_covers_every_key_and_is_the_senders_alone() {
        let (alice, eve) = (Alice::start().await, Alice::start().await);
        let export = alice.handle.export_carried(Take::Everything, NodeClock::new(), None).await.unwrap();
        let document = facts_document(None, &export, antiphon_core::time::UnixMillis(1));
        let bytes = alice.sign(&document).await;
        let opened = open(&bytes).unwrap();
        assert_eq!(opened.signed_by, Some(export.node));
        let facts = opened.document.carried(export.node).unwrap();
        assert_eq!((facts.clock.clone(), facts.logs.len()), (export.clock.clone(), export.logs.len()));
        assert_eq!(clock_of_text(&bytes).unwrap(), export.clock);
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let shuffled = serde_json::to_vec(&value).unwrap();
        assert_eq!(open(&shuffled).unwrap().signed_by, Some(export.node), "spaces are not signed");
        let mut grown = value.clone();
        grown["of_a_newer_version"] = Value::from("x");
        assert_eq!(reason(open(grown.to_string().as_bytes())), "bad_signature");
        assert_eq!(reason(open(&eve.sign(&document).await)), "bad_signature");
        let mut nobody = value;
        nobody.as_object_mut().unwrap().remove("signature");
        assert_eq!(reason(open(nobody.to_string().as_bytes())), "unsigned");
        alice.stop().await;
        eve.stop().await;
    }

    #[tokio::test]
    async fn a_signed_bundle_with_ten_thousand_genes_or_logs_is_refused_whole() {
        let alice = Alice::start().await;
        let export = alice.handle.export_carried(Take::Everything, NodeClock::new(), None).await.unwrap();
        let mut document = facts_document(None, &export, antiphon_core::time::UnixMillis(1));
        let gene = |n| PlainFact { id: format!("g{n}"), content: "x".into(), is_gene: true, ..PlainFact::default() };
        document.facts = (0..10_000).map(gene).collect();
        assert_eq!(reason(open(&alice.sign(&document).await)), "too_many_genes");
        document.facts.clear();
        document.heads = vec![document.heads[0].clone(); LOGS_MAX + 1];
        let opened = open(&alice.sign(&document).await).unwrap();
        assert_eq!(reason(opened.document.carried(export.node)), "too_large");
        alice.stop().await;
    }
}
