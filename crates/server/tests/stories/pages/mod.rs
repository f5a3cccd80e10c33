//! Pages of the dashboard as a browser gets them, without its script.

mod browser;
mod documents;
mod figures;
mod people;
mod team;

use antiphon_server::dto::{NewIncidentDto, NewMessageDto};
use browser::Browser;

use crate::common::Alice;
use crate::two::Two;

/// What eve writes wherever she can write something.
const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'</textarea></svg>&amp; \u{202E}txt";

/// Pages that need nothing but a node, and what each says when there is nothing on it.
const PAGES: [(&str, &str); 12] = [
    ("/content", "There are no documents yet."),
    ("/outbox", "The outbox is empty"),
    ("/messages", "The inbox is empty."),
    ("/messages?show=sent", "No message has come or gone yet."),
    ("/incidents", "Nothing was reported."),
    ("/charter", "checked just now: unchanged"),
    ("/charter/gene?id=role.admin", ">proved<"),
    ("/audit", "No line was written yet."),
    ("/plots", "As a table"),
    ("/plots?since=7d", "The last week"),
    ("/settings", "There is nobody else in this team yet."),
    ("/invite", "Make a ticket"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_a_new_node_says_what_to_do_first() {
    let alice = Alice::start().await;
    let browser = Browser::open(&alice).await;
    browser.until("/plots", "As a table").await;
    for (path, words) in PAGES {
        let page = browser.get(path).await;
        assert!(page.contains(words), "{path} does not say {words:?}:\n{page}");
    }
    // Who is not signed in sees nothing of it.
    for (path, _) in PAGES {
        let answer = alice.http("GET", path, &[("host", alice.authority())], "").await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.text.contains("antiphon open") && !answer.text.contains("acme"), "{path}: {}", answer.text);
    }
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_a_fact_says_what_the_team_shares() {
    for (level, said) in [
        ("project", ["level 0 is shared with the team", "0 project (shared)", "1 domain (stays here)"]),
        ("module", ["levels 0 to 2 are shared with the team", "2 module (shared)", "3 snippet (stays here)"]),
    ] {
        let alice = Alice::founded_with("policy.shared_up_to", level).await;
        let browser = Browser::open(&alice).await;
        let fact = alice.remember("ports are numbers").await;
        for path in ["/facts/new", &format!("/facts/{fact}/edit")] {
            let page = browser.get(path).await;
            assert!(said[1..].iter().all(|words| page.contains(words)), "{path}: {page}");
            assert!(page.contains("<option value=\"1\" selected>"), "{path}: {page}");
        }
        assert!(browser.get("/facts/new").await.contains(said[0]), "{level}");
        alice.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_eve_writes_is_text_on_every_page() {
    let two = Two::start("admin").await;
    let alice = &two.alice;
    let browser = Browser::open(alice).await;
    let escaped = NewIncidentDto {
        title: HOSTILE.into(),
        description: Some(HOSTILE.into()),
        correlation_rule: Some(HOSTILE.into()),
        escape: true,
        ..NewIncidentDto::default()
    };
    let incident = alice.client.report_incident(&escaped).await.unwrap().id;
    let message =
        NewMessageDto { to: Some("bob".into()), text: HOSTILE.into(), escape: true, ..NewMessageDto::default() };
    alice.client.send_message(&message).await.unwrap();
    browser.post("/charter/gene", &[("text", HOSTILE.split('\u{202E}').next().unwrap()), ("sure", "yes")]).await;
    for path in ["/incidents", &format!("/incidents/{incident}"), "/messages?show=sent", "/charter"] {
        let page = browser.get(path).await;
        assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"), "{path}:\n{page}");
        assert!(!page.contains("<img") && !page.contains('\u{202E}'), "{path}");
    }
    // What stands in the address of a page, too.
    let asked = "%3Cimg%20src%3Dx%3E%22";
    for path in [
        "/content?project=",
        "/content/document?address=",
        "/outbox?peer=",
        "/messages?search=",
        "/audit?address=",
        "/charter/gene?id=",
        "/incidents/",
        "/plots?since=",
        "/incidents?status=",
        "/content/file?address=",
    ] {
        let answer = browser.ask(&format!("{path}{asked}")).await;
        assert!(!answer.text.contains("<img"), "{path}: {}", answer.text);
        browser::check(path, &answer.text);
    }
    two.stop().await;
}
