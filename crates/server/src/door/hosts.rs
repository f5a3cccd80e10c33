//! Names under which the HTTP door may be reached.
//!
//! A page of the web can have its own name point at this machine and then talk to the door as if it were its own
//! server. It cannot choose the name that its visitor's browser sends along, so a door that answers under known names
//! only is out of its reach: names of loopback, the address at which the connection came in, and what a person
//! configured.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The loopback name that is no address.
const LOCALHOST: &str = "localhost";
/// Longest name, in bytes, as in the domain name system.
const NAME_BYTES_MAX: usize = 253;

/// A name or address of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    /// In small letters.
    Name(String),
}

impl Host {
    /// Whether it means this machine wherever it is said.
    fn is_loopback(&self) -> bool {
        match self {
            Self::Ip(ip) => [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(ip),
            Self::Name(name) => name == LOCALHOST,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// What stands in a `Host` header: a name, and a port where one was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    host: Host,
    port: Option<u16>,
}

impl Authority {
    /// Reads it strictly: whatever is not plainly a name or an address is nothing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(text) => {
                let (ip, rest) = text.split_once(']')?;
                (Host::Ip(IpAddr::V6(ip.parse().ok()?).to_canonical()), rest)
            }
            None => {
                let end = text.find(':').unwrap_or(text.len());
                let (name, rest) = text.split_at(end);
                (named(name)?, rest)
            }
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
        };
        Some(Self { host, port })
    }

    /// Whether it means this machine wherever it is said.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host.is_loopback()
    }
}

