//! Resources: what an agent's client can attach to a conversation by its address.
//!
//! A resource is read by the same agents as what tools give, so it says the same about itself: what others wrote stands
//! in a frame and is called data. What programs need of it is beside the text, under [`STRUCTURED`]. A document is given
//! by the same rules as `content get` gives it, and to the same length as `share`; one that is no text comes as it is.
//!
//! The list names what can be attached without knowing an id: the state, the genes, and the newest documents that are
//! readable here. Everything else has a template.

use antiphon_core::address::SCHEME;
use antiphon_core::fact::escape;
use antiphon_node::count;
use data_encoding::BASE64;
use rmcp::model::{
    Annotations, ErrorData, JsonObject, MetaObject, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
};
use serde_json::json;

use super::memory;
use super::render::{self, Frame, Rendered, quoted, to_json};
use super::share;
use super::subject::{FACT, GENOME, STATUS, Subject};
use crate::dto::{ContentDto, ContentFilterDto, GenesDto};
use crate::error::{Code, Problem};
use crate::service::Service;

/// Most documents in the list.
const LISTED_DOCUMENTS_MAX: usize = 50;
/// Most documents that are looked at for the list; some are not readable here, some were removed.
const LOOKED_AT_DOCUMENTS_MAX: usize = 200;
/// Under what a resource's structured form stands in its `_meta`.
const STRUCTURED: &str = "antiphon/structured";
/// What resources with frames are.
const TEXT: &str = "text/plain";

/// The answer for an address that leads nowhere.
pub(super) fn not_found(uri: &str) -> ErrorData {
    let what = format!("there is no resource {}; resources/templates/list shows what there can be", quoted(uri));
    ErrorData::resource_not_found(what, Some(json!({ "uri": uri })))
}

/// The answer for what cannot be read. The revisions have no result for it, as tools have, so it is an error that says
/// what to do.
pub(super) fn failed(uri: &str, problem: &Problem) -> ErrorData {
    let data = Some(json!({ "uri": uri, "error": problem }));
    match problem.code {
        Code::NotFound => ErrorData::resource_not_found(problem.to_string(), data),
        Code::Invalid | Code::Undecided | Code::TooLarge => ErrorData::invalid_params(problem.to_string(), data),
        _ => ErrorData::internal_error(problem.to_string(), data),
    }
}

/// The resources that are listed.
pub(super) async fn list(service: &Service) -> Result<Vec<Resource>, Problem> {
    let mut listed = vec![
        Resource::new(STATUS, "status")
            .with_title("State of this node")
            .with_description("This node, its team, its peers, and what needs a person.")
            .with_mime_type(TEXT)
            .with_annotations(Annotations::default().with_priority(0.5)),
        Resource::new(GENOME, "genome")
            .with_title("Genes of the team")
            .with_description("The rules that the team agreed on.")
            .with_mime_type(TEXT)
            .with_annotations(Annotations::default().with_priority(1.0)),
    ];
    let filter = ContentFilterDto { limit: Some(LOOKED_AT_DOCUMENTS_MAX), ..ContentFilterDto::default() };
    let documents = service.contents(filter).await?.contents;
    let readable = documents.iter().filter(|content| content.readable && !content.removed && !content.unauthorised);
    listed.extend(readable.take(LISTED_DOCUMENTS_MAX).map(document));
    Ok(listed)
}

fn document(content: &ContentDto) -> Resource {
    let ContentDto { address, version, author, creator_role, content_type, .. } = content;
    let description = format!("Document, version {version}, by {} in role {creator_role}.", quoted(author));
    let name = address.strip_prefix(SCHEME).unwrap_or(address);
    let mut resource = Resource::new(address, name).with_description(description).with_mime_type(content_type);
    // A size beyond 32 bits is none that an agent could take.
    resource.size = Some(content.size);
    resource
}

/// What can be read by an address that is put together.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(format!("{FACT}{{id}}"), "fact")
            .with_title("Fact")
            .with_description("One fact in full, by its id.")
            .with_mime_type(TEXT),
        ResourceTemplate::new(format!("{SCHEME}{{agent}}/{{role}}/{{project}}/{{task}}/{{+path}}"), "document")
            .with_title("Document")
            .with_description("The newest version of a document, if a role of this node may read it."),
    ]
}

/// Reads a resource.
pub(super) async fn read(service: &Service, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let subject = Subject::of_uri(uri).ok_or_else(|| not_found(uri))?;
    let contents = match &subject {
        Subject::Status => service.status().await.and_then(render::status).map(|rendered| text(uri, rendered)),
        Subject::Genome => service.genes().await.and_then(|genes| genome(&genes)).map(|rendered| text(uri, rendered)),
        Subject::Fact(id) => fact(service, &id.to_string()).await.map(|rendered| text(uri, rendered)),
        Subject::Graph => memory::contents(service, uri).await,
        Subject::Document(address) => whole_document(service, uri, address).await,
    };
    contents.map(|contents| ReadResourceResult::new(vec![contents])).map_err(|problem| failed(uri, &problem))
}

fn text(uri: &str, Rendered { text, structured }: Rendered) -> ResourceContents {
    let meta = MetaObject(JsonObject::from_iter([(STRUCTURED.to_owned(), structured)]));
    ResourceContents::text(text, uri).with_mime_type(TEXT).with_meta(meta)
}

async fn fact(service: &Service, id: &str) -> Result<Rendered, Problem> {
    render::fact(service.fact(id).await?, None, service.now())
}

async fn whole_document(service: &Service, uri: &str, address: &str) -> Result<ResourceContents, Problem> {
    let (content, bytes) = share::read_document(service, address.to_owned()).await?;
    match String::from_utf8(bytes) {
        Ok(document) => Ok(text(uri, share::framed(&content, &document)?)),
        Err(error) => {
            let blob = BASE64.encode(error.as_bytes());
            Ok(ResourceContents::blob(blob, uri).with_mime_type(content.content_type))
        }
    }
}

/// Every gene in full.
fn genome(genes: &GenesDto) -> Result<Rendered, Problem> {
    let frame = Frame::new()?;
    let (number, hash) = (count(genes.genes.len(), "gene"), &genes.genome_hash);
    let mut text = format!("{number} of the team, genome hash {hash}. {}\n", frame.explain());
    for gene in &genes.genes {
        frame.put(&mut text, &format!("gene {}", gene.id), &escape(&gene.text));
    }
    Ok(Rendered { text, structured: to_json(genes)? })
}
