//! The configuration file of a home, `antiphon.toml`: what a person wants of this node, read at every start. Each table
//! is read in a file of its own here.
//!
//! What stands in the environment or on the command line goes before it. A slip must not pass as a setting: every key
//! must be known, every value must make sense by itself, and whatever is wrong is told with its line.

mod content;
mod dht;
mod network;
mod outbox;
mod replication;
mod storage;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use antiphon_core::replication::Settings as ReplicationSettings;
use antiphon_node::{DhtSettings, OutboxConfig, ReachConfig, StorageSettings};

use crate::outcome::{Code, Problem, file_problem};
use crate::toml_reader::{Reader, Table};

use outbox::bytes_of;
pub(crate) use outbox::{ITEMS_MAX, bytes, level_hint, retry_ms};

/// Name of the file in its home.
pub(crate) const NAME: &str = "antiphon.toml";
/// Longest file, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Everything that the file sets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FileConfig {
    /// `[content] cache`: most bytes of documents that stay decrypted in memory.
    pub(crate) content_cache_bytes: Option<u64>,
    /// `[dht]`.
    pub(crate) dht: DhtSettings,
    /// `[network]`.
    pub(crate) network: ReachConfig,
    /// `[outbox]`.
    pub(crate) outbox: OutboxConfig,
    /// `[replication]`.
    pub(crate) replication: ReplicationSettings,
    /// `[storage]`.
    pub(crate) storage: StorageSettings,
}

/// Reads the file in `home`; the defaults where there is none.
///
/// # Errors
/// [`Problem`] with the file, the line and what is wrong there.
pub(crate) fn read(home: &Path) -> Result<FileConfig, Problem> {
    let path = home.join(NAME);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FileConfig::default()),
        Err(error) => return Err(file_problem("read", &path, &error)),
    };
    let (mut text, name) = (String::new(), path.display().to_string());
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| file_problem("read", &path, &error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Problem::new(Code::TooLarge, format!("{name} has more than {FILE_BYTES_MAX} bytes"))
            .hint("it holds a few settings; look whether it is the right file"));
    }
    parse(&text, &name)
}

