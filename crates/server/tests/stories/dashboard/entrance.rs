//! Who comes in.

use super::browser::{Browser, cookie_of, csrf_of, form, sign_in};
use crate::common::Alice;

#[tokio::test(flavor = "multi_thread")]
async fn a_link_lets_a_browser_in_once() {
    let alice = Alice::start().await;
    let link = alice.client.dashboard_link().await.unwrap();
    assert!(link.url.starts_with(&format!("{}/signin?token=", alice.url)) && link.seconds == 60);
    assert!(!format!("{link:?}").contains("token"), "a link must not get into a log");
    // Looking at the link does not use it up.
    let path = link.url.strip_prefix(&alice.url).unwrap();
    for _ in 0..3 {
        let seen = alice.http("GET", path, &[("host", alice.authority())], "").await;
        assert_eq!(seen.status, 200);
        assert!(seen.text.contains("action=\"/signin\"") && !seen.headers.contains_key("set-cookie"));
    }
    let first = sign_in(&alice, &link.url).await;
    assert_eq!((first.status.as_u16(), first.headers["location"].to_str().unwrap()), (303, "/"));
    let cookie = first.headers["set-cookie"].to_str().unwrap();
    for word in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    let second = sign_in(&alice, &link.url).await;
    assert_eq!(second.status, 403);
    assert!(second.text.contains("antiphon open") && !second.headers.contains_key("set-cookie"));
    let wrong = sign_in(&alice, &format!("{}/signin?token=AAAA", alice.url)).await;
    assert_eq!(wrong.status, 403);
    let browser = Browser { alice: &alice, cookie: cookie_of(&first) };
    assert!(browser.page("/").await.contains("alice"));
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_cannot_be_made_at_the_port_nor_used_by_another_page() {
    let alice = Alice::start().await;
    let bearer = alice.bearer();
    let headers = [("host", "localhost"), ("authorization", bearer.as_str())];
    assert_eq!(alice.http("POST", "/api/v1/dashboard/link", &headers, "{}").await.status, 404);
    let link = alice.client.dashboard_link().await.unwrap().url;
    let token = link.split_once("?token=").unwrap().1.to_owned();
    for origin in ["http://127.0.0.1:1", "http://evil.example", "null"] {
        let headers =
            [("host", alice.authority()), ("origin", origin), ("content-type", "application/x-www-form-urlencoded")];
        let answer = alice.http("POST", "/signin", &headers, &form(&[("token", &token)])).await;
        assert_eq!(answer.status, 403, "{origin}");
        assert!(!answer.headers.contains_key("set-cookie"), "{origin}");
    }
    // It is still good for its owner.
    assert_eq!(sign_in(&alice, &link).await.status, 303);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_a_page_without_a_session() {
    let alice = Alice::start().await;
    let browser = Browser::signed_in(&alice).await;
    let bearer = alice.bearer();
    for path in ["/", "/facts", "/peers", "/divergences", "/wipe", "/events"] {
        for (name, value) in [("cookie", "antiphon-1=AAAA"), ("authorization", bearer.as_str())] {
            let answer = alice.http("GET", path, &[("host", alice.authority()), (name, value)], "").await;
            assert_eq!(answer.status, 403, "{path} {name}");
            assert!(answer.text.contains("antiphon open") && !answer.text.contains("alice"), "{path} {name}");
        }
    }
    // Signing out ends it.
    let out = browser.send("/signout", &[]).await;
    assert_eq!(out.status, 200);
    assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(browser.get("/").await.status, 403);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_opens_neither_the_api_nor_mcp() {
    let alice = Alice::start().await;
    let browser = Browser::signed_in(&alice).await;
    for path in ["/api/v1/status", "/api/v1/events", "/api/v1/facts", "/mcp", "/metrics"] {
        assert_eq!(browser.get(path).await.status, 401, "{path}");
        let headers =
            [("host", alice.authority()), ("cookie", browser.cookie.as_str()), ("origin", alice.url.as_str())];
        let status = alice.http("POST", path, &headers, "{}").await.status;
        assert_eq!(status, 401, "{path}");
    }
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_page_does_nothing() {
    let alice = Alice::start().await;
    let browser = Browser::signed_in(&alice).await;
    let other = Browser::signed_in(&alice).await;
    let own = csrf_of(&browser.page("/").await);
    let theirs = csrf_of(&other.page("/").await);
    assert_ne!(own, theirs);
    let cases: &[(&str, &[(&str, &str)])] = &[
        (&alice.url, &[("content", "by eve")]),
        (&alice.url, &[("csrf", ""), ("content", "by eve")]),
        (&alice.url, &[("csrf", &theirs), ("content", "by eve")]),
        (&alice.url, &[("csrf", &own), ("csrf", &theirs), ("content", "by eve")]),
        ("http://127.0.0.1:1", &[("csrf", &own), ("content", "by eve")]),
        ("http://localhost:3000", &[("csrf", &own), ("content", "by eve")]),
        ("null", &[("csrf", &own), ("content", "by eve")]),
    ];
    for (origin, fields) in cases {
        let answer = browser.post("/facts", origin, fields).await;
        assert_eq!(answer.status, 403, "{origin} {fields:?}");
    }
    // Nor one without an origin, or in a form that needs no token to be sent from elsewhere.
    let headers = [
        ("host", alice.authority()),
        ("cookie", browser.cookie.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let fields = form(&[("csrf", &own), ("content", "by eve")]);
    assert_eq!(alice.http("POST", "/facts", &headers, &fields).await.status, 403);
    let plain = [headers[0], headers[1], ("content-type", "text/plain"), ("origin", alice.url.as_str())];
    assert_eq!(alice.http("POST", "/facts", &plain, &fields).await.status, 403);
    assert_eq!(alice.client.status().await.unwrap().facts, 0);
    // A script of the page shows the token in a header.
    let script =
        [headers[0], headers[1], headers[2], ("origin", alice.url.as_str()), ("x-antiphon-csrf", own.as_str())];
    let answer = alice.http("POST", "/facts", &script, &form(&[("content", "by alice")])).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(alice.client.status().await.unwrap().facts, 1);
    alice.stop().await;
}
