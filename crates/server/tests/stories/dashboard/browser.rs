//! A browser without scripts: it keeps the cookie, sends its origin with forms, and follows where they lead.

use crate::common::{Alice, Answer};

pub(super) struct Browser<'a> {
    pub(super) alice: &'a Alice,
    pub(super) cookie: String,
}

impl<'a> Browser<'a> {
    /// Signs in by a link that was asked for over the control socket.
    pub(super) async fn signed_in(alice: &'a Alice) -> Self {
        let url = alice.client.dashboard_link().await.unwrap().url;
        let answer = sign_in(alice, &url).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        Self { alice, cookie: cookie_of(&answer) }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        let headers = [("host", self.alice.authority()), ("cookie", &self.cookie)];
        self.alice.http("GET", path, &headers, "").await
    }

    /// A page that must be there.
    pub(super) async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.text
    }

    /// Sends a form as a page of this node does.
    pub(super) async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = csrf_of(&self.page("/").await);
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend(fields);
        self.post(path, &self.alice.url, &all).await
    }

    pub(super) async fn post(&self, path: &str, origin: &str, fields: &[(&str, &str)]) -> Answer {
        let headers = [
            ("host", self.alice.authority()),
            ("cookie", self.cookie.as_str()),
            ("origin", origin),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        self.alice.http("POST", path, &headers, &form(fields)).await
    }

    /// Sends a form, and gives the page that it leads to.
    pub(super) async fn done(&self, path: &str, fields: &[(&str, &str)]) -> (String, String) {
        let answer = self.send(path, fields).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.text);
        let to = answer.headers["location"].to_str().unwrap().to_owned();
        let page = self.page(&to).await;
        (to, page)
    }
}

/// Uses a link: what the page behind it does.
pub(super) async fn sign_in(alice: &Alice, url: &str) -> Answer {
    let token = url.split_once("?token=").unwrap().1;
    let headers = [
        ("host", alice.authority()),
        ("origin", alice.url.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    alice.http("POST", "/signin", &headers, &form(&[("token", token)])).await
}

pub(super) fn cookie_of(answer: &Answer) -> String {
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

pub(super) fn csrf_of(page: &str) -> String {
    let rest = page.split_once("name=\"csrf\" value=\"").expect("a form with its token").1;
    rest.split_once('"').unwrap().0.to_owned()
}

pub(super) fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

pub(super) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
