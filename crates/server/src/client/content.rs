//! Calls about documents. Documents flow through as streams, so their size does not matter.

use std::io;

use futures::stream;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::calls::with_query;
use super::{Client, ClientError, collect, read, request};
use crate::dto::{
    ContentAnnouncedDto, ContentAskDto, ContentCleanedDto, ContentDto, ContentFilterDto, ContentMetricsDto,
    ContentPlanDto, ContentProvidersDto, ContentRemoveDto, ContentRemovedDto, ContentStatusDto, ContentStoredDto,
    ContentVersionsDto, ContentsDto, NewContentDto, RoleKeyAskDto, RoleKeyDto,
};
use crate::routes::CONTENT_HEADER;

const CONTENT: &str = "/api/v1/content";
/// Bytes that are read at once of a document that is sent.
const PART_BYTES: usize = 64 * 1024;
/// Parts that wait to be sent.
const PARTS_MAX: usize = 4;

type Part = Result<Frame<Bytes>, io::Error>;

impl Client {
    /// Stores the bytes that `plain` reads under an address; `sent` hears of every part with its length.
    ///
    /// # Errors
    /// [`ClientError`], as every method here; [`ClientError::Source`] when `plain` cannot be read.
    pub async fn put_content(
        &self,
        new: &NewContentDto,
        plain: impl AsyncRead + Unpin,
        sent: impl Fn(usize),
    ) -> Result<ContentStoredDto, ClientError> {
        let (parts, waiting) = mpsc::channel::<Part>(PARTS_MAX);
        let body = StreamBody::new(stream::unfold(waiting, async |mut waiting| Some((waiting.recv().await?, waiting))));
        let put = request(Method::PUT, &with_query(CONTENT, new)).body(body);
        let put = put.map_err(|source| ClientError::Request { source })?;
        let (answer, fed) =
            tokio::join!(self.stream(put, async |response| collect(response).await), feed(plain, parts, sent));
        fed?;
        let (status, bytes) = answer?;
        read(status, &bytes)
    }

    /// Reads a document into `out`; `begun` hears which one it is before its first byte, `got` of every part.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Sink`] when `out` cannot be written. What was written by then is half a document.
    pub async fn get_content(
        &self,
        ask: &ContentAskDto,
        mut out: impl AsyncWrite + Unpin,
        begun: impl FnOnce(&ContentDto),
        got: impl Fn(usize),
    ) -> Result<ContentDto, ClientError> {
        let get = request(Method::GET, &with_query(CONTENT, ask)).body(Empty::<Bytes>::new());
        let get = get.map_err(|source| ClientError::Request { source })?;
        self.stream(get, async |response| {
            if !response.status().is_success() {
                let (status, bytes) = collect(response).await?;
                return read(status, &bytes);
            }
            let shown = response.headers().get(CONTENT_HEADER).map(|value| value.as_bytes()).unwrap_or_default();
            let content: ContentDto = serde_json::from_slice(shown).map_err(|source| ClientError::Json { source })?;
            begun(&content);
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|source| ClientError::Body { reason: source.to_string() })?;
                let Ok(data) = frame.into_data() else { continue };
                out.write_all(&data).await.map_err(|source| ClientError::Sink { source })?;
                got(data.len());
            }
            out.flush().await.map_err(|source| ClientError::Sink { source })?;
            Ok(content)
        })
        .await
    }

    /// Sends a request and reads its answer as a stream, without a bound on how long that takes: while bytes flow it is
    /// well, and a node that is gone closes its socket.
    pub(super) async fn stream<B, T>(
        &self,
        request: Request<B>,
        answer: impl AsyncFnOnce(Response<Incoming>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError>
    where
        B: Body + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = TokioIo::new(self.connect().await?);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(|source| ClientError::Http { source })?;
        let answered = async move {
            let response = sender.send_request(request).await.map_err(|source| ClientError::Http { source })?;
            answer(response).await
        };
        // The connection ends by itself once the sender is gone, and its error is the answer's error too.
        let (answered, _) = tokio::join!(answered, connection);
        answered
    }

    /// For whom a document would be encrypted, if it may be stored at all.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn content_plan(&self, new: &NewContentDto) -> Result<ContentPlanDto, ClientError> {
        self.get(&with_query("/api/v1/content/plan", new)).await
    }

    /// Lists documents by address.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn contents(&self, filter: &ContentFilterDto) -> Result<ContentsDto, ClientError> {
        self.get(&with_query("/api/v1/content/list", filter)).await
    }

    /// Every version of a document.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn content_versions(&self, ask: &ContentAskDto) -> Result<ContentVersionsDto, ClientError> {
        self.get(&with_query("/api/v1/content/versions", ask)).await
    }

    /// What is known of a document, and what of it is here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn content_status(&self, ask: &ContentAskDto) -> Result<ContentStatusDto, ClientError> {
        self.get(&with_query("/api/v1/content/status", ask)).await
    }

    /// Who holds a document.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn content_providers(&self, ask: &ContentAskDto) -> Result<ContentProvidersDto, ClientError> {
        self.get(&with_query("/api/v1/content/providers", ask)).await
    }

    /// Tells the hash table of a document again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn announce_content(&self, ask: &ContentAskDto) -> Result<ContentAnnouncedDto, ClientError> {
        self.send(Method::POST, "/api/v1/content/announce", ask).await
    }

    /// Removes a document for the whole team.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn remove_content(&self, remove: &ContentRemoveDto) -> Result<ContentRemovedDto, ClientError> {
        self.send(Method::POST, "/api/v1/content/remove", remove).await
    }

    /// What was done with documents since the node started.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn content_metrics(&self) -> Result<ContentMetricsDto, ClientError> {
        self.get("/api/v1/content/metrics").await
    }

    /// Drops what is too old from the cache.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn clean_content_cache(&self) -> Result<ContentCleanedDto, ClientError> {
        self.send(Method::POST, "/api/v1/content/cleanup", &()).await
    }

    /// Secret keys of a role, for the age command.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn role_key(&self, ask: &RoleKeyAskDto) -> Result<RoleKeyDto, ClientError> {
        self.send(Method::POST, "/api/v1/team/role-key", ask).await
    }
}

/// Reads a document part by part, for as long as somebody takes them.
async fn feed(
    mut plain: impl AsyncRead + Unpin,
    parts: mpsc::Sender<Part>,
    sent: impl Fn(usize),
) -> Result<(), ClientError> {
    loop {
        let mut part = vec![0; PART_BYTES];
        let bytes = match plain.read(&mut part).await {
            Ok(0) => return Ok(()),
            Ok(bytes) => bytes,
            Err(source) => {
                // The request must not look complete.
                drop(parts.send(Err(io::Error::from(source.kind()))).await);
                return Err(ClientError::Source { source });
            }
        };
        part.truncate(bytes);
        if parts.send(Ok(Frame::data(part.into()))).await.is_err() {
            return Ok(());
        }
        sent(bytes);
    }
}
