//! `antiphon.toml` in the home.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::resolve::{Given, Source};
use super::setting::{Setting, Wrong};
use super::value::Value;
use super::wanted::Wanted;
use super::{all, find};
use crate::outcome::{Code, Problem, file_problem};
use crate::toml_reader::{Entry, Reader, Table};

/// Name of the file in its home.
pub(crate) const NAME: &str = "antiphon.toml";
/// Longest file, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What the file says, checked value by value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct File {
    /// Its settings.
    pub(crate) given: Vec<Given>,
    /// Whether there is one.
    pub(crate) exists: bool,
}

impl File {
    /// Reads the file in `home`; where there is none, nothing is set.
    ///
    /// # Errors
    /// [`Problem`] with the file, the line and what is wrong there.
    pub(crate) fn read(home: &Path) -> Result<Self, Problem> {
        let path = home.join(NAME);
        match text(&path)? {
            Some(text) => Self::parse(&text, &path.display().to_string()),
            None => Ok(Self::default()),
        }
    }

    /// Reads a text; `name` is what problems call it.
    ///
    /// # Errors
    /// As [`File::read`].
    pub(crate) fn parse(text: &str, name: &str) -> Result<Self, Problem> {
        let reader = Reader::new(text, name);
        let document = reader.document()?;
        let mut tables: Vec<&str> = all().map(|setting| setting.parts().0).collect();
        tables.dedup();
        let root = Table::new(&reader, document.get_ref(), "", &tables)?;
        let (mut given, mut scratch) = (Vec::new(), Wanted::default());
        for name in tables {
            let Some(entry) = root.get(name) else { continue };
            let settings = all().filter(|setting| setting.parts().0 == name);
            let keys: Vec<&str> = settings.map(|setting| setting.parts().1).collect();
            let table = entry.table(&keys)?;
            for key in keys {
                let (Some(entry), Some(setting)) = (table.get(key), find(&format!("{name}.{key}"))) else { continue };
                let value = setting.kind.read(&entry)?;
                check(setting, &mut scratch, &entry, &value)?;
                given.push(Given { setting, value, source: Source::File { line: entry.line() } });
            }
        }
        Ok(Self { given, exists: true })
    }
}

/// Tries a value, and of a table each line by itself, so that the right one is named.
fn check(setting: &Setting, scratch: &mut Wanted, entry: &Entry<'_>, value: &Value) -> Result<(), Problem> {
    let at = |entry: &Entry<'_>, wrong: Wrong| entry.wrong(&wrong.what, &wrong.hint);
    let Value::Map(pairs) = value else { return (setting.set)(scratch, value).map_err(|wrong| at(entry, wrong)) };
    for (line, name) in entry.entries()? {
        let pair = pairs.get(name).map(|text| (name.to_owned(), text.clone()));
        (setting.set)(scratch, &Value::Map(pair.into_iter().collect())).map_err(|wrong| at(&line, wrong))?;
    }
    Ok(())
}

