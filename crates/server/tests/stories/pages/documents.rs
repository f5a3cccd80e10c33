//! Documents, and the trail of who stored and read them.

use antiphon_server::dto::{ContentAskDto, RotateDto};

use super::browser::{Browser, encoded};
use crate::common::Alice;

const ADDRESS: &str = "ucxl://alice/admin/shop/login/notes/plan.md";

async fn alice_with_a_key() -> Alice {
    let alice = Alice::start().await;
    alice.client.rotate_role(&RotateDto { role: "admin".into(), fresh: false }).await.unwrap();
    alice
}

fn at(path: &str) -> String {
    format!("{path}address={}", encoded(ADDRESS))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_stored_shown_read_and_removed() {
    let alice = alice_with_a_key().await;
    let browser = Browser::open(&alice).await;
    let said = "We sign tokens.\n".repeat(200_000);
    let put = format!("{}&role=admin&content_type=text%2Fmarkdown", at("/content/file?"));
    let refused = browser.put(&put, "not the token of this session", &said).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert!(browser.get("/content").await.contains("There are no documents yet."));
    let stored = browser.put(&put, browser.csrf(), &said).await;
    assert_eq!((stored.status.as_u16(), stored.json()["version"].as_u64()), (200, Some(1)), "{}", stored.text);

    let list = browser.get("/content?project=shop").await;
    assert!(
        list.contains("alice · admin") && list.contains("shop / login") && list.contains(">notes/plan.md<"),
        "{list}"
    );
    assert!(browser.get("/content?project=bank").await.contains("No document fits."));
    browser.until("/content", "Every document has its copies").await;
    let shown = browser.get(&at("/content/document?")).await;
    for words in ["text/markdown", "3.0 MiB", "this node", ">proved<", "1 copy of 1"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }

    let file = browser.ask(&at("/content/file?")).await;
    assert_eq!(file.headers["content-disposition"], "attachment; filename=\"plan.md\"");
    assert_eq!((file.headers["content-type"].to_str().unwrap(), file.text == said), ("application/octet-stream", true));
    assert_eq!(file.headers["cache-control"], "no-store");
    let asked = browser.post("/content/repair", &[("address", ADDRESS)]).await;
    assert!(asked.contains("The holders of 1 version are asked now"), "{asked}");

    let kept = browser.submit("/content/remove", &[("address", ADDRESS)]).await;
    assert!(kept.status == 409 && kept.text.contains("the document stays"), "{}", kept.text);
    let gone = browser.post("/content/remove", &[("address", ADDRESS), ("sure", "yes")]).await;
    assert!(gone.contains("is removed") && gone.contains("There are no documents yet."), "{gone}");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_refused_says_why_as_a_script_reads_it() {
    let alice = alice_with_a_key().await;
    let browser = Browser::open(&alice).await;
    let wrong = browser.put("/content/file?address=nowhere&role=admin", browser.csrf(), "x").await;
    assert!(wrong.status == 400 && wrong.json()["error"]["what"].as_str().is_some(), "{}", wrong.text);
    let role = browser.put(&format!("{}&role=observer", at("/content/file?")), browser.csrf(), "x").await;
    assert_eq!(role.code(), "refused", "{}", role.text);
    let none = browser.ask(&at("/content/file?")).await;
    assert!(none.status == 404 && none.text.contains("There is no such thing"), "{}", none.text);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_names_who_did_what_and_that_nothing_was_changed() {
    let alice = alice_with_a_key().await;
    let browser = Browser::open(&alice).await;
    browser.put(&format!("{}&role=admin", at("/content/file?")), browser.csrf(), "text").await;
    let ask = ContentAskDto { address: ADDRESS.into(), ciphertext: None };
    alice.client.get_content(&ask, tokio::io::sink(), |_| {}, |_| {}).await.unwrap();
    let refused = format!("{}&role=observer", at("/content/file?"));
    assert_eq!(browser.put(&refused, browser.csrf(), "x").await.status, 403);

    let page = browser.get("/audit").await;
    for words in [">store<", ">retrieve<", "Nobody has checked since this node started", "Who read what here"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("The hash of the last line"), "nothing was checked yet: {page}");
    let page = browser.post("/audit/check", &[]).await;
    for words in ["checked; the trail is whole.", "tag ok\">whole<", "The hash of the last line", "The trail is whole"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    // What is written after a check was not checked.
    assert_eq!(browser.put(&refused, browser.csrf(), "x").await.status, 403);
    let page = browser.get("/audit").await;
    for words in ["beyond were not checked", "The trail was whole when it was checked"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let stores = browser.get("/audit?operation=store").await;
    assert!(stores.contains("tag ok\">store<") && !stores.contains("tag ok\">retrieve<"), "{stores}");
    let failed = browser.get("/audit?failed=yes").await;
    assert!(failed.contains("tag bad\">store failed<") && !failed.contains("tag ok\">retrieve<"), "{failed}");
    assert_eq!(browser.ask("/audit?operation=burn").await.status, 400);
    alice.stop().await;
}
