//! Encryption of the HTTP door.
//!
//! On loopback nobody listens in, and a certificate would only be in the way. On every other address the token and
//! the memories would go through other people's machines, so there the door speaks TLS and nothing else: with the
//! certificate that a person gave it, or with one that it makes for itself. Nobody vouches for the latter; who
//! connects compares its fingerprint with the one that `antiphon status` shows.
//!
//! Certificates of a person are short-lived and renewed by other programs. Their files are looked at with every
//! connection, so that a renewal needs no restart; what cannot be used leaves the last good one in place.

mod own;
mod plain;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use antiphon_core::ids::Hash;
use antiphon_node::home::Home;
use data_encoding::HEXUPPER;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Error;

/// The first byte of every connection that begins with encryption.
const HANDSHAKE_RECORD: u8 = 0x16;
/// What is spoken inside.
const HTTP_1_1: &[u8] = b"http/1.1";
/// Longest file of a certificate or a key, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// A certificate of a person: where its files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and those that vouch for it, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// A certificate with its key, ready for use.
#[derive(Debug, Clone)]
struct Identity {
    config: Arc<ServerConfig>,
    fingerprint: String,
}

impl Identity {
    fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, String> {
        let first = chain.first().ok_or("there is no certificate in it")?;
        let fingerprint = fingerprint(first);
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let config = builder.with_no_client_auth().with_single_cert(chain, key);
        let mut config = config.map_err(|error| error.to_string())?;
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Self { config: Arc::new(config), fingerprint })
    }
}

/// SHA-256 of a certificate, as browsers show it.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let Hash(digest) = Hash::of(certificate.as_ref());
    digest.chunks(1).map(|byte| HEXUPPER.encode(byte)).collect::<Vec<_>>().join(":")
}

/// What a file looked like; another look tells whether it was written since.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl CertificateFiles {
    fn stamp(&self) -> Stamp {
        let one = |path: &PathBuf| {
            let meta = fs::metadata(path).ok()?;
            Some((meta.modified().ok()?, meta.len()))
        };
        [one(&self.certificate), one(&self.key)]
    }

    fn load(&self) -> Result<Identity, Error> {
        let wrong = |path: &PathBuf, reason: String| Error::Certificate { path: path.clone(), reason };
        let read = |path: &PathBuf| read_bounded(path).map_err(|error| wrong(path, error.to_string()));
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(&self.certificate)?).collect();
        let chain = chain.map_err(|error| wrong(&self.certificate, error.to_string()))?;
        let text = zeroize::Zeroizing::new(read(&self.key)?);
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| wrong(&self.key, error.to_string()))?;
        Identity::new(chain, key).map_err(|reason| wrong(&self.certificate, reason))
    }
}

fn read_bounded(path: &PathBuf) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    fs::read(path)
}

/// The encryption of a door.
#[derive(Debug)]
pub(crate) struct Tls {
    /// The files of a person's certificate; none if it is the door's own.
    files: Option<CertificateFiles>,
    current: Mutex<(Stamp, Identity)>,
    /// Where the door is, for those who come without encryption.
    url: String,
}

impl Tls {
    /// With a person's certificate.
    pub(super) fn given(files: CertificateFiles, url: String) -> Result<Self, Error> {
        let current = Mutex::new((files.stamp(), files.load()?));
        Ok(Self { files: Some(files), current, url })
    }

    /// With the door's own, which names what is in `names`.
    pub(super) fn own(home: &Home, names: &[String], url: String) -> Result<Self, Error> {
        Ok(Self { files: None, current: Mutex::new((Stamp::default(), own::identity(home, names)?)), url })
    }

    /// SHA-256 of the certificate, as browsers show it.
    pub(crate) fn fingerprint(&self) -> String {
        self.identity().fingerprint
    }

    /// Whether a person gave the certificate, so that clients can be told to insist on it.
    pub(super) fn is_given(&self) -> bool {
        self.files.is_some()
    }

    /// Begins the encryption; `None` for whoever came without, who was told so.
    pub(super) async fn greet(&self, stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
        let mut first = [0];
        match stream.peek(&mut first).await? {
            0 => Ok(None),
            _ if first == [HANDSHAKE_RECORD] => {
                TlsAcceptor::from(self.identity().config).accept(stream).await.map(Some)
            }
            _ => plain::refuse(stream, &self.url).await.map(|()| None),
        }
    }

    fn identity(&self) -> Identity {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(files) = &self.files {
            let stamp = files.stamp();
            if stamp != current.0 {
                current.0 = stamp;
                match files.load() {
                    Ok(identity) => current.1 = identity,
                    Err(error) => tracing::warn!(%error, "the certificate stays as it was"),
                }
            }
        }
        current.1.clone()
    }
}
