//! The pages.

use std::collections::BTreeSet;

use antiphon_core::event::Provenance;
use antiphon_core::fact::{Edit, Field};
use antiphon_node::{Draft, PeerMode};
use antiphon_server::dto::{DivergenceFilterDto, EditDto, NewFactDto};

use super::browser::{Browser, encoded};
use crate::common::Alice;
use crate::two::{Two, until};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What others might write, and hope that a page takes it for something else.
const HOSTILE: [&str; 8] = [
    "<script>alert('eve')</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)' style='background:url(javascript:alert(1))",
    "</textarea><script>alert(2)</script>",
    "{{ page.title }} {% raw %} ${7*7} <%= 7*7 %>",
    "javascript:alert(1) data:text/html,<b>",
    "&lt;b&gt; &amp; &#60;i&#62;",
    "<!-- --><svg/onload=alert(3)><style>*{display:none}</style>",
];

/// What every page must have, and must not.
fn check(path: &str, page: &str) {
    let tags: Vec<&str> = page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or(rest)).collect();
    for tag in &tags {
        let lower = tag.to_lowercase();
        assert!(!lower.starts_with("style"), "{path}: a style within the page: <{tag}>");
        assert!(
            !lower.starts_with("script") || lower.contains("src=\"/assets/"),
            "{path}: a script within the page: <{tag}>"
        );
        // Every second piece between quotes is a value; what is left are the names of attributes.
        let names: String = lower.split('"').step_by(2).collect::<Vec<_>>().join("\"");
        for name in names.split_ascii_whitespace().skip(1) {
            assert!(!name.starts_with("on"), "{path}: a script attribute: <{tag}>");
            assert!(!name.starts_with("style"), "{path}: a style attribute: <{tag}>");
        }
        for link in ["href=\"javascript:", "src=\"javascript:", "action=\"javascript:", "href=\"data:"] {
            assert!(!lower.contains(link), "{path}: <{tag}>");
        }
        assert!(!names.contains('\''), "{path}: a value in quotes that would end early: <{tag}>");
    }
    assert!(page.starts_with("<!doctype html>") && page.contains("<html lang=\"en\""), "{path}");
    assert_eq!(tags.iter().filter(|tag| tag.starts_with("h1")).count(), 1, "{path}: one heading");
    assert!(page.contains("name=\"viewport\"") && page.contains("<title>"), "{path}");
    // Every form that does something shows whose it is.
    for form in page.split("<form ").skip(1).map(|rest| rest.split("</form>").next().unwrap()) {
        let posts = form.split('>').next().unwrap().contains("method=\"post\"");
        let guarded = form.contains("name=\"csrf\" value=\"") || form.contains("action=\"/signin\"");
        assert!(!posts || guarded, "{path}: a form without its token: {form}");
    }
    // Every region that is replaced has a name, and no two have the same.
    let ids: Vec<&str> =
        tags.iter().filter_map(|tag| tag.split_once(" id=\"")).map(|(_, id)| id.split('"').next().unwrap()).collect();
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{path}: {ids:?}");
    for tag in tags.iter().filter(|tag| tag.contains("data-live=")) {
        assert!(tag.contains(" id=\""), "{path}: <{tag}>");
    }
}

