//! Messages between agents on real nodes: they wait, arrive, are read, and are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use antiphon_node::{Addressee, Error, InboxQuery, MessageDraft, MessageShown, Trust};
use common::{Machine, team_of_two, until};

fn draft(to: Addressee, text: &str) -> MessageDraft {
    MessageDraft { to, text: text.to_owned(), refs: Vec::new(), reply_to: None, agent: Some("claude".to_owned()) }
}

fn to(name: &str) -> Addressee {
    Addressee::Peer(name.to_owned())
}

impl Machine {
    async fn sends(&self, draft: MessageDraft) -> String {
        self.handle.send_message(draft).await.unwrap().message.id.to_string()
    }

    async fn list(&self, query: InboxQuery) -> Vec<MessageShown> {
        self.handle.inbox(InboxQuery { limit: 100, ..query }).await.unwrap().messages
    }

    async fn unread(&self) -> Vec<String> {
        let unread = self.list(InboxQuery { unread: true, ..InboxQuery::default() }).await;
        unread.into_iter().map(|shown| shown.message.kept.unwrap().text).collect()
    }

    /// Waits until a message came.
    async fn gets(&self, text: &str) {
        until(&format!("{} gets {text:?}", self.name), async || self.unread().await.iter().any(|one| one == text))
            .await;
    }

    /// Waits until a message has come so far with everybody.
    async fn sees_delivery(&self, id: &str, state: &str) {
        let seen = async || self.handle.message(id).await.unwrap().delivery().unwrap().name() == state;
        until(&format!("{} sees {id} {state}", self.name), seen).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bob_gets_what_was_written_while_he_was_away_and_alice_sees_that_he_read_it() {
    let (alice, mut bob) = team_of_two().await;
    alice.trusts("bob", Trust::Verified).await;
    bob.stop().await;
    let canary = "quokkazanzibar";
    let text = format!("{canary}: the retry is done");
    let id = alice.sends(draft(to("bob"), &text)).await;
    let waiting = alice.handle.message(&id).await.unwrap();
    assert_eq!(waiting.delivery().unwrap().name(), "queued");
    assert_eq!(waiting.message.kept.unwrap().text, text);
    assert_eq!((waiting.from_name.as_str(), waiting.receivers[0].1.as_str()), ("alice", "bob"));
    for file in walk(alice.dir.path()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        assert!(!bytes.windows(canary.len()).any(|window| window == canary.as_bytes()), "{}", file.display());
    }
    bob.start_again().await;
    bob.gets(&text).await;
    alice.sees_delivery(&id, "delivered").await;
    let [came] = bob.list(InboxQuery::default()).await.try_into().unwrap();
    assert_eq!((came.from_name.as_str(), came.message.kept.unwrap().agent.as_deref()), ("alice", Some("claude")));
    let read = bob.handle.read_messages(std::slice::from_ref(&id)).await.unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(bob.handle.read_messages(std::slice::from_ref(&id)).await.unwrap(), []);
    assert!(bob.unread().await.is_empty());
    alice.sees_delivery(&id, "read").await;
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_stands_in_the_conversation_on_both_sides() {
    let (alice, bob) = team_of_two().await;
    alice.trusts("bob", Trust::Verified).await;
    bob.trusts("alice", Trust::Verified).await;
    let asked = alice.sends(draft(to("bob"), "is the retry done?")).await;
    bob.gets("is the retry done?").await;
    let answer = MessageDraft { reply_to: Some(asked[..26].to_owned()), ..draft(Addressee::Back, "since noon") };
    let answered = bob.sends(answer).await;
    alice.gets("since noon").await;
    let again = MessageDraft { reply_to: Some(answered), ..draft(Addressee::Back, "thanks") };
    let thanks = alice.sends(again).await;
    bob.gets("thanks").await;
    // Who answers an own message writes to whom it went.
    let more = MessageDraft { reply_to: Some(thanks), ..draft(Addressee::Back, "and good night") };
    alice.sends(more).await;
    bob.gets("and good night").await;
    for machine in [&alice, &bob] {
        let thread = machine.list(InboxQuery { thread: Some(asked.clone()), ..InboxQuery::default() }).await;
        let texts: Vec<String> = thread.iter().map(|shown| shown.message.kept.clone().unwrap().text).collect();
        assert_eq!(texts, ["is the retry done?", "since noon", "thanks", "and good night"], "{}", machine.name);
    }
    let found = alice.list(InboxQuery { words: Some("noon".to_owned()), ..InboxQuery::default() }).await;
    assert_eq!(found.len(), 1);
    let read = bob.handle.read_all_messages().await.unwrap();
    assert_eq!(read.len(), 3);
    alice.sees_delivery(&asked, "read").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_every_other_member_that_holds_it() {
    let (alice, bob) = (Machine::start("alice").await, Machine::start("bob").await);
    let carol = Machine::start("carol").await;
    bob.joins_as(&alice, "qa_engineer").await;
    carol.joins_as(&alice, "observer").await;
    alice.trusts("bob", Trust::Verified).await;
    alice.trusts("carol", Trust::Verified).await;
    let role = |name: &str| Addressee::Role(name.to_owned());
    let sent = alice.handle.send_message(draft(role("qa_engineer"), "please test it")).await.unwrap();
    assert_eq!(sent.receivers.len(), 1);
    bob.gets("please test it").await;
    let [came] = bob.list(InboxQuery::default()).await.try_into().unwrap();
    assert_eq!(came.message.kept.unwrap().role.as_deref(), Some("qa_engineer"));
    assert!(carol.unread().await.is_empty());
    let nobody = alice.handle.send_message(draft(role("technical_writer"), "hello?")).await.unwrap_err();
    assert!(matches!(&nobody, Error::NobodyInRole(role) if role == "technical_writer"), "{nobody}");
    let unknown = alice.handle.send_message(draft(role("king"), "hello?")).await.unwrap_err();
    assert!(matches!(unknown, Error::UnknownRole { .. }), "{unknown}");
    let stranger = alice.handle.send_message(draft(to("eve"), "hello?")).await.unwrap_err();
    assert!(matches!(stranger, Error::PeerNotFound(_)), "{stranger}");
    let empty = alice.handle.send_message(draft(to("bob"), " ")).await.unwrap_err();
    assert!(matches!(empty, Error::Message(_)), "{empty}");
    let lost = MessageDraft { reply_to: Some("01ARZ3".to_owned()), ..draft(Addressee::Back, "hm") };
    assert!(matches!(alice.handle.send_message(lost).await.unwrap_err(), Error::MessageNotFound(_)));
    assert_eq!(alice.list(InboxQuery { sent: true, ..InboxQuery::default() }).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_gets_nothing_and_the_message_is_refused() {
    let (alice, mut bob) = team_of_two().await;
    alice.trusts("bob", Trust::Verified).await;
    bob.stop().await;
    let id = alice.sends(draft(to("bob"), "for bob alone")).await;
    let bobs = alice.handle.peer("bob").await.unwrap().peer_id;
    alice.handle.revoke(&bobs.to_string(), "left", false).await.unwrap();
    alice.sees_delivery(&id, "refused").await;
    bob.start_again().await;
    let refused = alice.handle.send_message(draft(to("bob"), "hello?")).await.unwrap_err();
    assert!(matches!(refused, Error::NotAMember(_)), "{refused}");
    assert!(bob.unread().await.is_empty());
    assert_eq!(alice.handle.message(&id).await.unwrap().delivery().unwrap().reason(), Some("revoked"));
}
