//! Messages between agents: sending, listing, reading them.

use std::time::Duration;

use antiphon_core::ids::MessageId;
use antiphon_core::letter::Reference;
use tokio::time::{Instant, timeout_at};

use super::{Service, name_of};
use crate::convert;
use crate::dto::{
    DeleteMessagesDto, DeletedMessagesDto, MarkReadDto, MarkedDto, MessageDto, MessageFilterDto, MessagesDto,
    NewMessageDto,
};
use crate::error::{Code, Problem};

/// Longest wait for a message to come, in milliseconds.
const WAIT_MS_MAX: u64 = 25_000;

impl Service {
    pub(crate) async fn send_message(&self, mut message: NewMessageDto) -> Result<MessageDto, Problem> {
        message.idempotency_key = message.idempotency_key.map(|key| name_of("message", "", &key));
        // Before anything else: what it pointed to may be gone when it is repeated.
        if let Some(key) = &message.idempotency_key
            && let Some(sent) = self.handle.sent_message(key).await?
        {
            return Ok(convert::message(sent));
        }
        let mut refs = Vec::with_capacity(message.refs.len());
        for text in std::mem::take(&mut message.refs) {
            refs.push(self.reference(&text).await?);
        }
        Ok(convert::message(self.handle.send_message(convert::message_of(message, refs)?).await?))
    }

    /// What a text points to. A whole id may name a fact that is not here.
    async fn reference(&self, text: &str) -> Result<Reference, Problem> {
        match text.parse::<Reference>() {
            Ok(reference) => Ok(reference),
            Err(error) if text.contains(':') => Err(Problem::from(&error)),
            Err(_) => Ok(Reference::Fact(self.handle.resolve_fact(text).await?)),
        }
    }

    pub(crate) async fn messages(&self, filter: MessageFilterDto) -> Result<MessagesDto, Problem> {
        let newer = filter.after.is_some();
        let until = Instant::now() + Duration::from_millis(filter.wait_ms.unwrap_or(0).min(WAIT_MS_MAX));
        // Before it is looked, so that none comes in between unnoticed.
        let mut letters = self.handle.letters();
        loop {
            let found = convert::messages(self.handle.inbox(convert::inbox_of(filter.clone())).await?, newer);
            let waits = found.messages.is_empty() && filter.wait_ms.is_some();
            // Time passes, or the node stops: then there is nothing more to wait for.
            if !waits || !matches!(timeout_at(until, letters.changed()).await, Ok(Ok(()))) {
                return Ok(found);
            }
        }
    }

    pub(crate) async fn delete_messages(&self, which: DeleteMessagesDto) -> Result<DeletedMessagesDto, Problem> {
        if which.ids.is_empty() {
            return Err(Problem::new(Code::Invalid, "no message is named")
                .hint("name the messages that are to go: antiphon inbox delete ID"));
        }
        let (gone, waiting) = self.handle.delete_messages(&which.ids).await?;
        let texts = |ids: Vec<MessageId>| ids.iter().map(ToString::to_string).collect();
        Ok(DeletedMessagesDto { deleted: texts(gone), waiting: texts(waiting) })
    }

    pub(crate) async fn message(&self, id: &str) -> Result<MessageDto, Problem> {
        Ok(convert::message(self.handle.message(id).await?))
    }

    pub(crate) async fn mark_read(&self, which: MarkReadDto) -> Result<MarkedDto, Problem> {
        let read = match (which.all, which.ids.is_empty()) {
            (true, _) => self.handle.read_all_messages().await?,
            (false, false) => self.handle.read_messages(&which.ids).await?,
            (false, true) => {
                return Err(Problem::new(Code::Invalid, "no message is named")
                    .hint("name the messages that were read: antiphon inbox --mark-read ID"));
            }
        };
        Ok(MarkedDto { read: read.iter().map(ToString::to_string).collect() })
    }
}
