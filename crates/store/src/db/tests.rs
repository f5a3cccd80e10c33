//! What a crash or a failure in the middle of a transaction leaves behind: nothing.

use super::*;
use crate::view::{Draft, Identity};
use antiphon_core::charter::Revoke;
use antiphon_core::event::Provenance;
use antiphon_core::fact::{Edit, Field};
use antiphon_core::genome::Genome;
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::sign::Signature;
use antiphon_core::time::UnixMillis;
use ed25519_dalek::Signer as _;

const NOW: UnixMillis = UnixMillis(1_760_000_000_000);

struct Key(ed25519_dalek::SigningKey);

impl Signer for Key {
    fn node_id(&self) -> NodeId {
        NodeId(self.0.verifying_key().to_bytes())
    }
    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

fn key() -> Arc<Key> {
    Arc::new(Key(ed25519_dalek::SigningKey::from_bytes(&[1; 32])))
}

fn alice(home: &Path) -> Db {
    let mut db = Db::open(home, Options::default(), Some(key())).unwrap();
    if db.own().is_none() {
        let node = key().node_id();
        let genome = Genome::found("acme", &[1; 32], &node).unwrap();
        let identity = Identity { node, name: "alice".into(), nonce: [1; 16], previous: None };
        db.found(&identity, &genome, NOW, [1; 32]).unwrap();
    }
    db
}

fn remember(db: &mut Db, n: u8) -> Result<FactId, Error> {
    let edit = Edit::new().set(Field::Content, format!("fact {n}").as_str().into());
    let draft = Draft::Remember { id: None, edit, provenance: Provenance::default(), idempotency_key: None };
    let results = db.author(&[draft], NOW, [n; 32])?;
    Ok(results[0].clone().unwrap().fact.unwrap())
}

fn check(db: &Db, facts: u64) {
    let report = db.reader().verify().unwrap();
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.facts, facts);
}

#[test]
fn a_crash_in_the_middle_of_a_transaction_leaves_nothing_of_it() {
    let home = tempfile::tempdir().unwrap();
    let mut db = alice(home.path());
    remember(&mut db, 1).unwrap();
    db.begin().unwrap();
    remember(&mut db, 2).unwrap();
    drop(db);
    let mut db = alice(home.path());
    check(&db, 1);
    remember(&mut db, 3).unwrap();
    check(&db, 2);
}

#[test]
fn a_job_that_fails_harms_no_other_of_its_commit() {
    let home = tempfile::tempdir().unwrap();
    let mut db = alice(home.path());
    db.begin().unwrap();
    let first = remember(&mut db, 1).unwrap();
    let failed: Result<(), Error> = db.transaction(|db| {
        remember(db, 2)?;
        Err(Error::NotFound("eve".into()))
    });
    assert!(failed.unwrap_err().is_not_found());
    let third = remember(&mut db, 3).unwrap();
    db.commit().unwrap();
    check(&db, 2);
    for fact in [first, third] {
        assert!(db.reader().fact(fact).unwrap().is_some());
    }
    drop(db);
    let mut db = alice(home.path());
    remember(&mut db, 4).unwrap();
    check(&db, 3);
}

#[test]
fn a_commit_that_fails_is_as_if_it_had_not_been() {
    let home = tempfile::tempdir().unwrap();
    let mut db = alice(home.path());
    let signer = db.signer.clone();
    db.begin().unwrap();
    remember(&mut db, 1).unwrap();
    // Without a key the head cannot be signed, and nothing unsigned may reach the disk.
    db.signer = None;
    assert!(matches!(db.commit(), Err(Error::NoSigner)));
    db.signer = signer;
    check(&db, 0);
    remember(&mut db, 2).unwrap();
    check(&db, 1);
}

#[test]
fn a_head_that_was_never_committed_is_not_followed_even_when_the_disk_cannot_be_read() {
    let home = tempfile::tempdir().unwrap();
    let mut db = alice(home.path());
    remember(&mut db, 1).unwrap();
    db.begin().unwrap();
    remember(&mut db, 2).unwrap();
    // The disk takes the transaction back, and then cannot be read for a while.
    db.conn.execute_batch("ROLLBACK").unwrap();
    let other = Connection::open(home.path().join(schema::MAIN_FILE)).unwrap();
    other.execute_batch("ALTER TABLE logs RENAME TO unreadable").unwrap();
    assert!(db.roll_back().is_err());
    assert!(db.begin().is_err(), "nothing is written on top of what may not be there");
    other.execute_batch("ALTER TABLE unreadable RENAME TO logs").unwrap();
    remember(&mut db, 3).unwrap();
    check(&db, 2);
}

#[test]
fn what_was_written_before_the_own_log_was_closed_is_signed() {
    let home = tempfile::tempdir().unwrap();
    let mut db = alice(home.path());
    db.begin().unwrap();
    remember(&mut db, 1).unwrap();
    let revoke = Revoke {
        node: key().node_id(),
        reason: "lost".into(),
        compromised: false,
        cuts: vec![],
        role_keys: Vec::new(),
    };
    assert!(db.author(&[Draft::Revoke(revoke)], NOW, [9; 32]).unwrap()[0].is_ok());
    db.commit().unwrap();
    check(&db, 1);
}
