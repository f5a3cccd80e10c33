//! `[http]`: the door for browsers, programs and agents that cannot open the control socket.

use std::net::SocketAddr;
use std::path::Path;

use antiphon_server::door::{AllowedHost, CertificateFiles, HTTP_DEFAULT, HttpSettings, SESSIONS_PER_MINUTE_DEFAULT};

use super::setting::{Setting, Short, Wrong};
use super::value::{Kind, Value};
use super::wanted::Wanted;

/// Most sessions that one address may begin in a minute.
const SESSIONS_PER_MINUTE_MAX: u64 = 1_000_000;

/// The setting for the address. As long as nobody gives one, any port will do where the usual one is taken.
pub(crate) const LISTEN: &str = "http.listen";

/// What is wanted of the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpWanted {
    /// Whether it is opened.
    pub(crate) enabled: bool,
    /// Where it listens.
    pub(crate) listen: String,
    /// Under which other names it may be reached.
    pub(crate) hosts: Vec<AllowedHost>,
    /// How many sessions of agents one address may begin in a minute.
    pub(crate) sessions_per_minute: u32,
    /// Its certificate, in PEM.
    pub(crate) tls_cert: Option<String>,
    /// The key of that.
    pub(crate) tls_key: Option<String>,
}

impl Default for HttpWanted {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: HTTP_DEFAULT.to_owned(),
            hosts: Vec::new(),
            sessions_per_minute: SESSIONS_PER_MINUTE_DEFAULT,
            tls_cert: None,
            tls_key: None,
        }
    }
}

impl HttpWanted {
    /// How the door of a node at `home` is. Files are looked for there, if their paths begin nowhere else.
    pub(crate) fn settings(&self, home: &Path) -> HttpSettings {
        let files = self.tls_cert.as_ref().zip(self.tls_key.as_ref());
        let certificate =
            files.map(|(cert, key)| CertificateFiles { certificate: home.join(cert), key: home.join(key) });
        HttpSettings {
            hosts: self.hosts.clone(),
            certificate,
            sessions_per_minute: self.sessions_per_minute,
            ..HttpSettings::default()
        }
    }
}

/// What must hold between the settings.
pub(super) fn agree(wanted: &Wanted) -> Result<(), (&'static str, Wrong)> {
    let wrong = |which, other: &str| {
        Err((which, Wrong::new(format!("it needs {other} beside it"), "set both to files in PEM, or neither")))
    };
    match (&wanted.http.tls_cert, &wanted.http.tls_key) {
        (Some(_), None) => wrong("http.tls_cert", "http.tls_key"),
        (None, Some(_)) => wrong("http.tls_key", "http.tls_cert"),
        _ => Ok(()),
    }
}

/// The table.
pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "http.enabled",
        Kind::Flag,
        "whether the HTTP door is opened",
        |wanted| Value::Flag(wanted.http.enabled),
        |wanted, value| {
            if let Value::Flag(enabled) = value {
                wanted.http.enabled = *enabled;
            }
            Ok(())
        },
    )
    .flag("--no-http")
    .short(Short::Not("ANTIPHON_NO_HTTP")),
    Setting::new(
        "http.hosts",
        Kind::List,
        "names under which it may be reached, beside those of this machine; with a port, at that port only",
        |wanted| Value::List(wanted.http.hosts.iter().map(ToString::to_string).collect()),
        |wanted, value| {
            if let Value::List(hosts) = value {
                wanted.http.hosts = hosts.iter().map(|host| named(host)).collect::<Result<_, _>>()?;
            }
            Ok(())
        },
    ),
    Setting::new(
        LISTEN,
        Kind::Text,
        "where it listens; port 0 picks a free one, and so does the default where it is taken. Anywhere but on loopback it \
         speaks TLS only",
        |wanted| Value::Text(wanted.http.listen.clone()),
        |wanted, value| {
            if let Value::Text(listen) = value {
                wanted.http.listen = address(listen)?;
            }
            Ok(())
        },
    )
    .flag("--http")
    .short(Short::Same("ANTIPHON_HTTP")),
    Setting::new(
        "http.sessions_per_minute",
        Kind::Number { least: 1, most: SESSIONS_PER_MINUTE_MAX },
        "how many sessions of agents one address may begin in a minute",
        |wanted| Value::Number(wanted.http.sessions_per_minute.into()),
        |wanted, value| {
            if let Value::Number(count) = value {
                wanted.http.sessions_per_minute = u32::try_from(*count).unwrap_or(u32::MAX);
            }
            Ok(())
        },
    ),
    Setting::new(
        "http.tls_cert",
        Kind::Text,
        "file of its certificate and those that vouch for it, in PEM; a renewed one is taken without a restart",
        |wanted| option(wanted.http.tls_cert.as_ref()),
        |wanted, value| {
            wanted.http.tls_cert = file(value);
            Ok(())
        },
    )
    .unset("one of its own, where it needs one"),
    Setting::new(
        "http.tls_key",
        Kind::Text,
        "file of the certificate's private key, in PEM",
        |wanted| option(wanted.http.tls_key.as_ref()),
        |wanted, value| {
            wanted.http.tls_key = file(value);
            Ok(())
        },
    )
    .unset("one of its own, where it needs one"),
];

