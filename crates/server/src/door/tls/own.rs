//! The door's own certificate.
//!
//! Its key stays, and so does the certificate as long as it has every name that is asked of it: whoever trusts its
//! fingerprint should not be asked again. It does not expire: nobody renews it, and what it is trusted for is the
//! fingerprint.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use antiphon_node::home::Home;
use data_encoding::BASE64;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, SerialNumber};
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::ParsedCertificate;
use zeroize::Zeroizing;

use super::super::Error;
use super::Identity;

/// What the certificate calls its owner.
const COMMON_NAME: &str = "antiphon";
/// Bytes of a serial number. It is drawn anew for every certificate: browsers refuse two with the same.
const SERIAL_BYTES: usize = 16;

/// The certificate for `names`, made if the one in the home does not have them all.
pub(super) fn identity(home: &Home, names: &[String]) -> Result<Identity, Error> {
    let path = home.http_certificate();
    let wrong = |reason: String| Error::Certificate { path: path.clone(), reason };
    let key = key(home)?;
    if let Some(kept) = kept(&path).map_err(|error| wrong(error.to_string()))? {
        // One that is damaged, or of another key, is replaced like one that lacks a name.
        if names.iter().all(|name| has(&kept, name))
            && let Ok(identity) = Identity::new(vec![kept], private(&key))
        {
            return Ok(identity);
        }
    }
    let made = make(&key, names).map_err(&wrong)?;
    write(&path, made.pem().as_bytes()).map_err(|error| wrong(error.to_string()))?;
    Identity::new(vec![made.der().clone()], private(&key)).map_err(wrong)
}

/// The key, as text in its file: made at first use.
fn key(home: &Home) -> Result<KeyPair, Error> {
    let unusable = |reason: String| Error::Certificate { path: home.http_key(), reason };
    let fresh = KeyPair::generate().map_err(|error| unusable(error.to_string()))?;
    let text = antiphon_node::http_key(home, Zeroizing::new(BASE64.encode(fresh.serialized_der())))?;
    let bytes = BASE64.decode(text.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.map_err(|error| unusable(error.to_string()))?;
    let key = PrivatePkcs8KeyDer::from(bytes.as_slice());
    KeyPair::try_from(&key).map_err(|error| unusable(error.to_string()))
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()))
}

fn kept(path: &Path) -> io::Result<Option<CertificateDer<'static>>> {
    match fs::read(path) {
        Ok(text) => Ok(CertificateDer::from_pem_slice(&text).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn has(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(parsed), Ok(name)) = (ParsedCertificate::try_from(certificate), ServerName::try_from(name)) else {
        return false;
    };
    verify_server_name(&parsed, &name).is_ok()
}

fn make(key: &KeyPair, names: &[String]) -> Result<rcgen::Certificate, String> {
    let mut serial = [0; SERIAL_BYTES];
    getrandom::fill(&mut serial).map_err(|error| error.to_string())?;
    // A number is positive.
    serial[0] &= 0x7f;
    let mut params = CertificateParams::new(names).map_err(|error| error.to_string())?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, COMMON_NAME);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.self_signed(key).map_err(|error| error.to_string())
}

/// Under another name first: a crash leaves the old certificate or the new one.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_certificate_stays_until_it_lacks_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let first = identity(&home, &names(&["localhost", "127.0.0.1", "10.0.0.7"])).unwrap().fingerprint;
        let again = identity(&home, &names(&["10.0.0.7"])).unwrap().fingerprint;
        assert_eq!(first, again);
        for path in [home.http_key(), home.http_certificate()] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let key = fs::read(home.http_key()).unwrap();
        let more = identity(&home, &names(&["notes.example", "10.0.0.7"])).unwrap().fingerprint;
        assert_ne!(first, more);
        assert_eq!(fs::read(home.http_key()).unwrap(), key, "the key stays");
        assert_eq!(first.len(), 32 * 3 - 1);
    }

    #[test]
    fn a_damaged_certificate_is_replaced_and_a_damaged_key_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let names = names(&["localhost"]);
        let first = identity(&home, &names).unwrap().fingerprint;
        fs::write(home.http_certificate(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let second = identity(&home, &names).unwrap().fingerprint;
        assert_ne!(first, second);
        // That of another key.
        let other = tempfile::tempdir().unwrap();
        let others = Home::new(other.path());
        identity(&others, &names).unwrap();
        fs::copy(others.http_certificate(), home.http_certificate()).unwrap();
        let third = identity(&home, &names).unwrap().fingerprint;
        assert_ne!(third, identity(&others, &names).unwrap().fingerprint);
        fs::write(home.http_key(), "bm90IGEga2V5\n").unwrap();
        assert!(matches!(identity(&home, &names), Err(Error::Certificate { path, .. }) if path == home.http_key()));
        fs::set_permissions(home.http_key(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(identity(&home, &names), Err(Error::Node(_))), "others could read the key");
    }
}
