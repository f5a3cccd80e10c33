//! Messages between the documented shapes and the node's values.

use antiphon_core::fact::escape;
use antiphon_core::letter::Reference;
use antiphon_node::{Addressee, Inbox, InboxQuery, MessageDraft, MessageShown};

use crate::dto::{MessageDto, MessageFilterDto, MessageReceiverDto, MessagesDto, NewMessageDto};
use crate::error::{Code, Problem};
use crate::time::rfc3339;

/// Messages on a page when nobody says how many.
const PAGE_DEFAULT: usize = 50;

/// A message to be sent; what it points to was read before.
pub(crate) fn message_of(dto: NewMessageDto, refs: Vec<Reference>) -> Result<MessageDraft, Problem> {
    let NewMessageDto { to, role, text, reply_to, agent, escape: visibly, idempotency_key: key, .. } = dto;
    let to = match (to, role) {
        (Some(peer), None) => Addressee::Peer(peer),
        (None, Some(role)) => Addressee::Role(role),
        (None, None) if reply_to.is_some() => Addressee::Back,
        (None, None) => {
            return Err(Problem::new(Code::Invalid, "nobody is named to send it to")
                .hint("name a member, a role, or the message it answers: antiphon send PEER TEXT"));
        }
        (Some(_), Some(_)) => {
            return Err(Problem::new(Code::Invalid, "a message goes to a member or to a role, not to both")
                .hint("name one of them: antiphon send --role ROLE TEXT"));
        }
    };
    let text = if visibly { escape(&text) } else { text };
    Ok(MessageDraft { to, text, refs, reply_to, agent, key })
}

/// Which messages to list.
pub(crate) fn inbox_of(dto: MessageFilterDto) -> InboxQuery {
    InboxQuery {
        sent: dto.sent.unwrap_or(false),
        unread: dto.unread.unwrap_or(false),
        thread: dto.thread,
        words: dto.search,
        before: dto.before,
        after: dto.after,
        limit: dto.limit.unwrap_or(PAGE_DEFAULT),
    }
}

/// Messages; `newer` says whether those after a number were asked for.
pub(crate) fn messages(inbox: Inbox, newer: bool) -> MessagesDto {
    let messages: Vec<MessageDto> = inbox.messages.into_iter().map(message).collect();
    let end = if newer { messages.last() } else { messages.first() };
    let next = end.filter(|_| inbox.more).map(|message| message.number);
    let counts = inbox.counts;
    MessagesDto { next, messages, received: counts.received, unread: counts.unread, sent: counts.sent }
}

/// One message.
pub(crate) fn message(shown: MessageShown) -> MessageDto {
    let delivery = shown.delivery().map(|delivery| delivery.name().to_owned());
    let MessageShown { message, from_name, receivers } = shown;
    let (role, agent, text, refs) = match message.kept {
        Some(kept) => (kept.role, kept.agent, Some(kept.text), kept.refs),
        None => (None, None, None, Vec::new()),
    };
    let receivers = receivers.into_iter().map(|(receiver, name)| MessageReceiverDto {
        peer_id: receiver.node.to_string(),
        name,
        state: receiver.state.name().to_owned(),
        reason: receiver.state.reason().map(str::to_owned),
        item: receiver.item.filter(|_| receiver.delivered_at.is_none()),
        delivered_at: receiver.delivered_at.map(rfc3339),
        read_at: receiver.read_at.map(rfc3339),
    });
    MessageDto {
        id: message.id.to_string(),
        number: message.n,
        thread: message.thread.to_string(),
        reply_to: message.reply_to.map(|id| id.to_string()),
        from: message.from.to_string(),
        from_name,
        sent: message.sent,
        role,
        agent,
        at: rfc3339(message.at),
        came_at: rfc3339(message.came_at),
        read: message.read_at.is_some(),
        read_at: message.read_at.map(rfc3339),
        text,
        refs: refs.iter().map(ToString::to_string).collect(),
        delivery,
        receivers: receivers.collect(),
    }
}
