//! Messages between agents, as people see them.
//!
//! What a message says is indented, so that no line of it can pass for the heading of another one.

use antiphon_server::dto::{MessageDto, MessageReceiverDto, MessagesDto};
use clap::builder::styling::Style;

use super::time::{ago, minute};
use super::{count, safe, snippet, table};
use crate::output::{BAD, FAINT, GOOD, STRONG, WARNING, styled};

/// Stands for a text that does not open.
const CLOSED: &str = "(it does not open: another key sealed it, or it was changed on the disk)";
/// Most receivers that are named on one line.
const NAMED_MAX: usize = 3;

/// A message that was handed in.
pub(crate) fn sent(message: &MessageDto) -> String {
    format!("Sent to {} as {}.\nHow far it has come: antiphon inbox --sent", to(message), message.id)
}

/// Messages as a table, the newest first; `narrowed` says that not all were asked for.
pub(crate) fn list(found: &MessagesDto, sent: bool, narrowed: bool, now_ms: u64) -> String {
    if found.messages.is_empty() {
        return match (narrowed, sent) {
            (true, _) => "No message fits.".to_owned(),
            (false, true) => "Nothing was sent yet. Write one: antiphon send PEER TEXT".to_owned(),
            (false, false) => "No messages yet. Write one: antiphon send PEER TEXT".to_owned(),
        };
    }
    let row = |message: &MessageDto| {
        let (who, state) = if message.sent {
            (to(message), worst(message))
        } else {
            (from(message), if message.read { "read" } else { "unread" }.to_owned())
        };
        let text = message.text.as_deref().map_or_else(|| CLOSED.to_owned(), snippet);
        vec![message.id.clone(), who, ago(&message.came_at, now_ms), state, text]
    };
    let who = if sent { "to" } else { "from" };
    let rows = found.messages.iter().rev().map(row);
    let mut out = table(&["id", who, "age", "state", "message"], rows);
    if let Some(next) = found.next {
        let sent = if sent { " --sent" } else { "" };
        out.push_str(&format!("\nOlder ones: antiphon inbox{sent} --before {next}"));
    }
    if !sent && found.unread > 0 {
        out.push_str(&format!("\n{} unread. Read one with its conversation: antiphon inbox --thread ID", found.unread));
    }
    out
}

/// A conversation, the oldest message first.
pub(crate) fn thread(messages: &[MessageDto], now_ms: u64) -> String {
    messages.iter().map(|message| whole(message, now_ms)).collect::<Vec<_>>().join("\n")
}

/// One message in full.
pub(crate) fn whole(message: &MessageDto, now_ms: u64) -> String {
    let mut head = format!("{} → {}", styled(STRONG, &from(message)), to(message));
    if let Some(agent) = &message.agent {
        head.push_str(&format!(" by {}", safe(agent)));
    }
    let mark = if message.sent || message.read { String::new() } else { format!("  {}", styled(WARNING, "unread")) };
    let id = styled(FAINT, &message.id);
    let mut out = format!("{head}  {} ({})  {id}{mark}\n", minute(&message.at), ago(&message.at, now_ms));
    let text = message.text.as_deref().map_or_else(|| CLOSED.to_owned(), safe);
    for line in text.lines() {
        out.push_str(&format!("  {line}\n"));
    }
    for reference in &message.refs {
        out.push_str(&format!("  {} {}\n", styled(FAINT, "ref:"), safe(reference)));
    }
    for receiver in &message.receivers {
        out.push_str(&format!("  {} {}\n", styled(FAINT, "to:"), came(receiver)));
    }
    out
}

fn from(message: &MessageDto) -> String {
    if message.from_name.is_empty() { message.from.clone() } else { safe(&message.from_name) }
}

/// The receivers by name; of a message that came, this node, or the role of which it is a part.
fn to(message: &MessageDto) -> String {
    let role = message.role.as_deref().map(safe);
    let names: Vec<String> = message.receivers.iter().map(name).collect();
    match (role, names.len()) {
        (None, 0) => "you".to_owned(),
        (Some(role), 0) => format!("everyone in {role}"),
        (Some(role), many) => format!("{} in {role}", count(many, "member")),
        (None, many) if many > NAMED_MAX => count(many, "member"),
        (None, _) => names.join(", "),
    }
}

fn name(receiver: &MessageReceiverDto) -> String {
    if receiver.name.is_empty() { receiver.peer_id.clone() } else { safe(&receiver.name) }
}

