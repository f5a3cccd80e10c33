//! Documents for roles, on real nodes: who stores, who reads, who is refused, and what is done without a network.

use std::io::Cursor;

use crate::common::{Machine, agree, until};
use antiphon_core::address::{Address, Selector};
use antiphon_core::event::Provenance;
use antiphon_core::trail::Operation;
use antiphon_node::{
    ContentError, ContentFilter, ContentForm, ContentSource, ContentStored, DhtChoice, Error, NewContent, TrailFilter,
    Trust,
};

const DEVELOPER: &str = "backend_developer";

fn address(path: &str) -> Address {
    Address::new("alice", DEVELOPER, "shop", "login", path).unwrap()
}

impl Machine {
    async fn put_as(&self, role: &str, path: &str, bytes: &[u8]) -> Result<ContentStored, Error> {
        let new = NewContent {
            address: address(path),
            role: role.into(),
            content_type: "text/markdown".into(),
            provenance: Provenance::default(),
        };
        self.handle.put_content(new, Cursor::new(bytes.to_vec())).await
    }

    async fn put(&self, path: &str, bytes: &[u8]) -> ContentStored {
        self.put_as(DEVELOPER, path, bytes).await.unwrap()
    }

    async fn get_version(&self, path: &str, selector: Selector) -> Result<(Vec<u8>, ContentSource), Error> {
        let open = self.handle.open_content(&address(path), selector, ContentForm::Plain).await?;
        let source = open.source;
        Ok((open.collect(u64::MAX).await?, source))
    }

    async fn get(&self, path: &str) -> Result<(Vec<u8>, ContentSource), Error> {
        self.get_version(path, Selector::Latest).await
    }

