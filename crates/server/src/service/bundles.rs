//! What is carried by hand: making documents, and taking them.

use antiphon_core::ids::{FactId, IncidentId, NodeId};
use antiphon_core::log::NodeClock;
use antiphon_node::bundles::{BUNDLE, CarriedHandshake, CarryError, Export, RequestView, ResponseView, Take};
use antiphon_node::{Error as NodeError, PeerView, Trust};
use data_encoding::BASE64;

use super::Service;
use crate::bundle::{self, Document, Error, Opened, Plain};
use crate::convert;
use crate::dto::{
    BadEntryDto, BatchItemDto, BundleAskDto, BundleFileDto, BundleTakeDto, CarriedDto, CursorDto, ImportedDto,
    NewFactDto,
};
use crate::error::{Code, Problem};

/// Facts of an unsigned payload that are written at once.
const FACTS_AT_A_TIME: usize = 1_000;

impl Service {
    /// Begins a handshake by hand.
    pub(crate) async fn bundle_handshake(&self, ask: BundleAskDto) -> Result<BundleFileDto, Problem> {
        let seal = self.peer_of(ask.seal.as_deref()).await?;
        let peer = self.peer_of(ask.peer.as_deref()).await?.or_else(|| seal.clone());
        let peer = peer.map(|peer| peer.peer_id);
        let message = self.made(self.handle.carry_request(peer).await)?;
        let view = self.made(RequestView::read(&message))?;
        let mut document = bundle::request_document(&view, &message);
        let mut taken = None;
        if ask.export || peer.is_some() {
            // A member gets the membership in any case: it may lack a gene without which it cannot believe us.
            let what = if ask.export { Take::Everything } else { Take::Charter };
            let export = self.export(what, ask.since.as_deref(), peer, peer).await?;
            document = bundle::facts_document(Some(document), &export, self.now());
            taken = Some(export);
        }
        self.file(document, taken.as_ref(), seal.as_ref()).await
    }

    /// Answers a handshake by hand, and takes the facts that came with it.
    pub(crate) async fn bundle_answer(&self, file: &[u8], take: BundleTakeDto) -> Result<BundleFileDto, Problem> {
        let (document, from) = self.signed(file).await?;
        let answered = self.answer(&document, from).await;
        let handshake = self.taken(Some(from), answered).await?;
        let mut carried = convert::carried(&handshake);
        self.take_along(&document, from, &handshake, &mut carried).await;
        let view = self.made(ResponseView::read(&handshake.message))?;
        let team = document.team.clone().unwrap_or_default();
        let mut answer = bundle::answer_document(&view, team, &handshake.message);
        let apart = handshake.our_genome != handshake.their_genome;
        let mut taken = None;
        if take.export.unwrap_or(false) || apart {
            // Whoever lacks genes gets the charter and nothing else.
            let what = if apart { Take::Charter } else { Take::Everything };
            let export = self.export(what, None, Some(from), Some(from)).await?;
            answer = bundle::facts_document(Some(answer), &export, self.now());
            taken = Some(export);
        }
        let seal = if take.seal.unwrap_or(false) { Some(self.handle.peer(&from.to_string()).await?) } else { None };
        let file = self.file(answer, taken.as_ref(), seal.as_ref()).await?;
        Ok(BundleFileDto { handshake: Some(carried), ..file })
    }

    /// Completes a handshake by hand, and takes the facts that came with the answer.
    pub(crate) async fn bundle_complete(&self, file: &[u8]) -> Result<CarriedDto, Problem> {
        let (document, from) = self.signed(file).await?;
        let completed = self.complete_handshake(&document, from).await;
        let handshake = self.taken(Some(from), completed).await?;
        let mut carried = convert::carried(&handshake);
        self.take_along(&document, from, &handshake, &mut carried).await;
        Ok(carried)
    }

    /// Takes facts along.
    pub(crate) async fn bundle_export(&self, ask: BundleAskDto) -> Result<BundleFileDto, Problem> {
        let seal = self.peer_of(ask.seal.as_deref()).await?;
        let peer = self.peer_of(ask.peer.as_deref()).await?.or_else(|| seal.clone()).map(|peer| peer.peer_id);
        // A seal says who may read it, not that only what is missing there is wanted.
        let known = peer.filter(|_| ask.peer.is_some());
        let export = self.export(Take::Everything, ask.since.as_deref(), known, peer).await?;
        let document = bundle::facts_document(None, &export, self.now());
        self.file(document, Some(&export), seal.as_ref()).await
    }

