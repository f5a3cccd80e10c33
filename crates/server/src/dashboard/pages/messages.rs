//! Messages between the agents and people of a team, and how far each has come.

use antiphon_core::time::UnixMillis;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;

use crate::dashboard::Dash;
use crate::dashboard::flash::{Done, Flash};
use crate::dashboard::page::{Form, Page, Query, Sent, Shown, Tab, given};
use crate::dashboard::say::{Tag, Tone, When, called, link, many, number, plain};
use crate::dashboard::session::Visitor;
use crate::dto::{
    DeleteMessagesDto, MarkReadDto, MessageDto, MessageFilterDto, MessageReceiverDto, MessagesDto, NewMessageDto,
};
use crate::error::Problem;

/// Messages on one page.
const MESSAGES_PER_PAGE: usize = 50;

/// The page about messages.
pub(super) fn routes() -> Router<Dash> {
    Router::new()
        .route("/messages", get(list))
        .route("/messages/send", post(send))
        .route("/messages/read", post(mark_read))
        .route("/messages/delete", post(delete))
}

/// Which messages are listed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Filter {
    /// `sent`, `unread`, or nothing for those that came.
    show: String,
    thread: String,
    search: String,
    before: Option<u64>,
}

impl Filter {
    fn dto(&self) -> MessageFilterDto {
        MessageFilterDto {
            sent: (self.show == "sent").then_some(true),
            unread: (self.show == "unread").then_some(true),
            thread: given(&self.thread),
            search: given(&self.search),
            before: self.before,
            limit: Some(MESSAGES_PER_PAGE),
            ..MessageFilterDto::default()
        }
    }

    fn before(&self, before: u64) -> String {
        let query = [("show", self.show.as_str()), ("thread", &self.thread), ("search", &self.search)];
        let before = before.to_string();
        link("/messages", &[query[0], query[1], query[2], ("before", &before)])
    }
}

/// A link to some of the messages.
struct Kind {
    name: &'static str,
    href: &'static str,
    here: bool,
}

/// A member that can be written to.
struct Member {
    id: String,
    name: String,
}

#[derive(Template)]
#[template(path = "messages.html")]
struct View {
    csrf: String,
    heading: String,
    words: String,
    tabs: [Kind; 3],
    unread: u64,
    search: String,
    filtered: bool,
    shown: Vec<Entry>,
    next: Option<String>,
    members: Vec<Member>,
    roles: Vec<String>,
}

async fn list(State(dash): State<Dash>, visitor: Visitor, Query(filter): Query<Filter>) -> Shown {
    let now = dash.now();
    let page = dash.messages(filter.dto()).await?;
    let (team, roles) = (dash.members().await?, dash.roles().await?);
    let others = team.members.into_iter().filter(|member| !member.own);
    let members: Vec<Member> =
        others.map(|member| Member { name: called(&member.name, &member.peer_id), id: member.peer_id }).collect();
    let kind = |name, href, show: &str| Kind { name, href, here: filter.thread.is_empty() && filter.show == show };
    let heading = match (filter.thread.is_empty(), filter.show.as_str()) {
        (false, _) => "Conversation",
        (_, "sent") => "Sent from here",
        (_, "unread") => "Unread",
        _ => "Inbox",
    };
    let mut messages = page.messages.clone();
    // A conversation is read from its beginning, a list from what is new.
    if filter.thread.is_empty() {
        messages.reverse();
    }
    let view = View {
        csrf: visitor.csrf(),
        heading: heading.to_owned(),
        words: words(&page),
        tabs: [
            kind("Inbox", "/messages", ""),
            kind("Unread", "/messages?show=unread", "unread"),
            kind("Sent", "/messages?show=sent", "sent"),
        ],
        unread: page.unread,
        filtered: given(&filter.search).is_some() || filter.show == "unread" || filter.before.is_some(),
        search: filter.search.clone(),
        shown: messages.into_iter().map(|message| Entry::of(message, now)).collect(),
        next: page.next.map(|before| filter.before(before)),
        roles: if members.is_empty() { Vec::new() } else { roles.roles.into_iter().map(|role| role.name).collect() },
        members,
    };
    let heading = match page.unread {
        0 => "No unread messages".to_owned(),
        unread => many(unread, "unread message", "unread messages"),
    };
    Ok(Page::new(Tab::Messages, "Messages", &view)?.heading(heading).says("from members and their agents"))
}

/// A message to be sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Letter {
    /// `peer:` or `role:`, with the id or the name.
    to: String,
    reply_to: String,
    text: String,
}

async fn send(State(dash): State<Dash>, Form(letter): Form<Letter>) -> Sent {
    let (to, role) = match letter.to.split_once(':') {
        Some(("peer", peer)) => (Some(peer.to_owned()), None),
        Some(("role", role)) => (None, Some(role.to_owned())),
        _ if !letter.reply_to.is_empty() => (None, None),
        _ => return Err(Problem::bad_value("to", &letter.to, "choose a member or a role").into()),
    };
    // A browser sends a line's end as two characters.
    let text = letter.text.replace("\r\n", "\n");
    let message = NewMessageDto { to, role, text, reply_to: given(&letter.reply_to), ..NewMessageDto::default() };
    let sent = dash.send_message(message).await?;
    let receivers = many(sent.receivers.len() as u64, "receiver", "receivers");
    let said = match sent.delivery.as_deref() {
        Some("delivered" | "read") => "Sent and delivered.".to_owned(),
        _ => format!("Sent to {receivers}; it is delivered as soon as they can be reached."),
    };
    Ok(Done::at("/messages?show=sent").saying(Flash::done(said)))
}

