//! Who may see pages: a one-time link becomes a session.
//!
//! A browser cannot show the bearer token of the door, and a person should not type 64 characters. So `antiphon open`
//! asks for a link over the control socket, which only the owner of the home can open. The link holds a secret that is
//! good for [`LINK_SECONDS`] and one time. The page behind it exchanges it by a POST, so that whatever looks at links
//! beforehand does not use it up, and gets a cookie that scripts cannot read and other sites cannot make a browser send.
//!
//! Sessions live in memory: a restart of the node ends all of them. There are at most [`SESSIONS_MAX`], and each ends
//! after [`IDLE_SECONDS`] in which nobody did anything; pages that refresh themselves do not count.
//!
//! Limits: cookies do not tell ports apart. A program of another user that listens on another port of this machine gets
//! the cookie if the owner's browser visits it under the same name; with it, it could read pages. Whoever shares a
//! machine with people he does not trust signs out when he is done.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::flash::Flash;
use crate::error::{Code, Problem};

/// How long a link can be used, in seconds.
pub(crate) const LINK_SECONDS: u64 = 60;
/// Most links that wait to be used; a further one replaces the oldest.
const LINKS_MAX: usize = 16;
/// Most sessions; a further one replaces the one that was idle for longest.
const SESSIONS_MAX: usize = 64;
/// How long a session lasts in which nobody does anything, in seconds: half a day.
pub(super) const IDLE_SECONDS: u64 = 12 * 60 * 60;
/// Bytes of a secret.
const SECRET_BYTES: usize = 32;

/// Something that only one party knows.
type Secret = Zeroizing<[u8; SECRET_BYTES]>;

/// Colours of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Theme {
    /// As the system wants it.
    #[default]
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub(super) fn named(name: &str) -> Self {
        match name {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }
}

/// Who looks at a page.
#[derive(Clone)]
pub(crate) struct Visitor {
    id: Secret,
    /// What every form of this session carries, so that no other page can have sent it.
    csrf: String,
    pub(super) theme: Theme,
}

impl Visitor {
    /// For the hidden field `csrf` of a form.
    pub(crate) fn csrf(&self) -> String {
        self.csrf.clone()
    }

    /// Whether a form of this session was sent.
    pub(super) fn is_own(&self, csrf: &str) -> bool {
        bool::from(csrf.as_bytes().ct_eq(self.csrf.as_bytes()))
    }
}

struct Link {
    secret: Secret,
    made: Instant,
}

struct Session {
    id: Secret,
    csrf: String,
    used: Instant,
    theme: Theme,
    flash: Option<Flash>,
}

#[derive(Default)]
struct Inside {
    links: VecDeque<Link>,
    sessions: Vec<Session>,
}

impl Inside {
    fn forget_old(&mut self, now: Instant) {
        self.links.retain(|link| now.duration_since(link.made) < Duration::from_secs(LINK_SECONDS));
        self.sessions.retain(|session| now.duration_since(session.used) < Duration::from_secs(IDLE_SECONDS));
    }

    fn find(&mut self, id: &Secret) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| bool::from(session.id.ct_eq(&**id)))
    }
}

/// Links and sessions.
pub(crate) struct Sessions {
    /// Where the HTTP door is, if it is open.
    base: Option<String>,
    inside: Mutex<Inside>,
}

impl Sessions {
    pub(crate) fn new(base: Option<String>) -> Self {
        Self { base, inside: Mutex::default() }
    }

