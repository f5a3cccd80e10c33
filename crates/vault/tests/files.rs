//! Key files and other secret files: who may read them, what is refused, and who wins a race.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use antiphon_vault::private_file::FILE_BYTES_MAX;
use antiphon_vault::{NodeKey, Phrase, file, random, secret_file};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// The key file of the root 0x11 × 32. A file written by any version must stay readable.
const VECTOR_FILE: &str = "antiphon node key 1
root 1111111111111111111111111111111111111111111111111111111111111111
node 12D3KooWRftYgYQ1qd25d9RmaoZBPXpzUDePmMXrFqqox2FxuX1n
check 89d890add3aa4ad3
";

fn alice() -> NodeKey {
    NodeKey::from_phrase(&Phrase::from_entropy(&[0x11; 32]).unwrap()).unwrap()
}

fn home() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(file::FILE_NAME);
    (home, path)
}

fn write(path: &Path, content: impl AsRef<[u8]>, mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn alice_finds_her_key_again_after_a_restart() {
    let (home, path) = home();
    file::create(&path, &alice()).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(fs::read_to_string(&path).unwrap(), VECTOR_FILE);
    let again = file::load(&path).unwrap();
    assert_eq!(again.node_id(), alice().node_id());
    assert_eq!(again.age_recipient(), alice().age_recipient());
    assert_eq!(*again.phrase().expose(), *alice().phrase().expose());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "no temporary file stays behind");
}

#[test]
fn a_missing_key_file_is_told_from_a_bad_one() {
    let (_home, path) = home();
    let error = file::load(&path).unwrap_err();
    assert!(error.is_not_found() && error.hint().is_none());
    assert_eq!(error.to_string(), format!("key file {} does not exist", path.display()));
    write(&path, "", 0o600);
    assert!(!file::load(&path).unwrap_err().is_not_found());
    assert!(file::create(&path.join("below/a/file"), &alice()).is_err());
}

#[test]
fn an_existing_key_is_never_overwritten() {
    let (home, path) = home();
    file::create(&path, &alice()).unwrap();
    let (eve, _) = NodeKey::generate().unwrap();
    assert!(file::create(&path, &eve).unwrap_err().is_exists());
    assert_eq!(file::load(&path).unwrap().node_id(), alice().node_id());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    // Nor is a link that leads nowhere followed.
    let link = home.path().join("link");
    symlink(home.path().join("nowhere"), &link).unwrap();
    assert!(file::create(&link, &eve).unwrap_err().is_exists());
    assert!(!home.path().join("nowhere").exists());
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_cure() {
    let (_home, path) = home();
    file::create(&path, &alice()).unwrap();
    for loose in [0o644, 0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o666, 0o4755] {
        fs::set_permissions(&path, Permissions::from_mode(loose)).unwrap();
        let error = file::load(&path).unwrap_err();
        let expected =
            format!("key file {} can be read by others: its mode is {loose:04o}, it must be 0600", path.display());
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.hint().unwrap(), format!("chmod 600 {}", path.display()));
    }
    for tight in [0o600, 0o400] {
        fs::set_permissions(&path, Permissions::from_mode(tight)).unwrap();
        file::load(&path).unwrap();
    }
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let (home, path) = home();
    let check = |expected: &str| {
        let error = file::load(&path).unwrap_err().to_string();
        assert_eq!(error, format!("key file {} is {expected}, it must be a regular file", path.display()));
    };
    let real = home.path().join("real");
    file::create(&real, &alice()).unwrap();
    symlink(&real, &path).unwrap();
    check("a symbolic link");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    check("a directory");
    fs::remove_dir(&path).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    check("a socket or a device");
    drop(socket);
    fs::remove_file(&path).unwrap();
    let pipe = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, pipe, 0).unwrap();
    check("a pipe or a device");
}

#[test]
fn every_kind_of_damage_is_named() {
    let (_home, path) = home();
    let check = |content: &[u8], expected: &str| {
        write(&path, content, 0o600);
        let error = file::load(&path).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(expected), "{shown}");
        assert!(!shown.contains("1111"), "{shown}");
    };
    let edit = |from: &str, to: &str| VECTOR_FILE.replacen(from, to, 1).into_bytes();
    check(b"", "is not an antiphon key file");
    check(b"\xff\xfe\x00", "is not an antiphon key file");
    check(b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "is not an antiphon key file");
    check(&edit("key 1", "key 2"), "has a format that this version does not know");
    check(&edit("1111", "1112"), "damaged: its checksum fails");
    check(&edit("root", "r\u{f6}\u{f6}t"), "damaged: its checksum fails");
    check(&edit("12D3KooWR", "12D3KooWS"), "damaged: its checksum fails");
    check(&edit("check ", "check 0"), "damaged: its checksum fails");
    check(&edit("root ", "root\n"), "damaged: it does not have 4 lines");
    check(&VECTOR_FILE.as_bytes()[..60], "damaged: it does not have 4 lines");
    check(&[VECTOR_FILE.as_bytes(), b"\xff"].concat(), "damaged: it is not text");
    check(&[b' '; FILE_BYTES_MAX], "is not an antiphon key file");
    check(&[b' '; FILE_BYTES_MAX + 1], "is larger than 4096 bytes");
}