    /// Takes facts in.
    pub(crate) async fn bundle_import(&self, file: &[u8], take: BundleTakeDto) -> Result<ImportedDto, Problem> {
        let opened = self.taken(None, self.open(file)).await?;
        let Opened { document, signed_by } = opened;
        let needed = document.need(bundle::Kind::Facts);
        self.taken(signed_by, needed).await?;
        if take.dry_run == Some(true) && (signed_by.is_some() || take.unsigned == Some(true)) {
            let would = self.would_import(document, signed_by).await;
            return self.taken(signed_by, would).await;
        }
        match signed_by {
            Some(from) => {
                let imported = self.import(&document, from).await;
                let mut imported = self.taken(Some(from), imported).await?;
                if document.events.is_empty() && document.facts.iter().any(|fact| !fact.is_gene) {
                    // A member whose program keeps no events.
                    self.take_plain(bundle::plain(document), &mut imported).await?;
                }
                self.with_cursor(imported).await
            }
            None if take.unsigned.unwrap_or(false) => {
                let mut imported = ImportedDto { peer_id: document.from_peer_id.clone(), ..ImportedDto::default() };
                self.take_plain(bundle::plain(document), &mut imported).await?;
                self.with_cursor(imported).await
            }
            None => self.taken(None, Err(Error::Unsigned)).await,
        }
    }

    /// How much of each log this node holds.
    pub(crate) async fn bundle_cursor(&self) -> Result<CursorDto, Problem> {
        Ok(convert::cursor(self.own, &self.made(self.handle.own_clock().await)?))
    }

    async fn answer(&self, document: &Document, from: NodeId) -> Result<CarriedHandshake, Error> {
        let (bytes, logs) = (document.request(from)?, document.logs()?);
        if document.brings_facts() {
            document.carried(from)?;
        }
        Ok(self.handle.carry_answer(&bytes, logs).await?)
    }

    async fn complete_handshake(&self, document: &Document, from: NodeId) -> Result<CarriedHandshake, Error> {
        let (bytes, logs) = (document.answer(from)?, document.logs()?);
        if document.brings_facts() {
            document.carried(from)?;
        }
        Ok(self.handle.carry_complete(&bytes, logs).await?)
    }

    /// Takes the facts that came with a handshake. The handshake stands, whatever becomes of them.
    async fn take_along(&self, document: &Document, from: NodeId, done: &CarriedHandshake, carried: &mut CarriedDto) {
        if !document.brings_facts() || done.trust != Trust::Verified {
            return;
        }
        let imported = self.import(document, from).await;
        let imported = match self.taken(Some(from), imported).await {
            Ok(imported) => self.with_cursor(imported).await,
            Err(problem) => Err(problem),
        };
        match imported {
            Ok(imported) => carried.imported = Some(imported),
            Err(problem) => carried.import_problem = Some(problem),
        }
    }

    async fn import(&self, document: &Document, from: NodeId) -> Result<ImportedDto, Error> {
        let imported = self.handle.import_carried(document.carried(from)?).await?;
        Ok(ImportedDto {
            peer_id: from.to_string(),
            name: document.from_node.clone().unwrap_or_default(),
            ..convert::imported(imported)
        })
    }

    /// What taking a document in would bring: what of it is not held here. Whether it would be believed shows when it is
    /// taken.
    async fn would_import(&self, document: Document, from: Option<NodeId>) -> Result<ImportedDto, Error> {
        let held = self.handle.own_clock().await?;
        let mut would = ImportedDto {
            peer_id: document.from_peer_id.clone(),
            name: document.from_node.clone().unwrap_or_default(),
            signed: from.is_some(),
            dry_run: true,
            cursor: convert::cursor(self.own, &held),
            ..ImportedDto::default()
        };
        let Some(from) = from.filter(|_| !document.events.is_empty()) else {
            let plain = bundle::plain(document);
            would.skipped_genes = plain.genes;
            for incident in plain.incidents {
                let id = incident.id.and_then(|id| id.parse::<IncidentId>().ok());
                let known = match id {
                    Some(id) => !matches!(self.handle.incident(id).await, Err(NodeError::IncidentNotFound(_))),
                    None => false,
                };
                if known { would.known += 1 } else { would.incidents += 1 }
            }
            for fact in plain.facts {
                let id = fact.id.and_then(|id| id.parse::<FactId>().ok());
                let known = match id {
                    Some(id) => !matches!(self.handle.fact(id).await, Err(NodeError::FactNotFound(_))),
                    None => false,
                };
                if known { would.known += 1 } else { would.facts += 1 }
            }
            return Ok(would);
        };
        for log in document.carried(from)?.logs {
            let until = held.get(&log.log).map_or(0, |head| head.seq);
            for header in log.events.iter().map(|event| event.header()) {
                if header.seq <= until {
                    would.known += 1;
                } else {
                    would.events += 1;
                    would.facts += u64::from(header.subject.fact().is_some());
                }
            }
        }
        Ok(would)
    }

    async fn with_cursor(&self, imported: ImportedDto) -> Result<ImportedDto, Problem> {
        Ok(ImportedDto { cursor: self.bundle_cursor().await?, ..imported })
    }