    fn inside(&self, now: Instant) -> MutexGuard<'_, Inside> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.forget_old(now);
        inside
    }

    /// A link that lets a browser in, once.
    pub(crate) fn link(&self, now: Instant) -> Result<String, Problem> {
        let closed = || {
            Problem::new(Code::Unreachable, "the HTTP door of this node is closed, so there is no dashboard to open")
                .hint("antiphon down, then antiphon up --http 127.0.0.1:0 --detach")
        };
        let base = self.base.as_ref().ok_or_else(closed)?;
        let secret = secret()?;
        let link = format!("{base}/signin?token={}", BASE64URL_NOPAD.encode(&*secret));
        let mut inside = self.inside(now);
        if inside.links.len() >= LINKS_MAX {
            inside.links.pop_front();
        }
        inside.links.push_back(Link { secret, made: now });
        Ok(link)
    }

    /// Uses up the secret of a link; the cookie of the session that begins with it, or `None` for a secret that is
    /// wrong, was used, or is too old.
    pub(super) fn enter(&self, token: &str, now: Instant) -> Result<Option<String>, Problem> {
        let Some(given) = read(token) else { return Ok(None) };
        let (id, csrf) = (secret()?, secret()?);
        let mut inside = self.inside(now);
        // Every link is looked at, so that the time tells nothing.
        let found = inside
            .links
            .iter()
            .enumerate()
            .fold(None, |found, (at, link)| if bool::from(link.secret.ct_eq(&*given)) { Some(at) } else { found });
        let Some(at) = found else { return Ok(None) };
        inside.links.remove(at);
        if inside.sessions.len() >= SESSIONS_MAX
            && let Some(idle) = (0..inside.sessions.len()).min_by_key(|at| inside.sessions.get(*at).map(|s| s.used))
        {
            inside.sessions.swap_remove(idle);
        }
        let cookie = self.cookie(&BASE64URL_NOPAD.encode(&*id), IDLE_SECONDS);
        let csrf = BASE64URL_NOPAD.encode(&*csrf);
        inside.sessions.push(Session { id, csrf, used: now, theme: Theme::default(), flash: None });
        Ok(Some(cookie))
    }

    /// Who asks, by the cookie. `acts` is false for what a page does by itself.
    pub(super) fn visitor(&self, headers: &HeaderMap, acts: bool, now: Instant) -> Option<Visitor> {
        let id = self.cookie_of(headers)?;
        let mut inside = self.inside(now);
        let session = inside.find(&id)?;
        if acts {
            session.used = now;
        }
        Some(Visitor { id: session.id.clone(), csrf: session.csrf.clone(), theme: session.theme })
    }

    /// Whether the session has not ended.
    pub(super) fn is_open(&self, visitor: &Visitor, now: Instant) -> bool {
        self.inside(now).find(&visitor.id).is_some()
    }

    /// Ends the session; the cookie that clears the browser's one.
    pub(super) fn leave(&self, visitor: &Visitor, now: Instant) -> String {
        self.inside(now).sessions.retain(|session| !bool::from(session.id.ct_eq(&*visitor.id)));
        self.cookie("", 0)
    }

    pub(super) fn set_theme(&self, visitor: &Visitor, theme: Theme, now: Instant) {
        if let Some(session) = self.inside(now).find(&visitor.id) {
            session.theme = theme;
        }
    }

    /// Keeps a message for the next page.
    pub(super) fn put_flash(&self, visitor: &Visitor, flash: Flash, now: Instant) {
        if let Some(session) = self.inside(now).find(&visitor.id) {
            session.flash = Some(flash);
        }
    }

    /// The message for this page, which then is gone.
    pub(super) fn take_flash(&self, visitor: &Visitor, now: Instant) -> Option<Flash> {
        self.inside(now).find(&visitor.id)?.flash.take()
    }

    /// Cookies do not tell ports apart, so the name does: two nodes on one machine have a session each.
    fn cookie_name(&self) -> String {
        let port = self.base.as_deref().and_then(|base| base.rsplit_once(':')).map_or("0", |(_, port)| port);
        format!("antiphon-{port}")
    }

    fn cookie(&self, value: &str, seconds: u64) -> String {
        let secure = self.base.as_deref().is_some_and(|base| base.starts_with("https://"));
        let secure = if secure { "; Secure" } else { "" };
        let name = self.cookie_name();
        format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}")
    }

    fn cookie_of(&self, headers: &HeaderMap) -> Option<Secret> {
        let name = self.cookie_name();
        let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).and_then(|(_, value)| read(value))
    }
}

fn read(text: &str) -> Option<Secret> {
    let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?);
    <[u8; SECRET_BYTES]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}

