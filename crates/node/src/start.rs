//! Starting a node: its home, its key, its store, its network, and the loop over them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use antiphon_core::charter::{GRANT_LIFE_MS, Grant};
use antiphon_core::event::sealed::FactSeals;
use antiphon_core::genome::Genome;
use antiphon_core::ids::{NodeId, ulid_bytes};
use antiphon_core::sign::Signer;
use antiphon_core::time::UnixMillis;
use antiphon_net::{Multiaddr, NetHandle};
use antiphon_protocol::outbox::Source;
use antiphon_store::{Db, Draft, Identity, Options, Own, Store, StoreOptions};
use antiphon_vault::{LiveKeyring, NodeKey, OutboxKey, file, random, secret_file};
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

use crate::api::{Error, StorageOffer, Team};
use crate::audit::Audit;
use crate::backups::Backups;
use crate::changes;
use crate::clock::now;
use crate::config::Config;
use crate::content::Transfers;
use crate::content::{self, Contents};
use crate::custody::Custodian;
use crate::dht::{Foundation, Window};
use crate::event_loop::{Engine, Sources};
use crate::handle::{Handle, Shared};
use crate::held::Held;
use crate::home::{Home, Lock};
use crate::inputs::{INPUTS_MAX, Input};
use crate::keyring;
use crate::outbox::Outbox;
use crate::outbox::pen::Pen;
use crate::peers::Registry;
use crate::ports::{self, Ports};
use crate::replication::{self, Answers};
use crate::rows;
use crate::sealed::{Copies, Sealing};
use crate::tasks::Tasks;
use crate::team::TeamState;

/// Commands that wait for the loop before their senders do.
const COMMANDS_MAX: usize = 64;

/// What a new home was given.
pub struct Initialized {
    /// Its key.
    pub node_id: NodeId,
    /// Its name.
    pub name: String,
    /// The team of one it founded.
    pub team: Team,
    /// The words from which the key can be derived again. This is the only time they are handed out.
    pub phrase: Zeroizing<String>,
}

/// Without the phrase, which must not get into a log.
impl std::fmt::Debug for Initialized {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Initialized");
        out.field("node_id", &self.node_id).field("name", &self.name).field("team", &self.team).finish_non_exhaustive()
    }
}

/// A running node. It runs, and holds its home, until a [`Handle`] shuts it down or the last one is dropped; only
/// [`Node::stopped`] tells when everything is put away.
#[derive(Debug)]
pub struct Node {
    handle: Handle,
    engine: tokio::task::JoinHandle<()>,
}

/// Makes a key, a store and a team of one in a new home.
///
/// # Errors
/// [`Error::Initialized`] when the home holds a node already, [`Error::Home`], [`Error::Key`], [`Error::Store`],
/// [`Error::Genome`] for an unfit team name.
pub fn init(config: &Config) -> Result<Initialized, Error> {
    config.home.create()?;
    let _lock = config.home.lock()?;
    if config.home.key().exists() {
        return Err(Error::Initialized(config.home.path().display().to_string()));
    }
    // Before anything is made, so that a team that cannot be leaves no key behind.
    founding_genome(config, &[0; 32], &NodeId([0; 32]))?;
    let key = Arc::new(create_key(&config.home)?);
    let mut db = Db::open(config.home.path(), Options::default(), Some(key.clone() as Arc<dyn Signer>))?;
    let own = found(&mut db, config, &key)?;
    initialized(config, &key, &own)
}

fn create_key(home: &Home) -> Result<NodeKey, Error> {
    let (key, _) = NodeKey::generate()?;
    file::create(&home.key(), &key)?;
    Ok(key)
}

fn initialized(config: &Config, key: &NodeKey, own: &Own) -> Result<Initialized, Error> {
    let team = Team { id: own.team, name: config.team_name() };
    Ok(Initialized { node_id: own.node, name: own.name.clone(), team, phrase: key.phrase().expose() })
}

fn founding_genome(config: &Config, nonce: &[u8; 32], steward: &NodeId) -> Result<Genome, Error> {
    Ok(Genome::found_with(&config.team_name(), nonce, steward, config.founding.clone())?)
}

