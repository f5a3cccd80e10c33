//! Messages between agents on real nodes: they wait, arrive, are read, and are refused.

use crate::common::{Machine, config, team_of_two, until};
use antiphon_core::ids::{MessageId, NodeId};
use antiphon_core::letter::{Letter, ReadNotice};
use antiphon_core::outbox::{Bounds, Level, Outgoing, Protocol, Subject};
use antiphon_core::time::UnixMillis;
use antiphon_node::{Addressee, Error, InboxQuery, MessageDraft, MessageShown, Node, OutboxFilter, Trust, WipeKind};
use antiphon_store::{Db, Options};
use antiphon_vault::{NodeKey, OutboxKey, file, seal_to};

fn draft(to: Addressee, text: &str) -> MessageDraft {
    MessageDraft {
        to,
        text: text.to_owned(),
        refs: Vec::new(),
        reply_to: None,
        agent: Some("claude".to_owned()),
        key: None,
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_many_times_at_once_under_one_key_is_sent_once() {
    let (mut alice, mut bob) = team_of_two().await;
    alice.trusts("bob", Trust::Verified).await;
    bob.stop().await;
    let named = || MessageDraft { key: Some("k".to_owned()), ..draft(to("bob"), "once") };
    let ids = futures::future::join_all((0..8).map(|_| alice.sends(named()))).await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let waiting = alice.handle.outbox(OutboxFilter::default(), 100).await.unwrap().items;
    let letters = waiting.iter().filter(|item| item.protocol == Some(Protocol::MESSAGE)).count();
    assert_eq!(letters, 1, "what was second left nothing in the outbox: {waiting:?}");
    alice.stop().await;
    alice.start_again().await;
    assert_eq!(alice.sends(named()).await, ids[0]);
    bob.start_again().await;
    bob.gets("once").await;
    assert_eq!(bob.list(InboxQuery::default()).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bob_is_told_when_a_message_comes_and_deletes_it() {
    let (alice, bob) = team_of_two().await;
    alice.trusts("bob", Trust::Verified).await;
    let mut letters = bob.handle.letters();
    let id = alice.sends(draft(to("bob"), "the retry is done")).await;
    letters.changed().await.unwrap();
    assert_eq!(bob.unread().await, ["the retry is done"], "it is there when bob is told");
    let inbox =
        async || bob.handle.wipe_check().await.unwrap().items.into_iter().find(|item| item.kind == WipeKind::Inbox);
    let item = inbox().await.unwrap();
    assert_eq!((item.loses, item.count), (true, 1), "{}", item.what);
    bob.handle.read_messages(std::slice::from_ref(&id)).await.unwrap();
    assert!(!inbox().await.unwrap().loses);
    let (gone, waiting) = bob.handle.delete_messages(&[id[..20].to_owned()]).await.unwrap();
    assert_eq!((gone.len(), waiting.len()), (1, 0));
    assert!(bob.list(InboxQuery::default()).await.is_empty() && inbox().await.is_none());
    assert!(matches!(bob.handle.delete_messages(&[id]).await, Err(Error::MessageNotFound(_))));
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

/// Puts items into the outbox of a machine that is off, as somebody does who has changed the program.
fn forge(machine: &Machine, items: &[Outgoing]) {
    let home = machine.dir.path().join("home");
    let key = file::load(&home.join("node.key")).unwrap();
    let mut db = Db::open(&home, Options::default(), None).unwrap();
    db.begin_era(4_711, UnixMillis(1)).unwrap();
    let sealer = OutboxKey::derive(&key).unwrap();
    db.enqueue(items, Level::Critical, &sealer, &Bounds::default(), UnixMillis(1)).unwrap();
}

fn key_of(machine: &Machine) -> NodeKey {
    file::load(&machine.dir.path().join("home/node.key")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_eve_forges_is_refused_with_its_reason_and_holds_up_nothing() {
    let (alice, mut eve) = (Machine::start("alice").await, Machine::start("eve").await);
    let bob = Machine::start("bob").await;
    eve.joins_as(&alice, "qa_engineer").await;
    bob.joins_as(&alice, "qa_engineer").await;
    alice.trusts("eve", Trust::Verified).await;
    let team = alice.handle.status().await.unwrap().team.id;
    eve.stop().await;
    let (hers, alices, bobs) = (key_of(&eve), key_of(&alice), key_of(&bob));
    let to = alices.node_id();
    let letter = |from: NodeId, to: NodeId, n: u8| {
        let id = MessageId::of_author(&from, UnixMillis(1), [n; 4]);
        let (thread, reply_to, role, agent, refs) = (id, None, None, None, Vec::new());
        let text = "obey me".to_owned();
        Letter { team, id, thread, reply_to, from, to, role, at: UnixMillis(u64::MAX), agent, text, refs }
    };
    let item = |schema: u16, body: Vec<u8>| Outgoing {
        peer: to,
        protocol: Protocol::MESSAGE,
        schema,
        subject: Subject([0; 16]),
        body,
    };
    let sealed = |bytes: &[u8]| seal_to(&alices.age_recipient(), bytes).unwrap();
    let bobs_own = letter(bobs.node_id(), to, 1).sign(&bobs).unwrap();
    let for_bob = letter(hers.node_id(), bobs.node_id(), 2).sign(&hers).unwrap();
    let in_his_name = letter(bobs.node_id(), to, 3).sign(&hers).unwrap();
    let good = letter(hers.node_id(), to, 4).sign(&hers).unwrap();
    let notice = |from: NodeId| ReadNotice { team, from, to, at: UnixMillis(1), ids: vec![MessageId([7; 16])] };
    let his_notice = notice(bobs.node_id()).sign(&bobs).unwrap();
    let not_hers = seal_to(&bobs.age_recipient(), &good.encode()).unwrap();
    forge(
        &eve,
        &[
            item(1, b"no seal at all".to_vec()),
            item(1, not_hers),
            item(1, sealed(b"junk")),
            item(1, sealed(&bobs_own.encode())),
            item(1, sealed(&for_bob.encode())),
            item(1, sealed(&in_his_name.encode())),
            item(2, sealed(&good.encode())),
            item(2, sealed(&his_notice.encode())),
            item(3, sealed(&good.encode())),
            item(2, sealed(&notice(hers.node_id()).sign(&hers).unwrap().encode())),
            item(1, sealed(&good.encode())),
        ],
    );
    eve.start_again().await;
    alice.gets("obey me").await;
    assert_eq!(alice.list(InboxQuery::default()).await.len(), 1);
    let stuck = async || {
        let page = eve.handle.outbox(OutboxFilter::default(), 100).await.unwrap();
        page.items.into_iter().map(|item| item.reason.unwrap_or_default()).collect::<Vec<_>>()
    };
    until("everything else is refused", async || stuck().await.len() == REFUSED.len()).await;
    let mut reasons = stuck().await;
    reasons.sort();
    assert_eq!(reasons, REFUSED);
}

/// What becomes of eve's forgeries.
const REFUSED: [&str; 9] = [
    "malformed_message",
    "malformed_message",
    "message_by_another_node",
    "message_by_another_node",
    "message_by_another_node",
    "message_for_another_node",
    "message_not_sealed_to_us",
    "message_not_sealed_to_us",
    "not_understood",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_full_outbox_takes_no_message_and_a_message_is_read_all_the_same() {
    let (mut alice, mut bob) = team_of_two().await;
    bob.trusts("alice", Trust::Verified).await;
    let id = bob.sends(draft(to("alice"), "hello")).await;
    alice.gets("hello").await;
    bob.stop().await;
    alice.stop().await;
    let mut small = config(&alice.dir, "alice");
    small.outbox.bounds.items_per_peer = 1;
    let node = Node::start(small).await.unwrap();
    (alice.handle, alice.node) = (node.handle(), Some(node));
    let first = alice.sends(draft(to("bob"), "one")).await;
    let full = alice.handle.send_message(draft(to("bob"), "two")).await.unwrap_err();
    assert!(matches!(&full, Error::Store(error) if error.outbox_full().is_some()), "{full}");
    let sent = alice.list(InboxQuery { sent: true, ..InboxQuery::default() }).await;
    assert_eq!(sent.iter().map(|one| one.message.id.to_string()).collect::<Vec<_>>(), [first]);
    assert_eq!(alice.handle.read_messages(&[id]).await.unwrap().len(), 1);
    assert!(alice.unread().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_messages_are_not_kept_on_disk_only_the_reader_tells_how_far_they_came() {
    let (mut alice, bob) = team_of_two().await;
    alice.stop().await;
    let mut light = config(&alice.dir, "alice");
    light.outbox.levels.set("message", "moderate").unwrap();
    let node = Node::start(light).await.unwrap();
    (alice.handle, alice.node) = (node.handle(), Some(node));
    alice.trusts("bob", Trust::Verified).await;
    let id = alice.sends(draft(to("bob"), "by the way")).await;
    assert_eq!(alice.handle.message(&id).await.unwrap().delivery().unwrap().name(), "sent");
    bob.gets("by the way").await;
    bob.handle.read_all_messages().await.unwrap();
    alice.sees_delivery(&id, "read").await;
}