fn secret() -> Result<Secret, Problem> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    let failed = |error: getrandom::Error| {
        Problem::new(Code::Failed, "the system gives no random numbers").why(error.to_string())
    };
    getrandom::fill(&mut *bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entrance() -> Sessions {
        Sessions::new(Some("http://127.0.0.1:7411".to_owned()))
    }

    fn token(link: &str) -> &str {
        link.split_once("?token=").unwrap().1
    }

    fn headers(cookie: &str) -> HeaderMap {
        let pair = cookie.split(';').next().unwrap();
        HeaderMap::from_iter([(header::COOKIE, format!("other=1; {pair}").parse().unwrap())])
    }

    fn later(now: Instant, seconds: u64) -> Instant {
        now + Duration::from_secs(seconds)
    }

    #[test]
    fn a_link_lets_in_once() {
        let (door, now) = (entrance(), Instant::now());
        let link = door.link(now).unwrap();
        assert!(link.starts_with("http://127.0.0.1:7411/signin?token="));
        let cookie = door.enter(token(&link), now).unwrap().unwrap();
        assert!(cookie.starts_with("antiphon-7411=") && cookie.contains("HttpOnly; SameSite=Strict; Path=/"));
        assert!(!cookie.contains("Secure"));
        assert!(door.visitor(&headers(&cookie), true, now).is_some());
        assert_eq!(door.enter(token(&link), now).unwrap(), None);
    }

    #[test]
    fn a_link_is_good_for_a_minute_and_a_wrong_one_never() {
        let (door, now) = (entrance(), Instant::now());
        let (old, good) = (door.link(now).unwrap(), door.link(now).unwrap());
        assert!(door.enter(token(&good), later(now, LINK_SECONDS - 1)).unwrap().is_some());
        assert_eq!(door.enter(token(&old), later(now, LINK_SECONDS)).unwrap(), None);
        for wrong in ["", "x", &BASE64URL_NOPAD.encode(&[7; 32]), &BASE64URL_NOPAD.encode(&[7; 31])] {
            assert_eq!(door.enter(wrong, now).unwrap(), None, "{wrong}");
        }
    }

    #[test]
    fn a_session_ends_when_nobody_does_anything() {
        let (door, now) = (entrance(), Instant::now());
        let cookie = door.enter(token(&door.link(now).unwrap()), now).unwrap().unwrap();
        let cookie = headers(&cookie);
        assert!(door.visitor(&cookie, true, later(now, IDLE_SECONDS - 1)).is_some());
        // What a page does by itself does not count.
        let visitor = door.visitor(&cookie, false, later(now, 2 * IDLE_SECONDS - 2)).unwrap();
        assert!(!door.is_open(&visitor, later(now, 2 * IDLE_SECONDS)));
        assert!(door.visitor(&cookie, true, later(now, 2 * IDLE_SECONDS)).is_none());
    }

    #[test]
    fn who_signs_out_is_out() {
        let (door, now) = (entrance(), Instant::now());
        let cookie = headers(&door.enter(token(&door.link(now).unwrap()), now).unwrap().unwrap());
        let visitor = door.visitor(&cookie, true, now).unwrap();
        assert!(door.leave(&visitor, now).contains("Max-Age=0"));
        assert!(door.visitor(&cookie, true, now).is_none());
    }

    #[test]
    fn links_and_sessions_are_bounded() {
        let (door, now) = (entrance(), Instant::now());
        let first = door.link(now).unwrap();
        let links: Vec<String> = (0..LINKS_MAX).map(|_| door.link(now).unwrap()).collect();
        assert_eq!(door.enter(token(&first), now).unwrap(), None);
        assert!(door.enter(token(&links[0]), now).unwrap().is_some());
        let cookies: Vec<HeaderMap> = (0..=SESSIONS_MAX as u64)
            .map(|at| {
                let now = later(now, at);
                headers(&door.enter(token(&door.link(now).unwrap()), now).unwrap().unwrap())
            })
            .collect();
        let now = later(now, 100);
        assert!(door.visitor(&cookies[0], true, now).is_none(), "the one that was idle for longest is gone");
        assert!(door.visitor(&cookies[1], true, now).is_some());
        assert!(door.visitor(&cookies[SESSIONS_MAX], true, now).is_some());
    }

    #[test]
    fn a_message_is_shown_once_and_to_its_session_alone() {
        let (door, now) = (entrance(), Instant::now());
        let enter = || headers(&door.enter(token(&door.link(now).unwrap()), now).unwrap().unwrap());
        let (alice, bob) = (enter(), enter());
        let visitor = |cookie| door.visitor(cookie, true, now).unwrap();
        door.put_flash(&visitor(&alice), Flash::done("saved"), now);
        assert_eq!(door.take_flash(&visitor(&bob), now), None);
        assert_eq!(door.take_flash(&visitor(&alice), now), Some(Flash::done("saved")));
        assert_eq!(door.take_flash(&visitor(&alice), now), None);
        assert!(!visitor(&alice).is_own(&visitor(&bob).csrf()));
    }

    #[test]
    fn an_encrypted_door_has_a_cookie_that_stays_encrypted_and_a_closed_one_has_no_links() {
        let (door, now) = (Sessions::new(Some("https://node.example:7411".to_owned())), Instant::now());
        let cookie = door.enter(token(&door.link(now).unwrap()), now).unwrap().unwrap();
        assert!(cookie.ends_with("; Secure"), "{cookie}");
        let problem = Sessions::new(None).link(now).unwrap_err();
        assert!(problem.hint.unwrap().contains("--http"));
    }
}