/// Founds a team of one, whose first steward grants itself its membership.
pub(crate) fn found(db: &mut Db, config: &Config, key: &NodeKey) -> Result<Own, Error> {
    let (node, name) = (key.node_id(), config.node_name());
    let genome = founding_genome(config, &random::bytes()?, &node)?;
    let identity = Identity { node, name: name.clone(), nonce: fresh_ulid()?, previous: None };
    let own = db.found(&identity, &genome, now(), random::bytes()?)?;
    let not_after = now().after(GRANT_LIFE_MS);
    let grant = Grant {
        node,
        recipient: key.age_recipient(),
        roles: vec!["admin".to_owned()],
        not_after,
        wraps: Vec::new(),
        name,
    };
    for written in db.author(&[Draft::Grant(grant)], now(), random::bytes()?)? {
        let _authored = written?;
    }
    Ok(own)
}

/// A ULID of this moment.
pub(crate) fn fresh_ulid() -> Result<[u8; 16], Error> {
    Ok(ulid_bytes(now(), random::bytes()?))
}

/// The bearer token of the HTTP door, made at first use.
///
/// # Errors
/// [`Error::SecretFile`] when the file cannot be used.
pub fn http_token(home: &Home) -> Result<Zeroizing<String>, Error> {
    Ok(secret_file::read_or_create(&home.token(), random::token)?)
}

/// The private key of the HTTP door's own certificate, as the line of text that was kept first: `fresh`, if there was
/// none before.
///
/// # Errors
/// [`Error::SecretFile`] when the file cannot be used, or others may read it.
pub fn http_key(home: &Home, fresh: Zeroizing<String>) -> Result<Zeroizing<String>, Error> {
    Ok(secret_file::read_or_create(&home.http_key(), || Ok(fresh))?)
}

impl Node {
    /// Starts a node; a new home gets a key, a store and a team of one first.
    ///
    /// # Errors
    /// [`Error::Home`] when another node holds the home, [`Error::Key`], [`Error::Store`], [`Error::NetStart`].
    pub async fn start(config: Config) -> Result<Self, Error> {
        config.home.create()?;
        let lock = config.home.lock()?;
        let fresh = !config.home.key().exists();
        let key = Arc::new(if fresh { create_key(&config.home)? } else { file::load(&config.home.key())? });
        let keys = keyring::of(&key);
        open_home(&config, &key, keys.clone())?;
        let source = random::Source::new()?;
        let options = StoreOptions::new(move || source.draw()).sealing(keys.clone());
        let store = Store::open(config.home.path(), options, Some(key.clone() as Arc<dyn Signer>))?;
        let (handle, engine) = assemble(&config, (key, keys), store, lock).await?;
        Ok(Self { handle, engine })
    }

    /// The door to the node.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the node has stopped and everything is put away.
    pub async fn stopped(self) {
        if let Err(error) = self.engine.await {
            tracing::error!(%error, "the event loop broke");
        }
    }
}

/// Opens the database once by itself: to found the team of a new home, and to say clearly what is wrong with an old
/// one. A key without a team is what a first start leaves that was interrupted.
fn open_home(config: &Config, key: &Arc<NodeKey>, keys: Arc<LiveKeyring>) -> Result<(), Error> {
    let (signer, seals) = (Some(key.clone() as Arc<dyn Signer>), Some(keys as Arc<dyn FactSeals>));
    let mut db = Db::open_sealing(config.home.path(), Options::default(), signer, seals)?;
    if db.own().is_none() {
        found(&mut db, config, key)?;
    }
    Ok(())
}