fn parse(text: &str, name: &str) -> Result<FileConfig, Problem> {
    let reader = Reader::new(text, name);
    let document = reader.document()?;
    let known = ["content", "dht", "network", "outbox", "replication", "storage"];
    let table = Table::new(&reader, document.get_ref(), "", &known)?;
    let mut config = FileConfig::default();
    if let Some(entry) = table.get("content") {
        config.content_cache_bytes = content::read(&entry)?;
    }
    if let Some(entry) = table.get("dht") {
        config.dht = dht::read(&entry)?;
    }
    if let Some(entry) = table.get("network") {
        config.network = network::read(&entry)?;
    }
    if let Some(entry) = table.get("outbox") {
        config.outbox = outbox::read(&entry)?;
    }
    if let Some(entry) = table.get("replication") {
        config.replication = replication::read(&entry)?;
    }
    if let Some(entry) = table.get("storage") {
        config.storage = storage::read(&entry)?;
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use antiphon_core::outbox::{Level, Protocol};

    use super::*;

    const GOOD: &str = r#"
[outbox]
items_per_peer = 500      # requests
bytes_per_peer = "1 MiB"
bytes_in_all = 4194304
retry = "2s"
levels.message = "moderate"

[storage]
offer = false
quota_mib = 512
"#;

    #[test]
    fn a_file_sets_what_it_names() {
        let FileConfig { outbox: config, storage, .. } = parse(GOOD, "f").unwrap();
        assert_eq!(storage, StorageSettings { offer: false, quota_bytes: 512 << 20 });
        assert_eq!((config.bounds.items_per_peer, config.bounds.bytes_per_peer), (500, 1 << 20));
        assert_eq!((config.bounds.bytes_in_all, config.retry_ms), (4 << 20, 2_000));
        assert_eq!(config.levels.of(Protocol::MESSAGE), Level::Moderate);
        assert_eq!(config.levels.of(Protocol::PLANNER), Level::Moderate);
        assert_eq!(parse("[content]\ncache = \"8MiB\"", "f").unwrap().content_cache_bytes, Some(8 << 20));
        let network = parse("[network]\nrelay = true\nautonat = false", "f").unwrap().network;
        assert!(network.relay && !network.autonat && network.hole_punching && !network.upnp, "{network:?}");
        let dht = parse("[dht]\nprefix = \"team\"\nmode = \"client\"\nbackend = \"local\"\ndiscovery = \"5s\"", "f")
            .unwrap()
            .dht;
        assert_eq!(dht.prefix.map(|prefix| prefix.to_string()).as_deref(), Some("/team"));
        assert_eq!((dht.mode.name(), dht.backend.name(), dht.intervals.discovery_ms), ("client", "local", 5_000));
        let copies =
            "[replication]\nfactor = 12\ngrace = \"5s\"\nprovider_ttl = \"2d\"\nautomatic = false\nconcurrent = 2";
        let copies = parse(copies, "f").unwrap().replication;
        assert_eq!((copies.factor, copies.grace_ms, copies.provider_ttl_ms), (12, 5_000, 172_800_000));
        assert_eq!((copies.automatic, copies.reprovide, copies.concurrent), (false, true, 2));
        assert_eq!(copies.providers_per_key, 12, "as many are known as there should be copies");
        assert_eq!(parse("", "f").unwrap(), FileConfig::default());
        assert_eq!(parse("[outbox]", "f").unwrap(), FileConfig::default());
        assert_eq!(read(Path::new("/nowhere")).unwrap(), FileConfig::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let check = |text: &str, line: usize, words: &[&str]| {
            let problem = parse(text, "f.toml").unwrap_err();
            assert!(problem.what.starts_with(&format!("f.toml:{line}: ")), "{text}: {problem}");
            for word in words {
                assert!(problem.to_string().contains(word), "{word:?} is missing: {problem}");
            }
        };
        check("[outbx]", 1, &["outbx", "did you mean outbox?"]);
        check("[network]\nrelays = true", 2, &["network.relays", "did you mean relay?"]);
        check("[network]\nupnp = \"yes\"", 2, &["true or false"]);
        check("[outbox]\nitems = 3", 2, &["outbox.items", "items_per_peer"]);
        check("[outbox]\nitems_per_peer = 0", 2, &["whole number", "from 1"]);
        check("[outbox]\nbytes_per_peer = \"64MB\"", 2, &["bytes", "64MiB"]);
        check("[outbox]\nbytes_in_all = 0", 2, &["whole number"]);
        check("[outbox]\nretry = \"never\"", 2, &["15s"]);
        check("[outbox]\nretry = \"11m\"", 2, &["10m"]);
        check("[outbox.levels]\nmesage = \"none\"", 2, &["\"mesage\"", "did you mean message?"]);
        check("[outbox.levels]\nmessage = \"high\"", 2, &["\"high\"", "critical, moderate or none"]);
        check("[outbox.levels]\nsync = \"critical\"", 2, &["sync never waits"]);
        check("[outbox.levels]\nmessage = 3", 2, &["text"]);
        check("[dht]\nmode = \"both\"", 2, &["auto, client or server"]);
        check("[dht]\nprefix = \"/a b\"", 2, &["/antiphon/team"]);
        check("[dht]\nbackend = \"net\"", 2, &["auto, local or kad"]);
        check("[dht]\nbootstrap = [\"/ip4/10.0.0.1/tcp/1\"]", 2, &["/p2p/PEER"]);
        check("[dht]\ndiscovery = \"1ms\"", 2, &["30s, 5m or 12h"]);
        check("[dht]\nauto = true", 2, &["dht.auto"]);
        check("[replication]\nfactor = 0", 2, &["whole number", "from 1 to 16"]);
        check("[replication]\ngrace = \"0s\"", 2, &["replication.grace", "10m"]);
        check("[replication]\nprovider_ttl = 24", 2, &["text"]);
        check("[replication]\nfactor = 5\nproviders_per_key = 4", 3, &["at least 5"]);
        check("[replication]\ngrase = \"5s\"", 2, &["did you mean grace?"]);
        check("[replication]\nkeep_own = 1", 2, &["true or false"]);
        check("[storage]\noffer = \"yes\"", 2, &["true or false"]);
        check("[storage]\nquota_mib = 0", 2, &["whole number"]);
        check("[storage]\nquota = 7", 2, &["storage.quota", "did you mean quota_mib?"]);
    }
}