/// The text of the file at `path`, if there is one.
///
/// # Errors
/// When it cannot be read, or is too long to be such a file.
pub(super) fn text(path: &Path) -> Result<Option<String>, Problem> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_problem("read", path, &error)),
    };
    let mut text = String::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| file_problem("read", path, &error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Problem::new(Code::TooLarge, format!("{} has more than {FILE_BYTES_MAX} bytes", path.display()))
            .hint("it holds a few settings; look whether it is the right file"));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use antiphon_core::outbox::{Level, Protocol};
    use antiphon_node::StorageSettings;

    use super::*;
    use crate::config_file::{Environment, Resolved};

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

    fn wanted(text: &str) -> Result<Wanted, Problem> {
        let file = File::parse(text, "f.toml")?;
        Ok(Resolved::of(&file, &Environment::default(), &[], "f.toml")?.wanted)
    }

    #[test]
    fn a_file_sets_what_it_names() {
        let Wanted { outbox: config, storage, .. } = wanted(GOOD).unwrap();
        assert_eq!(storage, StorageSettings { offer: false, quota_bytes: 512 << 20 });
        assert_eq!((config.bounds.items_per_peer, config.bounds.bytes_per_peer), (500, 1 << 20));
        assert_eq!((config.bounds.bytes_in_all, config.retry_ms), (4 << 20, 2_000));
        assert_eq!(config.levels.of(Protocol::MESSAGE), Level::Moderate);
        assert_eq!(config.levels.of(Protocol::PLANNER), Level::Moderate);
        assert_eq!(wanted("[content]\ncache = \"8MiB\"").unwrap().content_cache_bytes, 8 << 20);
        let network = wanted("[network]\nrelay = true\nautonat = false").unwrap().network;
        assert!(network.relay && !network.autonat && network.hole_punching && !network.upnp, "{network:?}");
        let dht = "[dht]\nprefix = \"team\"\nmode = \"client\"\nbackend = \"local\"\ndiscovery = \"5s\"";
        let dht = wanted(dht).unwrap().dht;
        assert_eq!(dht.prefix.map(|prefix| prefix.to_string()).as_deref(), Some("/team"));
        assert_eq!((dht.mode.name(), dht.backend.name(), dht.intervals.discovery_ms), ("client", "local", 5_000));
        let copies =
            "[replication]\nfactor = 12\ngrace = \"5s\"\nprovider_ttl = \"2d\"\nautomatic = false\nconcurrent = 2";
        let copies = wanted(copies).unwrap().replication;
        assert_eq!((copies.factor, copies.grace_ms, copies.provider_ttl_ms), (12, 5_000, 172_800_000));
        assert_eq!((copies.automatic, copies.reprovide, copies.concurrent), (false, true, 2));
        assert_eq!(copies.providers_per_key, 12, "as many are known as there should be copies");
        let node = wanted("[node]\nname = \"alice\"\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\nmdns = false").unwrap().node;
        assert_eq!((node.name.as_deref(), node.listen.len(), node.mdns), (Some("alice"), 1, false));
        assert!(!wanted("[http]\nenabled = false").unwrap().http.enabled);
        assert_eq!(wanted("").unwrap(), Wanted::default());
        assert_eq!(wanted("[outbox]").unwrap(), Wanted::default());
        assert_eq!(File::read(Path::new("/nowhere")).unwrap(), File::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let check = |text: &str, line: usize, words: &[&str]| {
            let problem = wanted(text).unwrap_err();
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
        check("[outbox.levels]\nplanner = \"none\"\nmesage = \"none\"", 3, &["\"mesage\"", "did you mean message?"]);
        check("[outbox.levels]\nmessage = \"high\"", 2, &["\"high\"", "critical, moderate or none"]);
        check("[outbox.levels]\nsync = \"critical\"", 2, &["sync never waits"]);
        check("[outbox.levels]\nmessage = 3", 2, &["text"]);
        check("[dht]\nmode = \"both\"", 2, &["auto, client or server"]);
        check("[dht]\nprefix = \"/a b\"", 2, &["/antiphon/team"]);
        check("[dht]\nbackend = \"net\"", 2, &["auto, local or kad"]);
        check("[dht]\nbootstrap = [\"/ip4/10.0.0.1/tcp/1\"]", 2, &["/p2p/PEER"]);
        check("[dht]\ndiscovery = \"1ms\"", 2, &["from 100ms to 1d"]);
        check("[dht]\nauto = true", 2, &["dht.auto"]);
        check("[replication]\nfactor = 0", 2, &["whole number", "from 1 to 16"]);
        check("[replication]\ngrace = \"0s\"", 2, &["replication.grace", "from 1s to 30d"]);
        check("[replication]\nprovider_ttl = 24", 2, &["text"]);
        check("[replication]\nfactor = 5\nproviders_per_key = 4", 3, &["at least 5"]);
        check("[replication]\ngrase = \"5s\"", 2, &["did you mean grace?"]);
        check("[replication]\nkeep_own = 1", 2, &["true or false"]);
        check("[storage]\noffer = \"yes\"", 2, &["true or false"]);
        check("[storage]\nquota_mib = 0", 2, &["whole number"]);
        check("[storage]\nquota = 7", 2, &["storage.quota", "did you mean quota_mib?"]);
        check("[http]\nlisten = \"7411\"", 2, &["7411", "127.0.0.1:7411"]);
        check("[node]\nlisten = [\"localhost:1\"]", 2, &["localhost:1", "/ip4/"]);
        check("[node]\nlog = \"warn,=x=y\"", 2, &["filter"]);
    }
}