async fn assemble(
    config: &Config,
    (key, keys): (Arc<NodeKey>, Arc<LiveKeyring>),
    store: Store,
    lock: Lock,
) -> Result<(Handle, tokio::task::JoinHandle<()>), Error> {
    let version = config.agent_version.clone();
    let known = known(&store, version.clone()).await?;
    let mut tasks = Tasks::default();
    let (inputs, inputs_out) = mpsc::channel(INPUTS_MAX);
    let (commands, commands_out) = mpsc::channel(COMMANDS_MAX);
    let table = Foundation::lay(&config.dht, &store, &known.team, commands.clone()).await?;
    let network = network_of(config, &key, table.network(&config.dht));
    let Network { net, events, ports } = Network::open(config, network, &mut tasks)?;
    let table = table.build(store.clone(), key.clone(), net.dht())?;
    tasks.spawn(table.keeper.run());
    let sources = Sources { events, inputs: inputs_out, commands: commands_out, commits: store.committed() };
    let sealing = Sealing::default();
    let (letters, letters_seen) = watch::channel(0);
    let (board, watcher) = changes::board(store.committed(), letters_seen.clone());
    let pen = open_outbox(config, &key, &store).await?;
    let transfers = Transfers::new(store.clone(), net.clone());
    let copies = replication::Foundation::new(config.replication, &store, &transfers, &table.dht, &commands);
    let copies = copies.start(key.clone(), net.clone(), &mut tasks);
    let contents = Contents::new(config.content_cache_bytes);
    tasks.spawn(content::tend(contents.clone(), store.clone(), version.clone()));
    let shared = Arc::new(Shared {
        store: store.clone(),
        net: net.clone(),
        key: key.clone(),
        keys: keys.clone(),
        commands,
        agent_version: version,
        started: now(),
        sealing: sealing.clone(),
        quota_bytes: config.copy_quota_bytes,
        pen: pen.clone(),
        letters: letters_seen,
        board,
        dht: table.dht,
        contents,
        transfers: transfers.clone(),
        care: copies.care,
        asker: copies.asker,
        reserve_bytes: config.reserve_bytes.into(),
        home: config.home.clone(),
        hits: crate::hits::Hits::default(),
        settings: tokio::sync::Mutex::default(),
    });
    tasks.spawn(watcher.run(Arc::downgrade(&shared)));
    let parts = Parts {
        net,
        store,
        key,
        keys,
        known,
        ports,
        sealing,
        pen,
        letters,
        table: table.window,
        transfers,
        answers: copies.answers,
        presence: copies.shown,
        inputs,
        tasks,
    };
    Ok((Handle { shared }, detach(parts.engine(config)?, sources, lock)))
}

fn detach(engine: Engine, sources: Sources, lock: Lock) -> tokio::task::JoinHandle<()> {
    Tasks::detach(async move {
        engine.run(sources).await;
        // Not before: nobody else may open the database while the loop has it, whoever holds on to the node.
        drop(lock);
    })
}

/// What the event loop is put together from.
struct Parts {
    net: NetHandle,
    store: Store,
    key: Arc<NodeKey>,
    keys: Arc<LiveKeyring>,
    known: Known,
    ports: watch::Sender<Ports>,
    sealing: Sealing,
    pen: Pen,
    letters: watch::Sender<u64>,
    table: Window,
    transfers: Transfers,
    answers: Answers,
    presence: crate::replication::presence::Shown,
    inputs: mpsc::Sender<Input>,
    tasks: Tasks,
}

impl Parts {
    /// The loop before anything has happened.
    fn engine(self, config: &Config) -> Result<Engine, Error> {
        let Known { team, held, mode, peers, backups } = self.known;
        Ok(Engine {
            net: self.net,
            store: self.store,
            key: self.key,
            keys: self.keys,
            team,
            held,
            peers: registry_of(peers),
            mode,
            storage: StorageOffer::of(config.storage),
            sessions: BTreeMap::new(),
            greeting: BTreeSet::new(),
            opening: BTreeSet::new(),
            timers: BTreeSet::new(),
            listen: Vec::new(),
            ports: self.ports,
            epochs: 0,
            moves: 0,
            unkept: rows::Unkept::default(),
            backups: Backups::load(backups),
            audit: Audit::default(),
            copies: Copies::new(config.copy_quota_bytes, self.sealing),
            custodian: Custodian::default(),
            keyless_since: None,
            outbox: Outbox::new(self.pen, config.outbox.retry_ms)?,
            letters: self.letters,
            table: self.table,
            transfers: self.transfers,
            answers: self.answers,
            presence: self.presence,
            rates: crate::rated::Kinds::default(),
            peer_timeout_ms: config.peer_timeout_ms,
            compared: None,
            sweep_at: UnixMillis(0),
            agent_version: config.agent_version.clone(),
            reading: false,
            read_again: false,
            rejoin: crate::own_log::Rejoin::default(),
            rechecks: BTreeSet::new(),
            waiting: Vec::new(),
            inputs: self.inputs,
            tasks: self.tasks,
        })
    }
}