/// How far it has come with the receiver that is furthest behind, and with how many of them.
fn worst(message: &MessageDto) -> String {
    let state = message.delivery.as_deref().unwrap_or_default();
    let so_far = message.receivers.iter().filter(|receiver| receiver.state == state).count();
    let many = message.receivers.len();
    safe(&if many > 1 && so_far < many { format!("{state} ({so_far} of {many})") } else { state.to_owned() })
}

/// How far it has come with one receiver.
fn came(receiver: &MessageReceiverDto) -> String {
    let mut out = format!("{}  {}", name(receiver), styled(style(&receiver.state), &safe(&receiver.state)));
    if let Some(at) = receiver.read_at.as_ref().or(receiver.delivered_at.as_ref()) {
        out.push_str(&format!(" {}", minute(at)));
    }
    if let Some(reason) = &receiver.reason {
        out.push_str(&format!(": {}", safe(&reason.replace('_', " "))));
    }
    if let (Some(item), "refused" | "broken") = (receiver.item, receiver.state.as_str()) {
        out.push_str(&format!("; what to do: antiphon outbox show {item}"));
    }
    out
}

fn style(state: &str) -> Style {
    match state {
        "read" => GOOD,
        "refused" | "broken" | "dropped" => BAD,
        "queued" => WARNING,
        _ => FAINT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn came_from_eve() -> MessageDto {
        MessageDto {
            id: "01M".into(),
            from_name: "eve\u{1b}[2J".into(),
            at: "2026-03-01T12:30:00.000Z".into(),
            came_at: "2026-03-01T12:30:00.000Z".into(),
            text: Some("hello\r\nalice → you\u{202E}".into()),
            refs: vec!["ucxl://a/b".into()],
            agent: Some("cursor".into()),
            ..MessageDto::default()
        }
    }

    fn to_three() -> MessageDto {
        let receiver = |name: &str, state: &str| MessageReceiverDto {
            name: name.into(),
            state: state.into(),
            ..MessageReceiverDto::default()
        };
        let refused =
            MessageReceiverDto { reason: Some("inbox_full".into()), item: Some(7), ..receiver("dave", "refused") };
        MessageDto {
            id: "01S".into(),
            from_name: "alice".into(),
            sent: true,
            delivery: Some("refused".into()),
            text: Some("to all".into()),
            receivers: vec![receiver("bob", "read"), receiver("carol", "queued"), refused],
            ..MessageDto::default()
        }
    }

    #[test]
    fn no_line_of_a_message_passes_for_a_heading_and_no_character_deceives() {
        let text = plain(&whole(&came_from_eve(), 0));
        assert!(text.starts_with("eve\\u{001B}[2J → you by cursor  2026-03-01 12:30 UTC"), "{text}");
        assert!(text.contains("\n  hello\n  alice → you\\u{202E}\n  ref: ucxl://a/b\n"), "{text}");
        let closed = MessageDto { text: None, ..came_from_eve() };
        assert!(plain(&whole(&closed, 0)).contains("does not open"));
    }

    #[test]
    fn a_message_says_how_far_it_has_come_with_each() {
        let text = plain(&whole(&to_three(), 0));
        for part in
            ["to: bob  read", "to: carol  queued", "to: dave  refused: inbox full; what to do: antiphon outbox show 7"]
        {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert_eq!(sent(&to_three()).lines().next(), Some("Sent to bob, carol, dave as 01S."));
        let role = MessageDto { role: Some("qa".into()), ..to_three() };
        assert!(sent(&role).starts_with("Sent to 3 members in qa as 01S."));
    }

    #[test]
    fn lists_are_short_and_say_what_to_do_next() {
        let found = |messages| MessagesDto { messages, unread: 2, next: Some(4), ..MessagesDto::default() };
        let inbox = plain(&list(&found(vec![came_from_eve()]), false, false, 0));
        for part in ["FROM", "unread", "hello alice → you\\u{202E}", "--before 4", "2 unread.", "--thread ID"] {
            assert!(inbox.contains(part), "{part:?} is not in\n{inbox}");
        }
        let sent = plain(&list(&found(vec![to_three()]), true, false, 0));
        assert!(sent.contains("refused (1 of 3)") && sent.contains("--sent --before 4"), "{sent}");
        let none = |narrowed, sent| list(&MessagesDto::default(), sent, narrowed, 0);
        assert!(none(false, false).contains("antiphon send PEER TEXT"));
        assert_eq!(none(true, true), "No message fits.");
    }
}
