//! Messages between agents: what comes, what was read, and what waits.

use antiphon_core::ids::{Hash, MessageId, NodeId};
use antiphon_core::letter::{Kept, Letter, ReadNotice, Reference};
use antiphon_core::outbox::{Binding, Bounds, Level, NoRandomness, Outgoing, Place, Protocol, Sealed, Sealer, Subject};
use antiphon_core::time::UnixMillis;
use antiphon_store::{
    Bring, Came, Delivery, Error, MessageBounds, MessageFilter, MessageView, NewMessage, Resolved, Settled, Which,
};

use crate::common::{Machine, NOW, alice, charter_runs, founder, grant, join};

/// Seals with the binding as the key: what is bound to something else does not open.
struct Wax;

impl Wax {
    fn mask(binding: &Binding, body: &[u8]) -> Vec<u8> {
        let key = Hash::of(format!("{binding:?}").as_bytes());
        body.iter().zip(key.0.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
    }
}

impl Sealer for Wax {
    fn seal(&self, binding: &Binding, body: &[u8]) -> Result<Vec<u8>, NoRandomness> {
        Ok([Hash::of(&Self::mask(binding, body)).0.as_slice(), &Self::mask(binding, body)].concat())
    }

    fn open(&self, binding: &Binding, sealed: &[u8]) -> Result<Vec<u8>, Sealed> {
        let (hash, masked) = sealed.split_at_checked(32).ok_or(Sealed)?;
        let body = Self::mask(binding, masked);
        // A wrong key gives junk, which a real seal would notice.
        let fits = Hash::of(masked).0 == hash && Kept::decode(&body).is_ok() || body == b"letter";
        if fits { Ok(body) } else { Err(Sealed) }
    }
}

const BOUNDS: MessageBounds = MessageBounds::DEFAULT;

fn kept(text: &str) -> Kept {
    Kept { role: None, agent: Some("claude".to_owned()), text: text.to_owned(), refs: Vec::new() }
}

impl Machine {
    fn message_id(&mut self) -> MessageId {
        let (at, random) = (self.tick(), self.random());
        MessageId::of_author(&self.node(), at, [random[7], random[6], random[5], random[4]])
    }

    fn letter(&mut self, to: &Machine, text: &str) -> Letter {
        let id = self.message_id();
        Letter {
            team: self.db.own().unwrap().team,
            id,
            thread: id,
            reply_to: None,
            from: self.node(),
            to: to.node(),
            role: None,
            at: self.now,
            agent: None,
            text: text.to_owned(),
            refs: vec![Reference::Address("ucxl://alice/admin/p/t/decision".to_owned())],
        }
    }

    /// Puts a message to `to` into the outbox and notes it, as a node does.
    fn send(&mut self, to: &[NodeId], text: &str) -> (MessageId, Vec<Place>) {
        self.send_as(None, to, text).unwrap()
    }

    /// The same under a name.
    fn send_as(&mut self, key: Option<&str>, to: &[NodeId], text: &str) -> Result<(MessageId, Vec<Place>), Error> {
        let (id, now, from) = (self.message_id(), self.tick(), self.node());
        let item = |peer: &NodeId| Outgoing {
            peer: *peer,
            protocol: Protocol::MESSAGE,
            schema: 1,
            subject: Subject(id.0),
            body: b"letter".to_vec(),
        };
        let items: Vec<Outgoing> = to.iter().map(item).collect();
        let pushed = self.db.enqueue(&items, Level::Critical, &Wax, &Bounds::default(), now).unwrap();
        let to = to.iter().copied().zip(pushed.iter().map(|push| Some(push.id()))).collect();
        let message = NewMessage {
            id,
            thread: id,
            reply_to: None,
            from,
            to,
            at: now,
            kept: kept(text),
            key: key.map(str::to_owned),
        };
        self.db.put_message(&message, &Wax, now)?;
        Ok((id, pushed.iter().map(antiphon_store::Push::place).collect()))
    }

    fn take(&mut self, letter: &Letter) -> Came {
        let now = self.tick();
        self.db.take_letter(letter, &BOUNDS, now).unwrap()
    }

    fn list(&self, filter: &MessageFilter) -> Vec<MessageView> {
        self.db.reader().messages(filter, 100, Some(&Wax)).unwrap()
    }

    fn texts(&self, filter: &MessageFilter) -> Vec<String> {
        self.list(filter).into_iter().filter_map(|message| Some(message.kept?.text)).collect()
    }