    async fn knows(&self, path: &str) {
        until("the index arrives", async || self.handle.content(&address(path), Selector::Latest).await.is_ok()).await;
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> ContentError {
    match result.unwrap_err() {
        Error::Content(error) => *error,
        other => panic!("{other}"),
    }
}

/// Alice founds the team; the others have these roles.
async fn team(members: &[(&'static str, &str)]) -> (Machine, Vec<Machine>) {
    let alice = Machine::start("alice").await;
    let mut others = Vec::new();
    for (name, role) in members {
        let machine = Machine::start(name).await;
        machine.joins_as(&alice, role).await;
        machine.trusts("alice", Trust::Verified).await;
        others.push(machine);
    }
    (alice, others)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_developer_stores_an_architect_reads_and_a_writer_does_not() {
    let roles = [("bob", DEVELOPER), ("carol", "senior_architect"), ("eve", "technical_writer")];
    let (_alice, others) = team(&roles).await;
    let [bob, carol, eve] = &others[..] else { panic!("three machines") };
    let text = b"We sign tokens with Ed25519.\n".repeat(1_000);
    let stored = bob.put("decision", &text).await;
    assert_eq!((stored.content.version, stored.content.size), (1, text.len() as u64));
    assert!(stored.content.encrypted_for.contains(&"senior_architect".to_owned()), "{stored:?}");
    carol.knows("decision").await;
    let (read, source) = carol.get("decision").await.unwrap();
    assert_eq!(read, text);
    assert!(matches!(source, ContentSource::Peers { bytes } if bytes >= stored.content.stored_size), "{source:?}");
    assert_eq!(carol.get("decision").await.unwrap().1, ContentSource::Cache);
    eve.knows("decision").await;
    let refused = refusal(eve.get("decision").await).to_string();
    assert_eq!(refused, "role technical_writer cannot decrypt content of role backend_developer");
    // Nothing was fetched to refuse it.
    assert_eq!(eve.handle.content_metrics().await.unwrap().blobs, 0);
    // Who asks for the ciphertext gets it, and no key of eve opens it.
    let open = eve.handle.open_content(&address("decision"), Selector::Latest, ContentForm::Cipher).await.unwrap();
    let cipher = open.collect(u64::MAX).await.unwrap();
    assert!(cipher.starts_with(b"age-encryption.org/v1"));
    let keyring = eve.handle.keyring();
    let secrets: Vec<_> = keyring.secrets().collect();
    assert!(!secrets.is_empty());
    let opened = antiphon_vault::document::decrypt(&secrets, &cipher[..], std::io::sink());
    assert!(opened.unwrap_err().is_not_for_us());
    let lines = eve.handle.trail(TrailFilter { limit: 10, ..TrailFilter::default() }).await.unwrap();
    assert!(lines.iter().any(|line| line.act.error.as_ref().is_some_and(|error| error.contains("cannot decrypt"))));
    assert!(eve.handle.verify_trail(None).await.unwrap().broken.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_stores_nothing_and_nobody_stores_for_a_role_it_does_not_hold() {
    let (alice, others) = team(&[("eve", "observer")]).await;
    let eve = &others[0];
    let refused = refusal(eve.put_as("observer", "notes", b"x").await).to_string();
    assert_eq!(refused, "role observer is read_only and cannot store content");
    let refused = refusal(alice.put_as(DEVELOPER, "notes", b"x").await);
    assert!(matches!(refused, ContentError::NotHeld { .. }), "{refused}");
    let refused = alice.put_as("king", "notes", b"x").await.unwrap_err();
    assert!(matches!(refused, Error::UnknownRole { .. }), "{refused}");
    let filter = TrailFilter { operation: Some(Operation::Store), failed: true, limit: 9, ..TrailFilter::default() };
    assert_eq!(alice.handle.trail(filter).await.unwrap().len(), 2);
    assert!(matches!(refusal(eve.get("notes").await), ContentError::NotFound(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_stay_readable_until_the_document_is_removed() {
    let (_alice, others) = team(&[("bob", DEVELOPER)]).await;
    let bob = &others[0];
    for text in ["one", "two", "three"] {
        bob.put("plan", text.as_bytes()).await;
    }
    let read = async |selector| String::from_utf8(bob.get_version("plan", selector).await.unwrap().0).unwrap();
    assert_eq!(read(Selector::Latest).await, "three");
    assert_eq!(read(Selector::Version(1)).await, "one");
    assert_eq!(read(Selector::Back(1)).await, "two");
    assert_eq!(read(Selector::Forward(0)).await, "one");
    let refused = refusal(bob.get_version("plan", Selector::Version(9)).await);
    assert!(matches!(refused, ContentError::NoVersion { .. }), "{refused}");
    let page = bob.handle.search_content(ContentFilter::default(), 10, None).await.unwrap();
    assert_eq!((page.contents.len(), page.contents[0].version, page.next), (1, 3, None));
    assert_eq!(bob.handle.list_content_by_role(DEVELOPER, 10).await.unwrap().contents.len(), 1);
    assert!(bob.handle.list_content_by_role("admin", 10).await.unwrap().contents.is_empty());
    let (_, freed) = bob.handle.remove_content(&address("plan"), Provenance::default()).await.unwrap();
    assert!(freed > 0);
    assert!(matches!(refusal(bob.get("plan").await), ContentError::Removed(_)));
    assert_eq!(bob.handle.content_versions(&address("plan")).await.unwrap().len(), 3);
    assert_eq!(bob.handle.content_metrics().await.unwrap().blobs, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_fetched_serves_when_its_author_is_gone() {
    let (alice, mut others) = team(&[("bob", DEVELOPER), ("carol", DEVELOPER)]).await;
    let text = vec![7; 700_000];
    others[0].put("model", &text).await;
    alice.knows("model").await;
    assert_eq!(alice.get("model").await.unwrap().0, text);
    others[0].stop().await;
    let mut alice = alice;
    alice.stop().await;
    alice.start_again().await;
    let carol = &others[1];
    carol.knows("model").await;
    until("carol fetches it from alice", async || carol.get("model").await.is_ok()).await;
    assert_eq!(carol.get("model").await.unwrap().0, text);
    let (_, holders) = carol.handle.discover_peers(&address("model"), Selector::Latest).await.unwrap();
    assert!(holders.iter().any(|holder| holder.name == "bob") && holders.iter().any(|holder| holder.connected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_reads_what_it_could_and_nothing_new() {
    let (alice, others) = team(&[("bob", DEVELOPER), ("carol", DEVELOPER)]).await;
    let [bob, carol] = &others[..] else { panic!("two machines") };
    bob.put("before", b"old").await;
    carol.knows("before").await;
    assert_eq!(carol.get("before").await.unwrap().0, b"old");
    let old_keys: Vec<_> = carol.handle.keyring().roles().map(str::to_owned).collect();
    alice.handle.revoke("carol", "left", false).await.unwrap();
    until("bob knows", async || bob.handle.members().await.unwrap().former.iter().any(|one| one.name == "carol")).await;
    let stored = bob.put("after", b"new").await;
    let open = bob.handle.open_content(&address("after"), Selector::Latest, ContentForm::Cipher).await.unwrap();
    let cipher = open.collect(u64::MAX).await.unwrap();
    let keyring = carol.handle.keyring();
    let secrets: Vec<_> = keyring.secrets().collect();
    assert!(!secrets.is_empty(), "{old_keys:?}");
    let opened = antiphon_vault::document::decrypt(&secrets, &cipher[..], std::io::sink());
    assert!(opened.unwrap_err().is_not_for_us(), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_document_is_not_stored_and_an_empty_one_is() {
    let (_alice, others) = team(&[("bob", DEVELOPER)]).await;
    let bob = &others[0];
    let (feed, intake) = antiphon_node::intake();
    assert!(feed.send(vec![1; 100_000]).await);
    drop(feed);
    let new = NewContent {
        address: address("half"),
        role: DEVELOPER.into(),
        content_type: "text/plain".into(),
        provenance: Provenance::default(),
    };
    let refused = refusal(bob.handle.put_content(new, intake).await);
    assert!(matches!(refused, ContentError::NotTaken(_)), "{refused}");
    assert!(matches!(refusal(bob.get("half").await), ContentError::NotFound(_)));
    bob.put("empty", b"").await;
    assert_eq!(bob.get("empty").await.unwrap().0, b"");
    let metrics = bob.handle.content_metrics().await.unwrap();
    assert_eq!((metrics.stored, metrics.blobs, metrics.encryptions), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_hold_the_same_agree_on_every_document() {
    let (alice, others) = team(&[("bob", DEVELOPER)]).await;
    let bob = &others[0];
    bob.put("decision", b"yes").await;
    agree(&alice, bob).await;
    let shown = async |machine: &Machine| machine.handle.content(&address("decision"), Selector::Latest).await.unwrap();
    let (here, there) = (shown(bob).await, shown(&alice).await);
    assert_eq!((here.hash, here.event, here.author), (there.hash, there.event, there.author));
    assert!(here.held.whole && !there.held.whole && there.readable);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_while_the_network_is_away_is_readable_and_published_later() {
    let (_alice, others) = team(&[("bob", DEVELOPER)]).await;
    let bob = &others[0];
    bob.handle.dht_backend(DhtChoice::Local).await.unwrap();
    let told = async || bob.handle.dht_status().await.unwrap();
    for n in 0..500 {
        let (path, text) = (format!("note-{n}"), format!("text {n}"));
        bob.put(&path, text.as_bytes()).await;
        assert_eq!(bob.get(&path).await.unwrap().0, text.as_bytes());
    }
    assert_eq!(bob.handle.content_metrics().await.unwrap().stored, 500);
    // Of each a pointer and that it is held here.
    let waiting = told().await.waiting;
    assert!(waiting >= 1_000, "{waiting}");
    bob.handle.dht_backend(DhtChoice::Auto).await.unwrap();
    until("everything is published", async || told().await.waiting == 0).await;
}