    /// Takes what nobody signed: facts and incidents, never genes.
    async fn take_plain(&self, plain: Plain, imported: &mut ImportedDto) -> Result<(), Problem> {
        imported.skipped_genes += plain.genes;
        let mut facts = plain.facts.into_iter().peekable();
        while facts.peek().is_some() {
            let batch: Vec<NewFactDto> = facts.by_ref().take(FACTS_AT_A_TIME).collect();
            let ids: Vec<String> = batch.iter().map(|fact| fact.id.clone().unwrap_or_default()).collect();
            let results = self.remember_all(batch.into_iter().map(Ok).collect()).await?.results;
            for (id, result) in ids.into_iter().zip(results) {
                match result {
                    BatchItemDto::Ok(written) if written.outcome == "written" => imported.facts += 1,
                    BatchItemDto::Ok(_) => imported.known += 1,
                    BatchItemDto::Error(problem) => imported.bad.push(BadEntryDto { id, problem }),
                }
            }
        }
        for incident in plain.incidents {
            let id = incident.id.clone().unwrap_or_default();
            match self.report_incident(incident).await {
                Ok(written) if written.outcome == "written" => imported.incidents += 1,
                Ok(_) => imported.known += 1,
                Err(problem) => imported.bad.push(BadEntryDto { id, problem }),
            }
        }
        Ok(())
    }

    /// Opens a document that must be signed.
    async fn signed(&self, file: &[u8]) -> Result<(Document, NodeId), Problem> {
        let signed = self.open(file).and_then(|Opened { document, signed_by }| {
            let from = signed_by.ok_or(Error::Unsigned)?;
            Ok((document, from))
        });
        self.taken(None, signed).await
    }

    fn open(&self, file: &[u8]) -> Result<Opened, Error> {
        match self.handle.open_bundle(file)? {
            Some(opened) => bundle::open(&opened),
            None => bundle::open(file),
        }
    }

    /// What to take along for `reader`: what is beyond a cursor, or else beyond what `known` is known to hold.
    async fn export(
        &self,
        what: Take,
        since: Option<&str>,
        known: Option<NodeId>,
        reader: Option<NodeId>,
    ) -> Result<Export, Problem> {
        let since = match (since, known) {
            (Some(text), _) => bundle::clock_of_text(text.as_bytes()).map_err(|error| {
                let hint = "pass what antiphon bundle cursor printed on the other machine";
                Problem::new(Code::Invalid, format!("since: {error}")).hint(hint)
            })?,
            (None, Some(peer)) => self.made(self.handle.carried_clock(peer).await)?,
            (None, None) => NodeClock::new(),
        };
        self.made(self.handle.export_carried(what, since, reader).await)
    }

    /// Signs a document, and seals it if it is meant for one member alone.
    async fn file(
        &self,
        document: Document,
        taken: Option<&Export>,
        seal: Option<&PeerView>,
    ) -> Result<BundleFileDto, Problem> {
        let hash = bundle::hash_of(&bundle::to_value(&document)?)?;
        let signature = self.made(self.handle.sign_bundle(&hash).await)?;
        let file = BundleFileDto {
            kind: document.kind.name().to_owned(),
            facts: document.facts.iter().filter(|fact| !fact.is_gene).count() as u64,
            incidents: document.incidents.len() as u64,
            events: document.events.iter().map(|log| log.events.len() as u64).sum(),
            ..BundleFileDto::default()
        };
        let mut bytes = bundle::to_bytes(document, &signature)?;
        if let Some(peer) = seal {
            bytes = self.made(self.handle.seal_bundle(peer.peer_id, &bytes).await)?;
        }
        Ok(BundleFileDto {
            bytes: bytes.len() as u64,
            file: BASE64.encode(&bytes),
            sealed_for: seal
                .map(|peer| if peer.name.is_empty() { peer.peer_id.to_string() } else { peer.name.clone() }),
            cursor: taken.map(|export| convert::cursor(self.own, &export.reaches)),
            more: taken.is_some_and(|export| export.more),
            ..file
        })
    }

    async fn peer_of(&self, peer: Option<&str>) -> Result<Option<PeerView>, Problem> {
        match peer {
            Some(peer) => Ok(Some(self.handle.peer(peer).await?)),
            None => Ok(None),
        }
    }

    /// What could not be made is nobody's fault but ours, so it is not written down.
    #[expect(clippy::unused_self, reason = "it stands beside `taken`")]
    fn made<T>(&self, made: Result<T, CarryError>) -> Result<T, Problem> {
        made.map_err(|error| Error::from(error).into())
    }

    /// What is not taken is counted and written down.
    async fn taken<T>(&self, from: Option<NodeId>, taken: Result<T, Error>) -> Result<T, Problem> {
        let error = match taken {
            Ok(taken) => return Ok(taken),
            Err(error) => error,
        };
        if let Some(reason) = error.reason()
            && let Err(unwritten) = self.handle.refuse(BUNDLE, from, reason, &error.to_string()).await
        {
            tracing::error!(%unwritten, "what was refused could not be written down");
            let problem = Problem::from(error);
            let hint = problem.hint.clone().unwrap_or_default();
            return Err(Problem::new(Code::Failed, problem.what).why(unwritten.to_string()).hint(hint));
        }
        Err(error.into())
    }
}