fn named(name: &str) -> Option<Host> {
    if let Ok(ip) = name.parse::<Ipv4Addr>() {
        return Some(Host::Ip(IpAddr::V4(ip)));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let whole = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(fits);
    whole.then(|| Host::Name(name.to_ascii_lowercase()))
}

/// A name under which a person lets the door be reached. With a port it counts at that port only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost(Authority);

impl AllowedHost {
    /// The name or address by itself, as in a certificate.
    pub(super) fn bare(&self) -> String {
        match &self.0.host {
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => name.clone(),
        }
    }

    /// As in an address of the web, where `port` is the door's own.
    pub(super) fn with_port(&self, port: u16) -> String {
        format!("{}:{}", self.0.host, self.0.port.unwrap_or(port))
    }

    fn covers(&self, given: &Authority) -> bool {
        self.0.host == given.host && self.0.port.is_none_or(|port| given.port == Some(port))
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.host)?;
        self.0.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A text that is no name of a machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a machine, with or without a port")]
pub struct HostError(String);

impl FromStr for AllowedHost {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        Authority::parse(text).map(Self).ok_or_else(|| HostError(text.chars().take(80).collect()))
    }
}

/// Every name that counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts(Vec<AllowedHost>);

impl Hosts {
    pub(super) fn new(configured: Vec<AllowedHost>) -> Self {
        Self(configured)
    }

    /// Whether there are no names beside those of this machine.
    pub(super) fn is_local(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a request may name the door like this. `reached` is the address of ours at which it came in.
    pub(super) fn admit(&self, authority: &str, reached: Option<IpAddr>) -> bool {
        Authority::parse(authority).is_some_and(|authority| self.covers(&authority, reached))
    }

    /// Whether a page of this origin may send requests. What is said of other machines must have come encrypted:
    /// anybody in between can put words into a page that did not.
    pub(super) fn admit_origin(&self, origin: &str, reached: Option<IpAddr>) -> bool {
        let (encrypted, rest) = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return false,
        };
        let authority = Authority::parse(rest);
        authority.is_some_and(|one| self.covers(&one, reached) && (encrypted || is_here(&one, reached)))
    }

    fn covers(&self, authority: &Authority, reached: Option<IpAddr>) -> bool {
        let at = |ip: IpAddr| authority.host == Host::Ip(ip.to_canonical());
        authority.is_loopback() || reached.is_some_and(at) || self.0.iter().any(|allowed| allowed.covers(authority))
    }
}

/// Whether nobody can be in between.
fn is_here(authority: &Authority, reached: Option<IpAddr>) -> bool {
    let at = |ip: IpAddr| ip.is_loopback() && authority.host == Host::Ip(ip.to_canonical());
    authority.is_loopback() || reached.is_some_and(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(hosts: &[&str]) -> Hosts {
        Hosts::new(hosts.iter().map(|host| host.parse().unwrap()).collect())
    }

    #[test]
    fn only_names_of_this_machine_are_local() {
        let hosts = Hosts::default();
        let check = |authority: &str, local: bool| assert_eq!(hosts.admit(authority, None), local, "{authority}");
        check("localhost", true);
        check("LocalHost:7411", true);
        check("127.0.0.1:1", true);
        check("[::1]:7411", true);
        check("[::1]", true);
        check("[0:0:0:0:0:0:0:1]", true);
        check("[::ffff:127.0.0.1]", true);
        check("localhost.evil.example", false);
        check("127.0.0.1.evil.example:80", false);
        check("localhost:7411@evil.example", false);
        check("evil.example@localhost", false);
        check("127.0.0.2", false);
        check("127.1", false);
        check("0x7f.0.0.1", false);
        check("0.0.0.0", false);
        check("evil.example", false);
        check("localhost:", false);
        check("localhost:+80", false);
        check("localhost:65536", false);
        check("localhost.", false);
        check("[::1", false);
        check("::1", false);
        check("[::1]x", false);
        check("localhost localhost", false);
        check("", false);
        check("?", false);
    }

    #[test]
    fn a_page_of_this_machine_may_come_in_and_no_other() {
        let hosts = Hosts::default();
        let check = |origin: &str, good: bool| assert_eq!(hosts.admit_origin(origin, None), good, "{origin}");
        check("http://localhost:3000", true);
        check("https://127.0.0.1", true);
        check("null", false);
        check("file://localhost", false);
        check("http://localhost:3000/x", false);
        check("HTTP://localhost", false);
        check("http://http://localhost", false);
        check("", false);
    }

    #[test]
    fn a_configured_name_counts_at_its_port() {
        let hosts = configured(&["Notes.example:8443", "other.example", "10.0.0.7"]);
        let check = |authority: &str, good: bool| assert_eq!(hosts.admit(authority, None), good, "{authority}");
        check("notes.example:8443", true);
        check("NOTES.example:8443", true);
        check("notes.example", false);
        check("notes.example:443", false);
        check("other.example", true);
        check("other.example:1", true);
        check("x.other.example", false);
        check("10.0.0.7:7411", true);
        check("10.0.0.8:7411", false);
        assert!(hosts.admit_origin("https://notes.example:8443", None));
        assert!(!hosts.admit_origin("https://notes.example", None));
        assert!(
            !hosts.admit_origin("http://notes.example:8443", None),
            "what was not encrypted may be somebody else's"
        );
    }

    #[test]
    fn the_address_at_which_a_request_came_in_counts() {
        let hosts = Hosts::default();
        let reached = |ip: &str| Some(ip.parse::<IpAddr>().unwrap());
        assert!(hosts.admit("192.168.1.4:7411", reached("192.168.1.4")));
        assert!(hosts.admit("192.168.1.4:7411", reached("::ffff:192.168.1.4")));
        assert!(!hosts.admit("192.168.1.5:7411", reached("192.168.1.4")));
        assert!(hosts.admit("[fe80::1]", reached("fe80::1")));
        assert!(hosts.admit_origin("https://192.168.1.4:7411", reached("192.168.1.4")));
        assert!(!hosts.admit_origin("http://192.168.1.4:7411", reached("192.168.1.4")));
        assert!(hosts.admit_origin("http://127.8.8.8:7411", reached("127.8.8.8")));
    }

    #[test]
    fn what_is_no_name_cannot_be_configured() {
        for text in ["", "a b", "https://a.example", "a.example/", "a.example:0x1", "*", "*.example", "ä.example"] {
            let error = text.parse::<AllowedHost>().unwrap_err();
            assert!(error.to_string().contains("not the name of a machine"), "{error}");
        }
        assert_eq!("A.example:1".parse::<AllowedHost>().unwrap().to_string(), "a.example:1");
        assert_eq!("[::1]:8".parse::<AllowedHost>().unwrap().with_port(9), "[::1]:8");
        assert_eq!("a.example".parse::<AllowedHost>().unwrap().with_port(9), "a.example:9");
    }
}
