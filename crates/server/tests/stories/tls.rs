//! The HTTP door where other machines can reach it.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use antiphon_server::door::{CertificateFiles, HttpSettings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::common::Alice;
use crate::raw::{Reply, exchange, request};

/// A client that trusts one certificate.
fn trusting(certificate: CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn port(alice: &Alice) -> u16 {
    alice.authority().rsplit(':').next().unwrap().parse().unwrap()
}

async fn connect(alice: &Alice, client: &TlsConnector, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port(alice))).await.unwrap();
    client.connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

async fn ask(alice: &Alice, client: &TlsConnector, name: &str, host: &str, token: Option<String>) -> Reply {
    let mut headers = vec![format!("host: {host}")];
    headers.extend(token.map(|token| format!("authorization: {token}")));
    let stream = connect(alice, client, name).await.unwrap();
    exchange(stream, &request("GET /api/v1/status HTTP/1.1", &headers, "")).await
}

fn open(hosts: &[&str]) -> HttpSettings {
    HttpSettings { hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(), ..HttpSettings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_others_can_reach_speaks_tls_only() {
    let alice = Alice::start_at("0.0.0.0:0", open(&["notes.example"])).await;
    let port = port(&alice);
    assert_eq!(alice.url, format!("https://notes.example:{port}"));
    let path = alice.home.http_certificate();
    for path in [&path, &alice.home.http_key()] {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let client = trusting(CertificateDer::from_pem_file(&path).unwrap());
    for (name, host) in [
        ("notes.example", format!("notes.example:{port}")),
        ("127.0.0.1", format!("127.0.0.1:{port}")),
        ("localhost", "localhost".to_owned()),
    ] {
        let reply = ask(&alice, &client, name, &host, Some(alice.bearer())).await;
        assert_eq!(reply.status, 200, "{host}: {}", reply.body);
        assert_eq!(reply.header("strict-transport-security"), None, "nobody but the door vouches for it");
    }
    assert_eq!(ask(&alice, &client, "localhost", "localhost", None).await.status, 401);
    assert_eq!(ask(&alice, &client, "localhost", "evil.example", Some(alice.bearer())).await.status, 403);
    assert!(connect(&alice, &client, "evil.example").await.is_err(), "the certificate does not name it");
    let status = alice.client.status().await.unwrap();
    assert_eq!(status.http_certificate, alice.certificate());
    assert_eq!(status.http_certificate.unwrap().split(':').count(), 32);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_without_encryption_is_told_where_to_go() {
    let alice = Alice::start_at("0.0.0.0:0", open(&["notes.example"])).await;
    for line in ["GET /healthz HTTP/1.1", "POST /mcp HTTP/1.1", "nonsense"] {
        let stream = TcpStream::connect(("127.0.0.1", port(&alice))).await.unwrap();
        let headers = ["host: localhost".to_owned(), format!("authorization: {}", alice.bearer())];
        let reply = exchange(stream, &request(line, &headers, "")).await;
        assert_eq!(reply.status, 403, "{line}");
        assert!(reply.body.contains("https://notes.example:"), "{}", reply.body);
        assert!(!reply.body.contains(&alice.token));
    }
    alice.stop().await;
}

/// A certificate as another program would write it.
fn write(files: &CertificateFiles, name: &str) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned(), "localhost".to_owned()]).unwrap();
    std::fs::write(&files.key, made.key_pair.serialize_pem()).unwrap();
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    made.cert.der().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_a_person_is_used_and_its_renewal_taken() {
    let dir = tempfile::tempdir().unwrap();
    let files = CertificateFiles { certificate: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
    let first = write(&files, "notes.example");
    let settings = HttpSettings { certificate: Some(files.clone()), ..open(&["notes.example"]) };
    let alice = Alice::start_at("0.0.0.0:0", settings).await;
    assert!(!alice.home.http_key().exists(), "it needs none of its own");
    let client = trusting(first);
    let host = format!("notes.example:{}", port(&alice));
    assert_eq!(ask(&alice, &client, "notes.example", &host, Some(alice.bearer())).await.status, 200);
    let before = alice.client.status().await.unwrap().http_certificate;
    // Half of a renewal, or nonsense, changes nothing.
    std::fs::write(&files.certificate, "nonsense").unwrap();
    assert_eq!(ask(&alice, &client, "notes.example", &host, Some(alice.bearer())).await.status, 200);
    let second = write(&files, "notes.example");
    assert!(connect(&alice, &client, "notes.example").await.is_err(), "the first one is gone");
    let client = trusting(second);
    assert_eq!(ask(&alice, &client, "notes.example", &host, Some(alice.bearer())).await.status, 200);
    assert_ne!(alice.client.status().await.unwrap().http_certificate, before);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_told_to_insist_on_a_certificate_of_a_person_but_not_on_loopback() {
    let dir = tempfile::tempdir().unwrap();
    let files = CertificateFiles { certificate: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
    let client = trusting(write(&files, "notes.example"));
    let settings = HttpSettings { certificate: Some(files), ..open(&["notes.example"]) };
    let alice = Alice::start_at("127.0.0.1:0", settings).await;
    let reply = ask(&alice, &client, "localhost", "localhost", Some(alice.bearer())).await;
    assert_eq!((reply.status, reply.header("strict-transport-security")), (200, None));
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_used_costs_the_http_door_only() {
    let dir = tempfile::tempdir().unwrap();
    let files = CertificateFiles { certificate: dir.path().join("none.pem"), key: dir.path().join("none.key") };
    let settings = HttpSettings { certificate: Some(files), ..HttpSettings::default() };
    let home = antiphon_node::Home::new(dir.path().join("home"));
    let config = antiphon_node::Config {
        listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
        mdns: false,
        ..antiphon_node::Config::new(home.clone())
    };
    let node = antiphon_node::Node::start(config).await.unwrap();
    let options = antiphon_server::door::DoorOptions {
        http_settings: settings,
        ..antiphon_server::door::DoorOptions::new(home.clone(), Some("127.0.0.1:0".into()))
    };
    let (close, closed) = tokio::sync::oneshot::channel::<()>();
    let running = antiphon_server::door::serve(node.handle(), options, async { closed.await.unwrap() }).await.unwrap();
    assert_eq!(running.http_url, None);
    let status = antiphon_server::client::Client::new(home.socket()).status().await.unwrap();
    let problem = status.problems.iter().find(|problem| problem.what.contains("none.pem")).unwrap();
    assert!(problem.fix.contains("http.tls_cert"), "{problem:?}");
    close.send(()).unwrap();
    running.finished().await;
    node.handle().shutdown().await;
    node.stopped().await;
}
