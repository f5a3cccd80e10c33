//! Who belongs to the team, by what right, and how somebody is let in.

use antiphon_node::{Config, Home, Node};
use antiphon_server::dto::RevokeDto;

use super::browser::Browser;
use crate::common::Alice;
use crate::two::{Two, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_charter_shows_members_keys_and_who_was_removed() {
    let two = Two::start("qa_engineer").await;
    let browser = Browser::open(&two.alice).await;
    let bob = two.bob.status().await.unwrap().node_id.to_string();
    let page = browser.get("/charter").await;
    for words in ["acme: 2 members", ">bob<", ">granted<", "qa_engineer", "in 364 d"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let renewed = browser.post("/charter/renew", &[("peer", &bob)]).await;
    assert!(renewed.contains("The grant of bob ends in 36"), "{renewed}");
    let revoke = RevokeDto { peer: "bob".into(), reason: "laptop <stolen>".into(), compromised: true };
    two.alice.client.revoke(&revoke).await.unwrap();
    let page = browser.get("/charter").await;
    for words in ["acme: 1 member", "laptop &lt;stolen&gt;", "key in wrong hands"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gene_is_added_for_good_and_comes_with_its_proof() {
    let alice = Alice::start().await;
    let browser = Browser::open(&alice).await;
    let unsure = browser.submit("/charter/gene", &[("text", "No secrets in facts.")]).await;
    assert!(unsure.status == 409 && unsure.text.contains("no gene was added"), "{}", unsure.text);
    let added = browser.post("/charter/gene", &[("text", "No secrets in facts."), ("sure", "yes")]).await;
    assert!(added.contains("law.no-secrets-in-facts is a gene now.") && added.contains("added later"), "{added}");
    let gene = browser.get("/charter/gene?id=law.no-secrets-in-facts").await;
    for words in [
        ">proved<",
        "No secrets in facts.",
        "joined with what is on its",
        "antiphon gene prove law.no-secrets-in-facts",
    ] {
        assert!(gene.contains(words), "{words}: {gene}");
    }
    let root = alice.client.genes().await.unwrap().genome_hash;
    assert!(gene.contains(&root) && browser.get("/charter").await.contains(&root));
    assert_eq!(browser.ask("/charter/gene?id=law.nothing").await.status, 404);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_on_one_page_and_lets_one_machine_in() {
    let alice = Alice::start().await;
    let browser = Browser::open(&alice).await;
    until("alice listens", async || !alice.handle.status().await.unwrap().listen.is_empty()).await;
    let answer = browser.submit("/invite", &[("role", "qa_engineer"), ("ttl", "1h")]).await;
    assert_eq!((answer.status.as_u16(), answer.headers["cache-control"].to_str().unwrap()), (200, "no-store"));
    super::browser::check("/invite", &answer.text);
    for words in
        ["This ticket is a secret", "Ticket for one qa_engineer", "aria-label=\"The ticket as a QR code\"", "ends in "]
    {
        assert!(answer.text.contains(words), "{words}: {}", answer.text);
    }
    let ticket = answer.text.split_once("antiphon join ").unwrap().1.split("</textarea>").next().unwrap().to_owned();
    assert!(!browser.get("/invite").await.contains(&ticket), "it is shown once");

    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(Home::new(dir.path().join("home")));
    (config.name, config.mdns) = (Some("bob".into()), false);
    config.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    let node = Node::start(config).await.unwrap();
    node.handle().join(&ticket, None, None).await.unwrap();
    browser.until("/charter", ">bob<").await;
    node.handle().shutdown().await;
    node.stopped().await;
    let wrong = browser.submit("/invite", &[("role", "<king>")]).await;
    assert!(wrong.status.is_client_error() && wrong.text.contains("&lt;king&gt;"), "{}", wrong.text);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_chosen_by_whoever_invites_and_by_nobody_else() {
    let alice = Alice::start().await;
    let browser = Browser::open(&alice).await;
    until("alice listens", async || !alice.handle.status().await.unwrap().listen.is_empty()).await;
    let page = browser.get("/invite").await;
    let select = page.split_once("<select name=\"role\" required>").unwrap().1.split_once("</select>").unwrap().0;
    // A browser takes the first one where none is selected, and does not send a required one that is empty.
    assert!(select.starts_with("<option value=\"\">") && !select.contains("selected"), "{select}");
    assert!(select.contains("<option value=\"admin\">"), "{select}");
    for fields in [&[("role", ""), ("ttl", "1h")][..], &[("ttl", "1h")]] {
        let refused = browser.submit("/invite", fields).await;
        assert!(refused.status.is_client_error() && !refused.text.contains("antiphon join"), "{}", refused.text);
        assert!(refused.text.contains("admin"), "it says what can be chosen: {}", refused.text);
    }
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sharing_is_set_and_the_page_says_so() {
    let two = Two::start("qa_engineer").await;
    let browser = Browser::open(&two.alice).await;
    let bob = two.bob.status().await.unwrap().node_id.to_string();
    let page = browser.get("/settings").await;
    assert!(page.contains("Set for bob") && page.contains("value=\"sync\" checked"), "{page}");
    let mode = browser.post("/settings/mode", &[("mode", "publish")]).await;
    assert!(mode.contains("This node is in mode publish now") && mode.contains("value=\"publish\" checked"), "{mode}");
    let wrong = browser.submit("/settings/mode", &[("mode", "gossip")]).await;
    assert!(wrong.status == 400 && wrong.text.contains("sync, publish or subscribe"), "{}", wrong.text);
    let share = [("peer", bob.as_str()), ("mode", "sync"), ("only", "auth, billing"), ("except", "")];
    let shared = browser.post("/settings/peer", &share).await;
    assert!(
        shared.contains("bob gets auth, billing only from now on") && shared.contains("value=\"auth, billing\""),
        "{shared}"
    );
    let paused = browser.post("/settings/peer", &[("peer", &bob), ("mode", "paused")]).await;
    assert!(paused.contains("Nothing is exchanged with bob") && paused.contains(">paused<"), "{paused}");
    let out = browser.submit("/signout", &[]).await;
    assert_eq!(out.status, 200);
    assert_eq!(browser.ask("/settings").await.status, 403);
    two.stop().await;
}