async fn look(browser: &Browser<'_>, path: &str) -> String {
    let answer = browser.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-security-policy"), POLICY, "{path}");
    assert_eq!(header("cache-control"), "no-store", "{path}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(header("referrer-policy"), "same-origin", "{path}");
    check(path, &answer.text);
    answer.text
}

/// Every page that a link of a page leads to, from the first one on.
async fn every_page(browser: &Browser<'_>) -> Vec<(String, String)> {
    let mut waiting = vec!["/".to_owned(), "/wipe".to_owned()];
    let mut seen: Vec<(String, String)> = Vec::new();
    while let Some(path) = waiting.pop() {
        if seen.iter().any(|(known, _)| *known == path) || seen.len() >= 80 {
            continue;
        }
        let answer = browser.get(&path).await;
        // A page of the list may be missing while a node has no such thing.
        if answer.status == 200 {
            let page = look(browser, &path).await;
            let links = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"));
            waiting.extend(links.filter(|link| link.starts_with('/') && !link.starts_with("/assets/")));
            seen.push((path, page));
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_there_with_nothing_to_show() {
    let alice = Alice::start().await;
    let browser = Browser::signed_in(&alice).await;
    let pages = every_page(&browser).await;
    for path in ["/", "/facts", "/facts/new", "/divergences", "/peers", "/wipe"] {
        assert!(
            pages.iter().any(|(known, _)| known == path),
            "{path} is not linked: {:?}",
            pages.iter().map(|(path, _)| path).collect::<Vec<_>>()
        );
    }
    let overview = browser.page("/").await;
    assert!(overview.contains("Your memory is on this machine alone") && overview.contains("There are no facts yet"));
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_stays_text_on_every_page() {
    let alice = Alice::start().await;
    for text in HOSTILE {
        let id = alice.remember(text).await;
        let edit = EditDto { content: Some(format!("{text} again")), ..EditDto::default() };
        alice.client.edit(&id, &edit).await.unwrap();
    }
    let fact = NewFactDto {
        content: "x".into(),
        domain: Some("<b>domain</b>".into()),
        tags: vec!["<i>tag</i>".into()],
        agent: Some("<u>agent</u>".into()),
        source: Some("javascript:alert(1)".into()),
        ..Default::default()
    };
    alice.client.remember(&fact).await.unwrap();
    let browser = Browser::signed_in(&alice).await;
    let pages = every_page(&browser).await;
    assert!(pages.iter().filter(|(path, _)| path.starts_with("/facts/")).count() > 2 * HOSTILE.len());
    let list = browser.page("/facts").await;
    assert!(list.contains("&lt;script&gt;alert(&#39;eve&#39;)&lt;/script&gt; again"), "{list}");
    assert!(list.contains("&lt;b&gt;domain&lt;/b&gt;") && list.contains("&lt;u&gt;agent&lt;/u&gt;"));
    for text in HOSTILE {
        let found = look(&browser, &format!("/facts?q={}", encoded(text))).await;
        assert!(!found.contains("<script>alert") && !found.contains("<img src=x"));
    }
    // What deceives can come in by its visible form alone; it is shown so.
    let nothing = browser.get(&format!("/facts/{}", encoded("\u{202E}<b>"))).await;
    assert_eq!(nothing.status, 404);
    check("/facts/?", &nothing.text);
    assert!(nothing.text.contains("\\u{202E}") && !nothing.text.contains('\u{202E}'), "{}", nothing.text);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_writes_changes_and_forgets_a_fact() {
    let alice = Alice::start().await;
    let browser = Browser::signed_in(&alice).await;
    let fields = [
        ("content", "Deploys run Tue-Thu.\r\nAsk first."),
        ("level", "1"),
        ("domain", "ops"),
        ("tags", "deploy, rules"),
    ];
    let (at, page) = browser.done("/facts", &fields).await;
    assert!(page.contains("Remembered.") && page.contains("Deploys run Tue-Thu.\nAsk first."), "{page}");
    assert!(!browser.page(&at).await.contains("Remembered."), "what a form said is shown once");
    let id = at.strip_prefix("/facts/").unwrap();
    let fact = alice.client.fact(id).await.unwrap();
    assert_eq!((fact.domain.as_deref(), fact.tags.len(), fact.level), (Some("ops"), 2, 1));
    assert_eq!(fact.provenance.tool.as_deref(), Some("dashboard"));
    let form = browser.page(&format!("{at}/edit")).await;
    assert!(form.contains("Deploys run Tue-Thu."));
    let edit = [
        ("content", "Deploys run Mon-Thu.\r\nAsk first."),
        ("level", "1"),
        ("domain", "ops"),
        ("tags", "deploy, rules"),
        ("seen", &fact.updated_at),
    ];
    let (_, page) = browser.done(&format!("{at}/edit"), &edit).await;
    assert!(page.contains("Saved.") && page.contains("Deploys run Mon-Thu."), "{page}");
    let history = look(&browser, &format!("{at}/history")).await;
    assert!(history.contains("<del>Tue-Thu.</del>") || history.contains("<del>Tue</del>"), "{history}");
    // Somebody else was quicker: nothing is overwritten.
    let late = browser.send(&format!("{at}/edit"), &edit).await;
    assert_eq!(late.status, 409);
    check("late", &late.text);
    let (_, page) = browser.done(&format!("{at}/append"), &[("text", "Freeze in December.")]).await;
    assert!(page.contains("Freeze in December."));
    let (_, page) = browser.done(&format!("{at}/archive"), &[("on", "true")]).await;
    assert!(page.contains("archived") && page.contains("Take out of the archive"));
    let (_, page) = browser.done(&format!("{at}/forget"), &[]).await;
    assert!(page.contains("Forgotten. It can be restored.") && page.contains("/restore"), "{page}");
    let (_, page) = browser.done(&format!("{at}/restore"), &[]).await;
    assert!(page.contains("Restored.") && page.contains("Deploys run Mon-Thu."));
    let refused = browser.send("/facts", &[("content", "   ")]).await;
    assert_eq!(refused.status, 400);
    check("refused", &refused.text);
    assert!(refused.text.contains("This cannot be done so"));
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_are_found_filtered_and_paged() {
    let alice = Alice::start().await;
    for at in 0..60 {
        alice.remember(&format!("fact number {at}")).await;
    }
    let special =
        NewFactDto { content: "The staging port is 6543.".into(), domain: Some("infra".into()), ..Default::default() };
    alice.client.remember(&special).await.unwrap();
    let browser = Browser::signed_in(&alice).await;
    let found = look(&browser, "/facts?q=staging+port").await;
    assert!(found.contains("The staging port is 6543.") && !found.contains("fact number 7"));
    assert!(look(&browser, "/facts?q=nosuchword").await.contains("Nothing fits"));
    let filtered = look(&browser, "/facts?domain=infra").await;
    assert!(filtered.contains("The staging port") && !filtered.contains("fact number 7"));
    let first = look(&browser, "/facts").await;
    assert!(first.contains("fact number 59") && !first.contains("fact number 3 "));
    let next = first.split("href=\"/facts?after=").nth(1).unwrap().split('"').next().unwrap();
    let second = look(&browser, &format!("/facts?after={next}")).await;
    assert!(second.contains(">fact number 3<") && !second.contains(">fact number 59<"));
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_is_shown_and_a_divergence_is_settled() {
    let two = Two::start("backend_developer").await;
    let (alice, bob) = (&two.alice, &two.bob);
    let id = alice.remember("Deploys run Tue.").await;
    let fact = id.parse().unwrap();
    until("bob has it", async || bob.fact(fact).await.is_ok()).await;
    alice.handle.set_peer_mode("bob", PeerMode::Paused).await.unwrap();
    alice.client.edit(&id, &EditDto { content: Some("Deploys run Wed.".into()), ..EditDto::default() }).await.unwrap();
    let edit = Edit::new().set(Field::Content, "Deploys run Thu.".into());
    let draft = Draft::Edit { fact, edit, provenance: Provenance::default() };
    bob.author(vec![draft]).await.unwrap().remove(0).unwrap();
    alice.handle.set_peer_mode("bob", PeerMode::Sync).await.unwrap();
    until("both sides are known", async || {
        alice.client.divergences(&DivergenceFilterDto::default()).await.unwrap().divergences.len() == 1
    })
    .await;
    let browser = Browser::signed_in(alice).await;
    let overview = look(&browser, "/").await;
    assert!(
        overview.contains(">bob<") && overview.contains("1 divergence") && overview.contains("role=\"img\""),
        "{overview}"
    );
    let peers = look(&browser, "/peers").await;
    assert!(peers.contains(">bob<") && peers.contains("verified"), "{peers}");
    let peer = alice.client.peer("bob").await.unwrap().peer_id;
    assert!(look(&browser, &format!("/peers/{peer}?fact={id}")).await.contains("Why, for fact"));
    look(&browser, &format!("/facts/{id}")).await;
    let list = look(&browser, "/divergences").await;
    assert!(list.contains(&format!("/divergences/{id}")));
    let sides = look(&browser, &format!("/divergences/{id}")).await;
    assert!(sides.contains("Wed.") && sides.contains("Thu.") && sides.contains("Take what bob says"), "{sides}");
    let (at, page) = browser.done(&format!("/divergences/{id}/accept"), &[("side", "bob")]).await;
    assert_eq!(at, format!("/facts/{id}"));
    assert!(page.contains("Settled.") && page.contains("Deploys run Thu."), "{page}");
    assert!(look(&browser, "/divergences").await.contains("all sides agree"));
    let (_, page) = browser.done(&format!("/peers/{peer}/mode"), &[("mode", "paused")]).await;
    assert!(page.contains("Go on") && page.contains("paused"));
    let (_, page) = browser.done(&format!("/peers/{peer}/mode"), &[("mode", "sync")]).await;
    assert!(page.contains("Pause"));
    browser.done(&format!("/peers/{peer}/reset"), &[]).await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_chosen_and_files_may_be_kept() {
    let alice = Alice::start().await;
    let browser = Browser::signed_in(&alice).await;
    let page = browser.page("/").await;
    assert!(page.contains("data-theme=\"system\""));
    let (at, page) = browser.done("/theme", &[("theme", "dark"), ("here", "/facts")]).await;
    assert!(at == "/facts" && page.contains("data-theme=\"dark\""));
    let elsewhere = browser.send("/theme", &[("theme", "light"), ("here", "//evil.example/")]).await;
    assert_eq!(elsewhere.headers["location"], "/");
    for name in ["antiphon.", "live.", "icon."] {
        let path = page.split('"').find(|part| part.starts_with(&format!("/assets/{name}"))).unwrap();
        let file = alice.http("GET", path, &[("host", alice.authority())], "").await;
        assert_eq!(file.status, 200, "{path}");
        assert!(file.headers["cache-control"].to_str().unwrap().contains("immutable"), "{path}");
        let other = path.replace(name, &format!("{name}0"));
        assert_eq!(alice.http("GET", &other, &[("host", alice.authority())], "").await.status, 404);
    }
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tries_to_give_orders_is_shown_as_text_and_hides_nothing() {
    let alice = Alice::start().await;
    let browser = Browser::signed_in(&alice).await;
    let mut stored = Vec::new();
    for (kind, text) in crate::injections::all() {
        let fact = NewFactDto { content: text.clone(), escape: true, ..NewFactDto::default() };
        let id = alice.client.remember(&fact).await.unwrap_or_else(|error| panic!("{kind} {text:?}: {error}")).id;
        stored.push((kind, text, id));
    }
    for (kind, text, id) in stored {
        for path in [format!("/facts/{id}"), format!("/facts/{id}/edit"), format!("/facts?q={}", encoded(&text))] {
            let answer = browser.get(&path).await;
            // A question that is no question is refused, and the refusal is a page like every other.
            assert!([200, 400, 413].contains(&answer.status.as_u16()), "{kind} {path}: {}", answer.status);
            check(&path, &answer.text);
            let hidden = answer.text.chars().find(|c| hides(*c));
            assert_eq!(hidden, None, "{kind} {path}: {text:?}");
        }
    }
    alice.stop().await;
}

/// Characters that show nothing or turn around what stands beside them.
fn hides(c: char) -> bool {
    let layout = matches!(c, '\n' | '\r' | '\t');
    (c.is_control() && !layout)
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{E0000}'..='\u{E007F}')
}
