//! Calls that carry facts out.

use std::io;

use http_body_util::{BodyExt, Empty};
use hyper::Method;
use hyper::body::Bytes;

use super::calls::with_query;
use super::{Client, ClientError, collect, read, request};
use crate::dto::{ExportAskDto, KnownAskDto, KnownDto};

/// Longest line of an export, in bytes: a fact has less than 64 KiB, and in JSON a byte can become six.
const LINE_BYTES_MAX: usize = 1024 * 1024;

impl Client {
    /// Exports facts; `take` gets every line without its end, in order.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Sink`] with whatever `take` fails with.
    pub async fn export(
        &self,
        ask: &ExportAskDto,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), ClientError> {
        let get = request(Method::GET, &with_query("/api/v1/export", ask)).body(Empty::<Bytes>::new());
        let get = get.map_err(|source| ClientError::Request { source })?;
        self.stream(get, async |response| {
            if !response.status().is_success() {
                let (status, bytes) = collect(response).await?;
                return read::<()>(status, &bytes);
            }
            let mut body = response.into_body();
            let mut begun = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|source| ClientError::Body { reason: source.to_string() })?;
                let Ok(data) = frame.into_data() else { continue };
                for part in data.split_inclusive(|byte| *byte == b'\n') {
                    begun.extend_from_slice(part);
                    if let Some(line) = begun.strip_suffix(b"\n") {
                        take(line).map_err(|source| ClientError::Sink { source })?;
                        begun.clear();
                    }
                    if begun.len() > LINE_BYTES_MAX {
                        let reason = format!("a line of the answer has more than {LINE_BYTES_MAX} bytes");
                        return Err(ClientError::Body { reason });
                    }
                }
            }
            Ok(())
        })
        .await
    }

    /// Which of these facts are there.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn known(&self, ids: Vec<String>) -> Result<KnownDto, ClientError> {
        self.send(Method::POST, "/api/v1/facts/known", &KnownAskDto { ids }).await
    }
}
