//! Messages, what waits for whoever is away, incidents.

use antiphon_node::{Addressee, InboxQuery, MessageDraft};
use antiphon_server::dto::IncidentEditDto;

use super::browser::Browser;
use crate::common::Alice;
use crate::two::{Two, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_out_and_the_answer_is_read() {
    let two = Two::start("qa_engineer").await;
    let browser = Browser::open(&two.alice).await;
    let bob = two.bob.status().await.unwrap().node_id.to_string();
    let sent = browser.post("/messages/send", &[("to", &format!("peer:{bob}")), ("text", "one\r\ntwo")]).await;
    assert!(sent.contains("one\ntwo") && sent.contains("to bob"), "{sent}");
    browser.until("/messages?show=sent", ">delivered<").await;
    let letter = two.bob.inbox(InboxQuery::default()).await.unwrap().messages.remove(0);
    let answer = MessageDraft {
        to: Addressee::Back,
        text: "three".into(),
        refs: Vec::new(),
        reply_to: Some(letter.message.id.to_string()),
        agent: None,
        key: None,
    };
    two.bob.send_message(answer).await.unwrap();
    browser.until("/messages", ">three<").await;
    let inbox = browser.get("/messages").await;
    assert!(inbox.contains("1 unread message") && inbox.contains("an answer: show the conversation"), "{inbox}");
    let read = browser.post("/messages/read", &[("all", "yes")]).await;
    assert!(read.contains("1 message is read.") && read.contains("No unread messages"), "{read}");
    let id = read.split_once("id=\"m-").unwrap().1.split('"').next().unwrap().to_owned();
    let gone = browser.post("/messages/delete", &[("id", &id)]).await;
    assert!(gone.contains("The message is gone from this node.") && gone.contains("The inbox is empty."), "{gone}");
    let nobody = browser.submit("/messages/send", &[("to", ""), ("text", "x")]).await;
    assert!(nobody.status == 400 && nobody.text.contains("choose a member or a role"), "{}", nobody.text);
    two.stop().await;
}

/// Alice, with two messages for bob, who joined and has gone.
async fn alice_wrote_to_bob() -> Alice {
    let two = Two::start("qa_engineer").await;
    two.bob.shutdown().await;
    two.node.stopped().await;
    two.alice
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_says_for_whom_and_is_tried_again_or_dropped() {
    let alice = alice_wrote_to_bob().await;
    let browser = Browser::open(&alice).await;
    let bob = alice.handle.peer("bob").await.unwrap().peer_id.to_string();
    for text in ["one", "two"] {
        browser.post("/messages/send", &[("to", &format!("peer:{bob}")), ("text", text)]).await;
    }
    let page = browser.get("/outbox").await;
    for words in
        ["2 items wait", "class=\"cure\" data-copy>antiphon ", "place 2", ">critical, ", "name=\"id\" value=\"1\""]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(browser.get("/outbox?peer=bob&level=moderate").await.contains("Nothing of that kind waits."));
    let one = browser.post("/outbox/retry", &[("id", "1")]).await;
    assert!(one.contains("1 member is tried now."), "{one}");
    let dropped = browser.post("/outbox/drop", &[("id", "1")]).await;
    assert!(dropped.contains("The message for bob is dropped") && dropped.contains("1 item waits"), "{dropped}");
    let again = browser.submit("/outbox/drop", &[("id", "1")]).await;
    assert_eq!(again.status, 404, "{}", again.text);
    let all = browser.post("/outbox/retry", &[]).await;
    assert!(all.contains("1 member is tried now."), "{all}");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_reported_followed_and_updated() {
    let alice = Alice::start().await;
    let browser = Browser::open(&alice).await;
    let report = [
        ("title", "a shell where none should be"),
        ("severity", "high"),
        ("phase", "installation"),
        ("description", "seen on the build server"),
        ("techniques", "T1059, T1059.001"),
    ];
    let shown = browser.post("/incidents", &report).await;
    for words in [
        "reported to the whole team",
        "seen on the build server",
        ">T1059.001<",
        "aria-current=\"step\"><b>installation",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert_eq!(shown.matches("class=\"reached\"").count(), 4, "{shown}");
    let list = browser.get("/incidents").await;
    assert!(list.contains("1 open incident") && list.contains(">a shell where none should be<"), "{list}");
    assert!(browser.get("/incidents?status=closed").await.contains("No incident fits."));

    let path = list.split_once("href=\"/incidents/").unwrap().1.split('"').next().unwrap().to_owned();
    let was = shown.split_once("name=\"was\" value=\"").unwrap().1.split('"').next().unwrap();
    let was = was.replace("&quot;", "\"");
    // While the page is open, somebody else finds out more.
    let edit = IncidentEditDto { title: Some("two shells".into()), ..IncidentEditDto::default() };
    alice.client.update_incident(&path, &edit).await.unwrap();
    let fields = [
        ("was", was.as_str()),
        ("title", "a shell where none should be"),
        ("status", "contained"),
        ("severity", "high"),
        ("phase", "installation"),
        ("description", "seen on the build server"),
    ];
    let updated = browser.post(&format!("/incidents/{path}"), &fields).await;
    assert!(updated.contains(">two shells<") && updated.contains(">contained<"), "{updated}");
    let nothing = browser
        .post(
            &format!("/incidents/{path}"),
            &[
                ("was", &was),
                ("title", "a shell where none should be"),
                ("status", "open"),
                ("severity", "high"),
                ("phase", "installation"),
                ("description", "seen on the build server"),
            ],
        )
        .await;
    assert!(nothing.contains("Nothing was changed"), "{nothing}");
    until("both edits are in the history", async || {
        browser.get(&format!("/incidents/{path}")).await.matches("<li").count() > 7 + 2
    })
    .await;
    let wrong = browser.submit("/incidents", &[("title", ""), ("severity", "high")]).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text);
    alice.stop().await;
}
