//! The holder's side: keeping for members what only they can read.

use antiphon_core::ids::NodeId;
use antiphon_protocol::backup::{Kept, PARTS_PER_OWNER_MAX, Refusal, Request, Response, Span};
use antiphon_store::{CopyLimits, CopyPart, Keeping, Store};

use crate::api::{COPY_BYTES_MAX, COPY_BYTES_PER_OWNER_MAX};
use crate::clock::now;

/// How much is kept when `owner_bytes` may be kept for one owner.
pub(super) fn limits(owner_bytes: u64) -> CopyLimits {
    CopyLimits { owner_bytes, total_bytes: COPY_BYTES_MAX, owner_parts: PARTS_PER_OWNER_MAX }
}

/// The usual quota.
pub(crate) const QUOTA_BYTES: u64 = COPY_BYTES_PER_OWNER_MAX;

/// Does what `owner` asks, whose key the channel has proven, and says so.
pub(super) async fn answer(store: &Store, owner: NodeId, request: &[u8], quota_bytes: u64) -> Response {
    let Ok(request) = Request::decode(request) else { return Response::Refused(Refusal::Malformed) };
    let done = match request {
        Request::Put { span, sealed } => put(store, owner, span, sealed, quota_bytes).await,
        Request::List => list(store, owner).await,
        Request::Get { store: of, first } => {
            let found = store.read(move |reader| reader.copy_part(&owner, &of, first)).await;
            found.map(|found| match found {
                Some((last, sealed)) => Response::Part { span: Span { store: of, first, last }, sealed },
                None => Response::Refused(Refusal::NotFound),
            })
        }
        Request::Drop => store.write(move |db| db.drop_copies(&owner)).await.map(Response::Dropped),
    };
    done.unwrap_or_else(|error| {
        tracing::error!(peer = %owner, %error, "a sealed copy could not be read or written");
        Response::Refused(Refusal::Failed)
    })
}

async fn put(
    store: &Store,
    owner: NodeId,
    span: Span,
    sealed: Vec<u8>,
    quota_bytes: u64,
) -> Result<Response, antiphon_store::Error> {
    let (part, limits) = ((span.store, span.first, span.last), limits(quota_bytes));
    let kept = store.write(move |db| db.put_copy(&owner, part, &sealed, limits, now())).await?;
    Ok(match kept {
        Keeping::Kept => Response::Stored,
        Keeping::Full { held, limit } => Response::Refused(Refusal::Full { held, limit }),
        Keeping::TooManyParts => Response::Refused(Refusal::TooManyParts),
        Keeping::NotAMember => Response::Refused(Refusal::NotAMember),
    })
}

async fn list(store: &Store, owner: NodeId) -> Result<Response, antiphon_store::Error> {
    let parts = store.read(move |reader| reader.copy_parts(&owner)).await?;
    let kept = |part: CopyPart| {
        let CopyPart { store, first, last, bytes } = part;
        Kept { span: Span { store, first, last }, bytes }
    };
    Ok(Response::Copies(parts.into_iter().map(kept).collect()))
}
