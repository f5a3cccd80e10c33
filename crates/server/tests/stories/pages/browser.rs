//! A browser that runs no scripts: it signs in by a link, keeps its cookie, and follows where a form leads.

use data_encoding::BASE64URL_NOPAD;

use crate::common::{Alice, Answer};
use crate::two::until;

/// See the module.
pub(super) struct Browser<'a> {
    alice: &'a Alice,
    origin: String,
    cookie: String,
    csrf: String,
}

impl<'a> Browser<'a> {
    /// Signs in.
    pub(super) async fn open(alice: &'a Alice) -> Self {
        let link = alice.client.dashboard_link().await.unwrap().url;
        let token = link.split_once("token=").unwrap().1;
        assert_eq!(BASE64URL_NOPAD.decode(token.as_bytes()).unwrap().len(), 32);
        let mut browser = Self { alice, origin: alice.url.clone(), cookie: String::new(), csrf: String::new() };
        let entered = browser.send("/signin", &format!("token={token}")).await;
        assert_eq!(entered.status, 303, "{}", entered.text);
        let cookie = entered.headers["set-cookie"].to_str().unwrap();
        browser.cookie = cookie.split(';').next().unwrap().to_owned();
        let page = browser.get("/settings").await;
        browser.csrf = page.split_once("name=\"csrf\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
        browser
    }

    /// The token of the session, as a script shows it.
    pub(super) fn csrf(&self) -> &str {
        &self.csrf
    }

    /// An answer as it is.
    pub(super) async fn ask(&self, path: &str) -> Answer {
        self.alice.http("GET", path, &[("host", self.alice.authority()), ("cookie", &self.cookie)], "").await
    }

    /// A page, checked.
    pub(super) async fn get(&self, path: &str) -> String {
        let answer = self.ask(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        check(path, &answer.text);
        answer.text
    }

    async fn send(&self, path: &str, body: &str) -> Answer {
        let headers = [
            ("host", self.alice.authority()),
            ("origin", &*self.origin),
            ("cookie", &*self.cookie),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        self.alice.http("POST", path, &headers, body).await
    }

    /// Sends a form, and gives its answer as it is.
    pub(super) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut body = vec![("csrf", self.csrf.as_str())];
        body.extend(fields);
        let body: Vec<String> = body.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        self.send(path, &body.join("&")).await
    }

    /// Sends a form, and gives the page to which it leads.
    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.submit(path, fields).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.text);
        self.get(answer.headers["location"].to_str().unwrap()).await
    }

    /// Sends a file as the script of a page does.
    pub(super) async fn put(&self, path: &str, csrf: &str, body: &str) -> Answer {
        let headers = [
            ("host", self.alice.authority()),
            ("origin", &*self.origin),
            ("cookie", &*self.cookie),
            ("content-type", "text/plain"),
            ("x-antiphon-csrf", csrf),
        ];
        self.alice.http("PUT", path, &headers, body).await
    }

    /// Waits until a page says something.
    pub(super) async fn until(&self, path: &str, words: &str) {
        until(&format!("{path} says {words:?}"), async || self.get(path).await.contains(words)).await;
    }
}

/// A value of a form.
pub(super) fn encoded(value: &str) -> String {
    value.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    })
}

/// What holds for every page: nothing in it runs or styles by itself, every field has a name that is read out, every
/// picture says what it shows, and no two parts have one id.
pub(super) fn check(path: &str, page: &str) {
    let mut ids = std::collections::BTreeSet::new();
    for tag in tags(page) {
        let name = tag.split([' ', '\n']).next().unwrap();
        assert!(name != "style" && name != "iframe" && name != "object", "{path}: <{tag}>");
        assert!(name != "script" || tag.contains(" src=\"/assets/"), "{path}: <{tag}>");
        for attribute in attributes(&tag) {
            assert!(attribute != "style" && !attribute.starts_with("on"), "{path}: <{tag}>");
        }
        assert!(!tag.contains("javascript:"), "{path}: <{tag}>");
        if let Some(id) = value(&tag, "id") {
            assert!(ids.insert(id.to_owned()), "{path}: the id {id} is there twice");
        }
        let silent = !["role=\"img\"", "aria-hidden=\"true\""].iter().any(|says| tag.contains(says));
        assert!(name != "svg" || !silent, "{path}: <{tag}>");
    }
    for field in ["<input", "<select", "<textarea"] {
        for (at, _) in page.match_indices(field) {
            let tag = page[at..].split('>').next().unwrap();
            let hidden = tag.contains("type=\"hidden\"");
            let labelled = tag.contains("aria-label")
                || value(tag, "id").is_some_and(|id| page.contains(&format!("for=\"{id}\"")))
                || inside_label(&page[..at]);
            assert!(hidden || labelled, "{path}: {tag}> has no label");
        }
    }
}

fn inside_label(before: &str) -> bool {
    before.rfind("<label") > before.rfind("</label>")
}

/// Every tag of a page, without its brackets. Values hold no brackets: they are escaped.
fn tags(page: &str) -> Vec<String> {
    page.split('<')
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap().to_owned())
        .filter(|tag| !tag.starts_with('/'))
        .collect()
}

/// The names of a tag's attributes: what stands outside of quotes.
fn attributes(tag: &str) -> Vec<String> {
    let outside: Vec<&str> = tag.split('"').step_by(2).collect();
    let words = outside.join("").replace('=', " ");
    words.split_whitespace().skip(1).map(str::to_owned).collect()
}

fn value<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}
