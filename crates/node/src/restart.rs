//! Making a home again from its recovery phrase.

use std::sync::Arc;

use antiphon_core::ids::NodeId;
use antiphon_core::sign::Signer;
use antiphon_store::{Db, Options};
use antiphon_vault::phrase::Phrase;
use antiphon_vault::{NodeKey, file};

use crate::api::Error;
use crate::config::Config;
use crate::start::found;

/// What became of a home and a phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restarted {
    /// The key.
    pub node_id: NodeId,
    /// Whether the home was made now; else it held this key already.
    pub made: bool,
}

/// Makes a home with the key of `phrase` and a team of one in it. A home that has this very key is left as it is.
///
/// # Errors
/// [`Error::Phrase`] with the word that is wrong, [`Error::OtherKeyInHome`], [`Error::Home`] when a node runs on it,
/// [`Error::Key`], [`Error::Store`].
pub fn init_from_phrase(config: &Config, phrase: &str) -> Result<Restarted, Error> {
    let phrase: Phrase = phrase.parse()?;
    let key = Arc::new(NodeKey::from_phrase(&phrase)?);
    let node_id = key.node_id();
    if config.home.key().exists() {
        let node = file::load(&config.home.key())?.node_id();
        if node != node_id {
            return Err(Error::OtherKeyInHome { home: config.home.path().display().to_string(), node });
        }
        return Ok(Restarted { node_id, made: false });
    }
    config.home.create()?;
    let _lock = config.home.lock()?;
    // The key comes last: a home without one is not in use, whatever else is in it.
    let mut db = Db::open(config.home.path(), Options::default(), Some(key.clone() as Arc<dyn Signer>))?;
    if db.own().is_none() {
        found(&mut db, config, &key)?;
    }
    drop(db);
    file::create(&config.home.key(), &key)?;
    Ok(Restarted { node_id, made: true })
}