    fn state(&self, id: MessageId) -> Vec<Delivery> {
        let message = self.db.reader().message(id, Some(&Wax)).unwrap().unwrap();
        message.receivers.into_iter().map(|receiver| receiver.state).collect()
    }
}

fn alice_and_bob() -> (Machine, Machine) {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    alice.db.begin_era(11, NOW).unwrap();
    bob.db.begin_era(12, NOW).unwrap();
    (alice, bob)
}

fn unread() -> MessageFilter {
    MessageFilter { unread: true, ..MessageFilter::default() }
}

fn sent() -> MessageFilter {
    MessageFilter { which: Which::Sent, ..MessageFilter::default() }
}

#[test]
fn bob_gets_a_message_once_and_reads_it_once() {
    let (mut alice, mut bob) = alice_and_bob();
    let letter = alice.letter(&bob, "the limits are in place");
    assert_eq!((bob.take(&letter), bob.take(&letter)), (Came::Kept, Came::Had));
    let mut again = alice.letter(&bob, "something else under the same id");
    (again.id, again.thread) = (letter.id, letter.id);
    assert_eq!(bob.take(&again), Came::Had);
    let [message] = bob.list(&unread()).try_into().unwrap();
    assert_eq!((message.id, message.from, message.at), (letter.id, alice.node(), letter.at));
    assert_eq!(message.kept, Some(letter.kept()));
    assert!(!message.sent && message.receivers.is_empty());
    let now = bob.tick();
    assert_eq!(bob.db.mark_read(&[letter.id, MessageId([0; 16])], now).unwrap(), [(alice.node(), letter.id)]);
    assert_eq!(bob.db.mark_read(&[letter.id], bob.now.after(9)).unwrap(), []);
    assert_eq!(bob.texts(&unread()), Vec::<String>::new());
    let read = bob.db.reader().message(letter.id, None).unwrap().unwrap();
    assert_eq!(read.read_at, Some(now));
    let counts = bob.db.reader().message_counts().unwrap();
    assert_eq!((counts.received, counts.unread, counts.sent), (1, 0, 0));
}

#[test]
fn alice_sees_how_far_a_message_has_come() {
    let (mut alice, bob) = alice_and_bob();
    let (carol, dave) = (NodeId([3; 32]), NodeId([4; 32]));
    let (id, places) = alice.send(&[carol, bob.node(), dave], "to all three");
    let order = |state: &[Delivery]| state.iter().map(Delivery::name).collect::<Vec<_>>();
    let mut by_node = [carol, bob.node(), dave];
    by_node.sort();
    let at = |node: NodeId| by_node.iter().position(|one| *one == node).unwrap();
    assert_eq!(order(&alice.state(id)), ["queued"; 3]);
    alice.db.settle_outbox(&bob.node(), &[(places[1], Settled::Taken)], NOW.after(5)).unwrap();
    alice.db.settle_outbox(&dave, &[(places[2], Settled::Refused("inbox_full".to_owned()))], NOW).unwrap();
    let state = alice.state(id);
    assert_eq!((state[at(bob.node())].name(), state[at(carol)].name()), ("delivered", "queued"));
    assert_eq!(state[at(dave)], Delivery::Refused("inbox_full".to_owned()));
    let team = alice.db.own().unwrap().team;
    let own = alice.node();
    let notice = |from, ids: Vec<MessageId>| ReadNotice { team, from, to: own, at: UnixMillis(77), ids };
    let (from_bob, from_eve) = (notice(bob.node(), vec![id]), notice(NodeId([6; 32]), vec![id]));
    alice.db.take_notice(&from_eve, NOW).unwrap();
    alice.db.take_notice(&from_bob, NOW).unwrap();
    let message = alice.db.reader().message(id, Some(&Wax)).unwrap().unwrap();
    let receiver = &message.receivers[at(bob.node())];
    assert_eq!((&receiver.state, receiver.read_at), (&Delivery::Read, Some(UnixMillis(77))));
    assert_eq!(receiver.delivered_at, Some(NOW.after(5)));
    let rows: Vec<u64> = message.receivers.iter().filter_map(|receiver| receiver.item).collect();
    alice.db.drop_outbox(&rows).unwrap();
    assert_eq!(order(&alice.state(id)).iter().filter(|state| **state == "dropped").count(), 2);
}

#[test]
fn what_alice_wrote_is_sealed_on_her_disk() {
    let (mut alice, bob) = alice_and_bob();
    let canary = "zanzibarquokka";
    let (id, _) = alice.send(&[bob.node()], &format!("{canary} is the word"));
    assert_eq!(alice.texts(&sent()), [format!("{canary} is the word")]);
    // Without the key nothing of it is known but that it is there.
    let closed = alice.db.reader().message(id, None).unwrap().unwrap();
    assert_eq!((closed.kept, closed.receivers.len()), (None, 1));
    for file in std::fs::read_dir(alice.home.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
        assert!(!found, "{}", path.display());
    }
    assert_eq!(alice.texts(&MessageFilter { words: Some("QUOKKA zanzibarquokka".to_owned()), ..sent() }).len(), 0);
    assert_eq!(alice.texts(&MessageFilter { words: Some("Zanzibarquokka words".to_owned()), ..sent() }).len(), 1);
}

#[test]
fn a_conversation_is_read_in_the_order_in_which_it_came() {
    let (mut alice, mut bob) = alice_and_bob();
    let first = alice.letter(&bob, "is the retry done?");
    bob.take(&first);
    let (answer, _) = bob.send(&[alice.node()], "not part of it");
    let mut second = alice.letter(&bob, "then I go on");
    (second.thread, second.reply_to) = (first.id, Some(first.id));
    bob.take(&second);
    bob.take(&alice.letter(&bob, "another matter"));
    let thread = MessageFilter { which: Which::Both, thread: Some(first.id), ..MessageFilter::default() };
    assert_eq!(bob.texts(&thread), ["is the retry done?", "then I go on"]);
    let own = MessageFilter { thread: Some(answer), ..thread };
    assert_eq!(bob.texts(&own), ["not part of it"]);
}

#[test]
fn pages_leave_nothing_out_and_a_follower_sees_what_is_new() {
    let (mut alice, mut bob) = alice_and_bob();
    for n in 1..=7 {
        bob.take(&alice.letter(&bob, &format!("number {n}")));
    }
    let page = |filter: &MessageFilter| bob.db.reader().messages(filter, 3, None).unwrap();
    let numbers = |page: &[MessageView]| page.iter().map(|message| message.n).collect::<Vec<_>>();
    let newest = page(&MessageFilter::default());
    assert_eq!(numbers(&newest), [5, 6, 7]);
    let older = page(&MessageFilter { before: Some(5), ..MessageFilter::default() });
    assert_eq!(numbers(&older), [2, 3, 4]);
    assert_eq!(numbers(&page(&MessageFilter { before: Some(2), ..MessageFilter::default() })), [1]);
    assert_eq!(numbers(&page(&MessageFilter { after: Some(3), ..MessageFilter::default() })), [4, 5, 6]);
    assert_eq!(numbers(&page(&MessageFilter { after: Some(7), ..MessageFilter::default() })), Vec::<u64>::new());
    let words = Some("number".to_owned());
    assert_eq!(numbers(&page(&MessageFilter { words: words.clone(), ..MessageFilter::default() })), [5, 6, 7]);
    assert_eq!(numbers(&page(&MessageFilter { words, after: Some(2), ..MessageFilter::default() })), [3, 4, 5]);
}

#[test]
fn words_find_what_came_and_what_was_written() {
    let (mut alice, mut bob) = alice_and_bob();
    bob.take(&alice.letter(&bob, "Caching is done in parseConfig"));
    bob.take(&alice.letter(&bob, "\"caches\" OR nothing"));
    bob.send(&[alice.node()], "which cache?");
    let find = |which, words: &str| {
        bob.texts(&MessageFilter { which, words: Some(words.to_owned()), ..MessageFilter::default() })
    };
    assert_eq!(find(Which::Received, "cache").len(), 2);
    assert_eq!(find(Which::Both, "cached").len(), 3);
    assert_eq!(find(Which::Received, "cache config"), ["Caching is done in parseConfig"]);
    assert_eq!(find(Which::Received, "cache NOT config").len(), 0);
    assert_eq!(find(Which::Received, "\"*( "), Vec::<String>::new());
    let read = bob.list(&unread())[0].id;
    bob.db.mark_read(&[read], NOW).unwrap();
    let words = Some("cache".to_owned());
    assert_eq!(bob.texts(&MessageFilter { words, which: Which::Both, ..unread() }), ["\"caches\" OR nothing"]);
}

#[test]
fn eve_fills_only_her_own_share_and_what_was_read_goes_first() {
    let (mut alice, mut bob) = alice_and_bob();
    let mut eve = Machine::new(6);
    let team = alice.db.own().unwrap().team;
    let bounds = MessageBounds { items_per_writer: 3, items: 4, ..BOUNDS };
    let take = |bob: &mut Machine, letter: &Letter| bob.db.take_letter(letter, &bounds, NOW).unwrap();
    let by_eve = |eve: &mut Machine, n: u8| {
        let id = MessageId::of_author(&eve.node(), NOW, [n; 4]);
        let (from, to) = (eve.node(), NodeId([2; 32]));
        let (role, agent, refs) = (None, None, Vec::new());
        Letter { team, id, thread: id, reply_to: None, from, to, role, at: NOW, agent, text: "x".repeat(9), refs }
    };
    for n in 1..=3 {
        assert_eq!(take(&mut bob, &by_eve(&mut eve, n)), Came::Kept);
    }
    assert_eq!(take(&mut bob, &by_eve(&mut eve, 4)), Came::Full);
    let first = alice.letter(&bob, "one");
    assert_eq!(take(&mut bob, &first), Came::Kept);
    let second = alice.letter(&bob, "two");
    assert_eq!(take(&mut bob, &second), Came::Full, "nothing was read");
    let read = bob.list(&unread())[1].id;
    bob.db.mark_read(&[read], NOW).unwrap();
    assert_eq!(take(&mut bob, &second), Came::Kept);
    assert!(bob.db.reader().message(read, None).unwrap().is_none(), "what was read made room");
    assert_eq!(bob.texts(&MessageFilter::default()).len(), 4);
    assert_eq!(bob.texts(&MessageFilter { words: Some("xxxxxxxxx".to_owned()), ..unread() }).len(), 2);
    let counts = bob.db.reader().message_counts().unwrap();
    assert_eq!((counts.received, counts.unread), (4, 4));
    let bytes = MessageBounds { bytes_per_writer: 100, ..BOUNDS };
    let long = alice.letter(&bob, &"long ".repeat(100));
    assert_eq!(bob.db.take_letter(&long, &bytes, NOW).unwrap(), Came::Full);
}

#[test]
fn the_counts_are_checked_and_counted_anew() {
    let (mut alice, mut bob) = alice_and_bob();
    bob.take(&alice.letter(&bob, "caching is done"));
    bob.take(&alice.letter(&bob, "and read"));
    bob.send(&[alice.node()], "thanks");
    let read = bob.list(&unread())[1].id;
    bob.db.mark_read(&[read], NOW).unwrap();
    assert_eq!(bob.db.reader().verify().unwrap().problems, Vec::<String>::new());
    let file = rusqlite::Connection::open(bob.home.path().join("antiphon.db")).unwrap();
    file.execute("UPDATE message_writers SET items = 7, unread = 7", []).unwrap();
    file.execute("DELETE FROM message_words", []).unwrap();
    let problems = bob.db.reader().verify().unwrap().problems;
    assert!(problems.iter().any(|one| one.contains("messages of 2 writers")), "{problems:?}");
    assert!(problems.iter().any(|one| one.contains("words of 2 messages")), "{problems:?}");
    bob.db.rebuild().unwrap();
    assert_eq!(bob.db.reader().verify().unwrap().problems, Vec::<String>::new());
    let counts = bob.db.reader().message_counts().unwrap();
    assert_eq!((counts.received, counts.unread, counts.sent), (2, 1, 1));
    let words = Some("cache".to_owned());
    assert_eq!(bob.texts(&MessageFilter { words, ..MessageFilter::default() }), ["caching is done"]);
}

#[test]
fn a_message_is_deleted_but_not_while_somebody_has_not_taken_it() {
    let (mut alice, mut bob) = alice_and_bob();
    let letters = [alice.letter(&bob, "the canary sings"), alice.letter(&bob, "and flies")];
    letters.iter().for_each(|letter| assert_eq!(bob.take(letter), Came::Kept));
    let unknown = alice.message_id();
    assert_eq!(bob.db.delete_messages(&[letters[0].id, unknown]).unwrap(), (vec![letters[0].id], vec![]));
    assert_eq!(bob.texts(&MessageFilter::default()), ["and flies"]);
    let words = MessageFilter { words: Some("canary".into()), ..MessageFilter::default() };
    assert!(bob.list(&words).is_empty());
    let counts = bob.db.reader().message_counts().unwrap();
    assert_eq!((counts.received, counts.unread), (1, 1));
    let (id, places) = alice.send(&[bob.node()], "for bob");
    assert_eq!(alice.db.delete_messages(&[id]).unwrap(), (vec![], vec![id]));
    let now = alice.tick();
    alice.db.settle_outbox(&bob.node(), &[(places[0], Settled::Taken)], now).unwrap();
    assert_eq!(alice.db.delete_messages(&[id]).unwrap(), (vec![id], vec![]));
    assert!(alice.list(&sent()).is_empty());
    for machine in [&alice, &bob] {
        assert_eq!(machine.db.reader().verify().unwrap().problems, Vec::<String>::new());
    }
}

#[test]
fn a_named_message_is_sent_once_also_across_a_restart_and_for_a_day() {
    let (mut alice, bob) = alice_and_bob();
    let (first, places) = alice.send_as(Some("k"), &[bob.node()], "once").unwrap();
    let again = |alice: &mut Machine| match alice.send_as(Some("k"), &[bob.node()], "once") {
        Err(Error::AlreadySent(sent)) => sent,
        other => panic!("{other:?}"),
    };
    assert_eq!(again(&mut alice), first);
    alice.reopen();
    alice.db.begin_era(8, alice.now).unwrap();
    assert_eq!(again(&mut alice), first);
    assert_eq!(alice.texts(&sent()), ["once"]);
    let (other, _) = alice.send_as(Some("l"), &[bob.node()], "once").unwrap();
    assert_ne!(other, first);
    // It has arrived and was deleted here; that is no reason to send it again.
    let now = alice.tick();
    alice.db.settle_outbox(&bob.node(), &[(places[0], Settled::Taken)], now).unwrap();
    assert_eq!(alice.db.delete_messages(&[first]).unwrap(), (vec![first], vec![]));
    assert_eq!(again(&mut alice), first);
    let named = |alice: &Machine| alice.db.reader().named_message("k", alice.now).unwrap();
    assert_eq!(named(&alice), Some(first));
    alice.now = alice.now.after(antiphon_store::IDEMPOTENCY_LIFE_MS);
    assert_eq!(named(&alice), None);
    assert_ne!(alice.send_as(Some("k"), &[bob.node()], "once").unwrap().0, first);
    assert_eq!(alice.db.reader().verify().unwrap().problems, Vec::<String>::new());
}

#[test]
fn messages_stay_with_the_team_that_is_left() {
    let (mut alice, mut bob) = alice_and_bob();
    bob.take(&alice.letter(&bob, "for the old team"));
    bob.send_as(Some("k"), &[alice.node()], "goodbye").unwrap();
    let (mut carol, genome) = founder(3, "carol");
    carol.write(grant(bob.node(), "bob"));
    let (mut identity, charter, random) = (bob.identity("bob"), charter_runs(&carol), bob.random());
    identity.nonce = [9; 16];
    bob.db.move_to_team(&identity, &genome, charter, Bring::None, NOW, random).unwrap();
    let counts = bob.db.reader().message_counts().unwrap();
    assert_eq!((counts.received, counts.unread, counts.sent), (0, 0, 0));
    assert_eq!(bob.db.reader().named_message("k", NOW).unwrap(), None);
    let words = Some("team".to_owned());
    assert_eq!(bob.list(&MessageFilter { words, which: Which::Both, ..MessageFilter::default() }), []);
    assert_eq!(bob.db.reader().verify().unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_message_is_named_by_the_beginning_of_its_id() {
    let (mut alice, mut bob) = alice_and_bob();
    let (first, second) = (alice.letter(&bob, "one"), alice.letter(&bob, "two"));
    bob.take(&first);
    bob.take(&second);
    let resolve = |text: &str| bob.db.reader().resolve_message(text).unwrap();
    assert_eq!(resolve(&first.id.to_string().to_lowercase()), Resolved::One(first.id));
    assert!(matches!(resolve(&first.id.to_string()[..4]), Resolved::Ambiguous(ids) if ids.len() == 2));
    assert_eq!(resolve("7ZZZZZ"), Resolved::None);
    bob.reopen();
    assert_eq!(bob.texts(&MessageFilter::default()), ["one", "two"]);
}