#[test]
fn a_whole_file_that_names_another_node_is_refused() {
    let (_home, path) = home();
    let eve = NodeKey::generate().unwrap().0.node_id();
    let (lines, _) = VECTOR_FILE.rsplit_once("check ").unwrap();
    let lines = lines.replace(&alice().node_id().to_string(), &eve.to_string());
    let digest = Sha256::new().chain_update("antiphon/node-key-file/1").chain_update(&lines).finalize();
    write(&path, format!("{lines}check {}\n", HEXLOWER.encode(&digest[..8])), 0o600);
    let error = file::load(&path).unwrap_err();
    assert!(matches!(error, file::Error::Mismatch { stated, derived, .. }
        if stated == eve && derived == alice().node_id()));
}

#[test]
fn an_editor_that_changed_the_line_ends_did_no_damage() {
    let (_home, path) = home();
    for content in [VECTOR_FILE.replace('\n', "\r\n"), VECTOR_FILE.trim_end().to_owned()] {
        write(&path, content, 0o600);
        assert_eq!(file::load(&path).unwrap().node_id(), alice().node_id());
    }
}

/// Runs eight threads that start together.
fn race<T: Send>(run: impl Fn(u8) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(8);
    let run = |number| {
        start.wait();
        run(number)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || run(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn of_many_that_create_a_key_at_once_exactly_one_wins() {
    for _ in 0..20 {
        let (home, path) = home();
        let results = race(|number| {
            let key = NodeKey::from_phrase(&Phrase::from_entropy(&[number; 32]).unwrap()).unwrap();
            file::create(&path, &key).map(|()| key.node_id())
        });
        let winners: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
        assert_eq!(winners.len(), 1);
        assert!(results.iter().all(|result| result.as_ref().map_or_else(file::Error::is_exists, |_| true)));
        assert_eq!(file::load(&path).unwrap().node_id(), *winners[0]);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_token_is_made_once_and_then_kept() {
    let (home, path) = home();
    assert!(secret_file::read(&path).unwrap_err().is_not_found());
    let made = secret_file::read_or_create(&path, random::token).unwrap();
    assert_eq!(mode(&path), 0o600);
    let never = || panic!("a kept secret is not made again");
    assert_eq!(*secret_file::read_or_create(&path, never).unwrap(), *made);
    assert_eq!(*secret_file::read(&path).unwrap(), *made);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", *made));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn all_that_make_a_token_at_once_get_the_same() {
    for _ in 0..20 {
        let (_home, path) = home();
        let tokens = race(|_| secret_file::read_or_create(&path, random::token).unwrap());
        assert!(tokens.iter().all(|token| **token == *tokens[0]));
    }
}

#[test]
fn a_bad_token_file_is_refused_and_left_alone() {
    let (_home, path) = home();
    let check = |content: &[u8], mode: u32, expected: &str| {
        write(&path, content, mode);
        let error = secret_file::read_or_create(&path, random::token).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"));
        assert_eq!(fs::read(&path).unwrap(), content);
        error.hint()
    };
    let hint = check(b"s3cret\n", 0o644, "secret file ");
    assert_eq!(hint.unwrap(), format!("chmod 600 {}", path.display()));
    assert_eq!(check(b"s3cret\n", 0o660, "its mode is 0660, it must be 0600"), hint_of(&path));
    assert_eq!(check(b"", 0o600, "is empty"), None);
    check(b"\n", 0o600, "is empty");
    check(b"s3cret\ns3cret\n", 0o600, "more than one line");
    check(b"s3cret \n", 0o600, "begins or ends with a space");
    check(b"s3cret\xff\n", 0o600, "is not text");
    check(&[b'x'; FILE_BYTES_MAX + 1], 0o600, "is larger than");
}

fn hint_of(path: &Path) -> Option<String> {
    Some(format!("chmod 600 {}", path.display()))
}

#[test]
fn a_secret_that_could_not_be_read_back_is_not_written() {
    let (home, path) = home();
    for bad in ["", "two\nlines", " space", &"x".repeat(FILE_BYTES_MAX)] {
        secret_file::read_or_create(&path, || Ok(Zeroizing::new(bad.to_owned()))).unwrap_err();
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    let longest = "x".repeat(FILE_BYTES_MAX - 1);
    secret_file::read_or_create(&path, || Ok(Zeroizing::new(longest.clone()))).unwrap();
    assert_eq!(*secret_file::read(&path).unwrap(), longest);
}