fn option(text: Option<&String>) -> Value {
    text.map_or(Value::Unset, |text| Value::Text(text.clone()))
}

fn file(value: &Value) -> Option<String> {
    match value {
        Value::Text(path) if !path.is_empty() => Some(path.clone()),
        _ => None,
    }
}

fn named(text: &str) -> Result<AllowedHost, Wrong> {
    text.trim().parse().map_err(|error: antiphon_server::door::HostError| {
        Wrong::new(error.to_string(), "write it as notes.example, or notes.example:8443")
    })
}

/// An address, if it is one. Whether it may be listened at, the door decides.
fn address(text: &str) -> Result<String, Wrong> {
    let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let parsed: Result<SocketAddr, _> = named.as_deref().unwrap_or(text).parse();
    let wrong = || {
        Wrong::new(format!("{text:?} is not an address to listen at"), "write it as 127.0.0.1:7411; port 0 picks one")
    };
    parsed.map(|_| text.to_owned()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::super::{Environment, File, Resolved};
    use super::*;

    fn read(text: &str) -> Result<HttpWanted, String> {
        let file = File::parse(text, "f.toml").map_err(|problem| problem.to_string())?;
        let resolved = Resolved::of(&file, &Environment::default(), &[], "f.toml");
        resolved.map(|resolved| resolved.wanted.http).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_door_for_other_machines_is_described_by_its_names_and_its_certificate() {
        let text = "[http]\nlisten = \"0.0.0.0:7411\"\nhosts = [\"Notes.example:8443\"]\nsessions_per_minute = 7\n\
                    tls_cert = \"cert.pem\"\ntls_key = \"/etc/key.pem\"\n";
        let settings = read(text).unwrap().settings(Path::new("/home/alice"));
        assert_eq!(settings.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["notes.example:8443"]);
        let files = settings.certificate.unwrap();
        assert_eq!(
            (files.certificate.as_path(), files.key.as_path()),
            (Path::new("/home/alice/cert.pem"), Path::new("/etc/key.pem"))
        );
        assert_eq!(settings.sessions_per_minute, 7);
    }

    #[test]
    fn half_a_certificate_and_what_is_no_name_are_told() {
        let check = |text: &str, words: &[&str]| {
            let told = read(text).unwrap_err();
            assert!(words.iter().all(|word| told.contains(word)), "{told}");
        };
        check("[http]\ntls_cert = \"c.pem\"", &["f.toml:2", "http.tls_key"]);
        check("[http]\ntls_key = \"k.pem\"", &["f.toml:2", "http.tls_cert"]);
        check("[http]\nhosts = [\"https://notes.example/\"]", &["f.toml:2", "notes.example:8443"]);
        check("[http]\nhost = [\"notes.example\"]", &["did you mean hosts?"]);
        check("[http]\nsessions_per_minute = 0", &["whole number"]);
    }
}