/// Opens the outbox: what is put there from now on belongs to an era of its own.
async fn open_outbox(config: &Config, key: &NodeKey, store: &Store) -> Result<Pen, Error> {
    let era = Source::Disk.era(u64::from_be_bytes(random::bytes()?));
    store.write(move |db| db.begin_era(era, now())).await?;
    let sealer = Arc::new(OutboxKey::derive(key)?);
    Ok(Pen::new(sealer, config.outbox.bounds, config.outbox.levels.clone()))
}

/// What the database knows when a node starts.
struct Known {
    team: TeamState,
    held: Held,
    mode: antiphon_store::NodeMode,
    peers: Vec<antiphon_store::PeerRow>,
    backups: Vec<antiphon_store::GeneBackup>,
}

async fn known(store: &Store, version: String) -> Result<Known, Error> {
    let known = store.read(move |reader| {
        let (peers, backups) = (reader.peers()?, reader.backups()?);
        let (team, held) = (TeamState::read(reader, &version)?, Held::read(reader, &Held::default())?);
        Ok(Known { team, held, mode: reader.node_mode()?, peers, backups })
    });
    Ok(known.await?)
}

/// The peers that were known when the node last ran.
fn registry_of(rows: Vec<antiphon_store::PeerRow>) -> Registry {
    let mut registry = Registry::default();
    for row in rows {
        let (node, peer) = rows::from_row(row);
        registry.insert(node, peer);
    }
    registry
}

fn network_of(config: &Config, key: &NodeKey, dht: antiphon_net::DhtConfig) -> antiphon_net::Config {
    let version = config.agent_version.clone();
    let usual = antiphon_net::Config::new(key.libp2p_seed(), version);
    antiphon_net::Config { mdns: config.mdns, reach: config.reach, dht: Some(dht), ..usual }
}

/// The network, and where its ports are noted for the next start.
struct Network {
    net: NetHandle,
    events: mpsc::Receiver<antiphon_net::Event>,
    ports: watch::Sender<Ports>,
}

impl Network {
    fn open(config: &Config, network: antiphon_net::Config, tasks: &mut Tasks) -> Result<Self, Error> {
        let known = Ports::load(&config.home.ports());
        let (ports, seen) = watch::channel(known);
        tasks.spawn(ports::keep(config.home.ports(), seen));
        let (net, events) = listen(config, network, known, tasks)?;
        Ok(Self { net, events, ports })
    }
}

/// Starts the network at the ports of the last run, or at others where those are taken by now.
fn listen(
    config: &Config,
    mut net_config: antiphon_net::Config,
    ports: Ports,
    tasks: &mut Tasks,
) -> Result<(NetHandle, mpsc::Receiver<antiphon_net::Event>), Error> {
    let mut last = None;
    for ports in [ports, Ports::default()] {
        let addresses = config.listen.iter().map(|text| parse_address(&ports.apply(text)));
        net_config.listen = addresses.collect::<Result<_, _>>()?;
        match antiphon_net::new(net_config.clone()) {
            Ok((net, events, driver)) => {
                tasks.spawn(driver);
                return Ok((net, events));
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or(Error::Stopped, Error::NetStart))
}

fn parse_address(text: &str) -> Result<Multiaddr, Error> {
    text.parse().map_err(|_| Error::Address(text.chars().take(200).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phrase_of_a_new_home_is_not_printed() {
        let dir = tempfile::tempdir().unwrap();
        let made = init(&Config::new(Home::new(dir.path().join("home")))).unwrap();
        let text = format!("{made:?}");
        assert!(text.contains(&made.name) && !text.contains(made.phrase.as_str()), "{text}");
    }
}
