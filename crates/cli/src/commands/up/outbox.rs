//! What may wait for peers: flags and environment before the file in the home, that before the defaults.

use antiphon_node::{Levels, OutboxConfig};
use clap::Args;

use crate::config_file::{self, ITEMS_MAX};
use crate::outcome::{Code, Problem};

/// Settings of the outbox.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Outbox options, which go before antiphon.toml in the home")]
pub(crate) struct OutboxSettings {
    /// Most requests that wait for one peer [default: 10000]
    #[arg(long, env = "ANTIPHON_OUTBOX_ITEMS_PER_PEER", value_name = "COUNT", value_parser = items)]
    outbox_items_per_peer: Option<u64>,
    /// Most bytes of requests that wait for one peer [default: 64MiB]
    #[arg(long, env = "ANTIPHON_OUTBOX_BYTES_PER_PEER", value_name = "SIZE", value_parser = config_file::bytes)]
    outbox_bytes_per_peer: Option<u64>,
    /// Most bytes of requests that wait in all [default: 512MiB]
    #[arg(long, env = "ANTIPHON_OUTBOX_BYTES_IN_ALL", value_name = "SIZE", value_parser = config_file::bytes)]
    outbox_bytes_in_all: Option<u64>,
    /// Pause after a first failure; further ones double it, up to 10m [default: 15s]
    #[arg(long, env = "ANTIPHON_OUTBOX_RETRY", value_name = "DURATION", value_parser = config_file::retry_ms)]
    outbox_retry: Option<u64>,
    /// How much a kind of request matters: critical, moderate or none; repeatable
    #[arg(long, env = "ANTIPHON_OUTBOX_LEVELS", value_name = "KIND=LEVEL", value_delimiter = ',', value_parser = level)]
    outbox_level: Vec<String>,
}

impl OutboxSettings {
    /// The settings that hold, over those of the file.
    ///
    /// # Errors
    /// A problem when one makes no sense.
    pub(crate) fn over(&self, file: OutboxConfig) -> Result<OutboxConfig, Problem> {
        let mut config = file;
        let bounds = &mut config.bounds;
        bounds.items_per_peer = self.outbox_items_per_peer.unwrap_or(bounds.items_per_peer);
        bounds.bytes_per_peer = self.outbox_bytes_per_peer.unwrap_or(bounds.bytes_per_peer);
        bounds.bytes_in_all = self.outbox_bytes_in_all.unwrap_or(bounds.bytes_in_all);
        config.retry_ms = self.outbox_retry.unwrap_or(config.retry_ms);
        for given in &self.outbox_level {
            // Each was checked when it was read.
            set(&mut config.levels, given).map_err(|said| Problem::new(Code::Invalid, said))?;
        }
        Ok(config)
    }

    /// The same settings as arguments of another `up`.
    pub(super) fn to_args(&self) -> Vec<String> {
        let numbers = [
            ("--outbox-items-per-peer", self.outbox_items_per_peer),
            ("--outbox-bytes-per-peer", self.outbox_bytes_per_peer),
            ("--outbox-bytes-in-all", self.outbox_bytes_in_all),
            ("--outbox-retry", self.outbox_retry),
        ];
        let numbers = numbers.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?.to_string()]));
        let levels = self.outbox_level.iter().map(|level| ["--outbox-level".to_owned(), level.clone()]);
        numbers.chain(levels).flatten().collect()
    }
}

fn items(text: &str) -> Result<u64, String> {
    let items = text.parse().ok().filter(|items| (1..=ITEMS_MAX).contains(items));
    items.ok_or_else(|| format!("write a whole number from 1 to {ITEMS_MAX}"))
}

fn level(text: &str) -> Result<String, String> {
    set(&mut Levels::default(), text).map(|()| text.to_owned())
}

fn set(levels: &mut Levels, text: &str) -> Result<(), String> {
    let (kind, level) = text.split_once('=').ok_or("write it as message=moderate")?;
    let set = levels.set(kind.trim(), level.trim());
    set.map_err(|error| format!("{error}; {}", config_file::level_hint(&error)))
}

#[cfg(test)]
mod tests {
    use antiphon_core::outbox::{Level, Protocol};
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: OutboxSettings,
    }

    fn read(args: &[&str]) -> Result<OutboxSettings, clap::Error> {
        Line::try_parse_from([&["up"], args].concat()).map(|line| line.settings)
    }

    #[test]
    fn flags_go_before_the_file_and_reach_the_node_in_the_background() {
        let home = tempfile::tempdir().unwrap();
        let file = "[outbox]\nitems_per_peer = 5\nretry = \"1m\"\nlevels.planner = \"none\"\n";
        std::fs::write(home.path().join(config_file::NAME), file).unwrap();
        let args = ["--outbox-items-per-peer", "7", "--outbox-bytes-per-peer", "1MiB", "--outbox-level"];
        let settings = read(&[&args[..], &["message=moderate"]].concat()).unwrap();
        let config = settings.over(config_file::read(home.path()).unwrap().outbox).unwrap();
        assert_eq!((config.bounds.items_per_peer, config.bounds.bytes_per_peer), (7, 1 << 20));
        assert_eq!(config.retry_ms, 60_000, "what no flag names stands in the file");
        assert_eq!(config.levels.of(Protocol::PLANNER), Level::None);
        assert_eq!(config.levels.of(Protocol::MESSAGE), Level::Moderate);
        let args = settings.to_args();
        let again = read(&args.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert_eq!(again.over(config_file::read(home.path()).unwrap().outbox).unwrap(), config);
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_is_started() {
        let check = |args: &[&str], word: &str| {
            let error = read(args).map(drop).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        check(&["--outbox-level", "mesage=none"], "did you mean message?");
        check(&["--outbox-level", "message"], "message=moderate");
        check(&["--outbox-retry", "soon"], "15s");
        check(&["--outbox-items-per-peer", "0"], "from 1");
    }
}