/// Which messages.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Which {
    id: String,
    all: String,
}

async fn mark_read(State(dash): State<Dash>, Form(which): Form<Which>) -> Sent {
    let ids = given(&which.id).into_iter().collect();
    let read = dash.mark_read(MarkReadDto { ids, all: which.all == "yes" }).await?;
    let said = format!("{} read.", many(read.read.len() as u64, "message is", "messages are"));
    Ok(Done::at("/messages").saying(Flash::done(said)))
}

async fn delete(State(dash): State<Dash>, Form(which): Form<Which>) -> Sent {
    let deleted = dash.delete_messages(DeleteMessagesDto { ids: given(&which.id).into_iter().collect() }).await?;
    let flash = if deleted.waiting.is_empty() {
        Flash::done("The message is gone from this node.")
    } else {
        Flash::partly("The message stays: it still waits for a receiver. Drop it in the outbox first.")
    };
    Ok(Done::at("/messages").saying(flash))
}

/// A message in the list.
#[derive(Debug, Clone)]
struct Entry {
    id: String,
    from: String,
    to: String,
    agent: String,
    at: When,
    text: Option<String>,
    refs: Vec<Pointer>,
    state: Option<Tag>,
    receivers: Vec<Receiver>,
    sent: bool,
    thread: String,
    answers: bool,
}

/// What a message points to.
#[derive(Debug, Clone)]
struct Pointer {
    href: String,
    text: String,
}

/// One of several receivers.
#[derive(Debug, Clone)]
struct Receiver {
    name: String,
    state: Tag,
    at: Option<When>,
    cure: Option<String>,
}

impl Entry {
    fn of(message: MessageDto, now: UnixMillis) -> Self {
        let receivers: Vec<Receiver> = message.receivers.iter().map(|one| Receiver::of(one, now)).collect();
        let names: Vec<&str> = receivers.iter().map(|receiver| receiver.name.as_str()).collect();
        let to = match (&message.role, message.sent) {
            (Some(role), _) => format!("everybody of {role}"),
            (None, true) => names.join(", "),
            (None, false) => "this node".to_owned(),
        };
        let state = match (message.sent, &message.delivery) {
            (true, Some(delivery)) => Some(state(delivery)),
            (false, _) if !message.read => Some(Tag::new(Tone::Info, "unread")),
            _ => None,
        };
        Self {
            from: if message.sent { "this node".to_owned() } else { called(&message.from_name, &message.from) },
            to,
            agent: message.agent.unwrap_or_default(),
            at: When::of(&message.at, now),
            text: message.text,
            refs: message.refs.into_iter().map(Pointer::of).collect(),
            state,
            receivers,
            sent: message.sent,
            thread: link("/messages", &[("thread", &message.thread)]),
            answers: message.reply_to.is_some(),
            id: message.id,
        }
    }
}

impl Pointer {
    fn of(text: String) -> Self {
        let href = if text.starts_with("ucxl://") {
            link("/content/document", &[("address", &text)])
        } else {
            format!("/facts/{text}")
        };
        Self { href, text }
    }
}

impl Receiver {
    fn of(receiver: &MessageReceiverDto, now: UnixMillis) -> Self {
        let name = called(&receiver.name, &receiver.peer_id);
        let at = receiver.read_at.as_ref().or(receiver.delivered_at.as_ref());
        let waits = receiver.read_at.is_none() && receiver.delivered_at.is_none();
        Self {
            state: state(&receiver.state),
            at: When::maybe(at, now),
            cure: (waits && receiver.state != "dropped").then(|| format!("antiphon why {name}")),
            name,
        }
    }
}

/// How far a message has come.
fn state(delivery: &str) -> Tag {
    let tone = match delivery {
        "read" | "delivered" => Tone::Ok,
        "queued" => Tone::Warn,
        "refused" | "broken" => Tone::Bad,
        _ => Tone::Plain,
    };
    Tag::new(tone, plain(delivery))
}

/// How many there are, in a sentence.
fn words(page: &MessagesDto) -> String {
    if page.received + page.sent == 0 {
        return "No message has come or gone yet.".to_owned();
    }
    let came = many(page.received, "message", "messages");
    format!("{came} came, {} of them unread; {} were sent from here.", number(page.unread), number(page.sent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_how_far_it_has_come_and_what_helps() {
        let now = UnixMillis(1_700_000_000_000);
        let receiver = |name: &str, state: &str, at: Option<&str>| MessageReceiverDto {
            name: name.into(),
            state: state.into(),
            delivered_at: at.map(str::to_owned),
            ..MessageReceiverDto::default()
        };
        let message = MessageDto {
            sent: true,
            delivery: Some("queued".into()),
            receivers: vec![
                receiver("bob", "delivered", Some("2023-11-14T22:00:00Z")),
                receiver("eve", "queued", None),
            ],
            refs: vec!["ucxl://a/b/c/d/e".into(), "01X".into()],
            ..MessageDto::default()
        };
        let shown = Entry::of(message, now);
        assert_eq!((shown.to.as_str(), shown.receivers[0].cure.clone()), ("bob, eve", None));
        assert_eq!(shown.receivers[1].cure.as_deref(), Some("antiphon why eve"));
        assert!(shown.state.unwrap().to_string().contains("warn\">queued"));
        assert_eq!(shown.refs[1].href, "/facts/01X");
    }

    #[test]
    fn an_empty_inbox_says_so() {
        assert!(words(&MessagesDto::default()).starts_with("No message"));
        let page = MessagesDto { received: 1, sent: 1_200, ..MessagesDto::default() };
        assert_eq!(words(&page), "1 message came, 0 of them unread; 1,200 were sent from here.");
    }
}
