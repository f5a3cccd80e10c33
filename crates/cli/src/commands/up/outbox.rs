//! Flags for what may wait for peers.

use clap::Args;

/// Settings of the outbox.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Outbox options, which go before antiphon.toml in the home")]
pub(crate) struct OutboxSettings {
    /// Most requests that wait for one peer [default: 10000]
    #[arg(long, value_name = "COUNT")]
    outbox_items_per_peer: Option<String>,
    /// Most bytes of requests that wait for one peer [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    outbox_bytes_per_peer: Option<String>,
    /// Most bytes of requests that wait in all [default: 512MiB]
    #[arg(long, value_name = "SIZE")]
    outbox_bytes_in_all: Option<String>,
    /// Pause after a first failure; further ones double it, up to 10m [default: 15s]
    #[arg(long, value_name = "DURATION")]
    outbox_retry: Option<String>,
    /// How much a kind of request matters: critical, moderate or none; repeatable
    #[arg(long, value_name = "KIND=LEVEL", value_delimiter = ',')]
    outbox_level: Vec<String>,
}

impl OutboxSettings {
    /// What was given: the setting, the flag, and the text.
    pub(super) fn texts(&self) -> Vec<(&'static str, &'static str, String)> {
        let levels = (!self.outbox_level.is_empty()).then(|| self.outbox_level.join(","));
        let named = [
            ("outbox.items_per_peer", "--outbox-items-per-peer", self.outbox_items_per_peer.clone()),
            ("outbox.bytes_per_peer", "--outbox-bytes-per-peer", self.outbox_bytes_per_peer.clone()),
            ("outbox.bytes_in_all", "--outbox-bytes-in-all", self.outbox_bytes_in_all.clone()),
            ("outbox.retry", "--outbox-retry", self.outbox_retry.clone()),
            ("outbox.levels", "--outbox-level", levels),
        ];
        named.into_iter().filter_map(|(name, flag, text)| Some((name, flag, text?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::outbox::{Level, Protocol};
    use clap::Parser;

    use crate::commands::up::Settings;
    use crate::config_file::{Environment, NAME, Resolved};
    use crate::outcome::Problem;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn read(args: &[&str]) -> Settings {
        Line::try_parse_from([&["up"], args].concat()).map(|line| line.settings).unwrap()
    }

    fn resolved(home: &std::path::Path, settings: &Settings) -> Result<Resolved, Problem> {
        Resolved::read(home, &Environment::default(), &settings.given()?)
    }

    #[test]
    fn flags_go_before_the_file_and_reach_the_node_in_the_background() {
        let home = tempfile::tempdir().unwrap();
        let file = "[outbox]\nitems_per_peer = 5\nretry = \"1m\"\nlevels.planner = \"none\"\n[node]\nmdns = true\n";
        std::fs::write(home.path().join(NAME), file).unwrap();
        let args = ["--outbox-items-per-peer", "7", "--outbox-bytes-per-peer", "1MiB", "--no-mdns", "--no-http"];
        let more = ["--outbox-level", "message=moderate", "--set", "content.cache=1MiB", "--listen"];
        let settings = read(&[&args[..], &more[..], &["/ip4/127.0.0.1/tcp/0"]].concat());
        let held = resolved(home.path(), &settings).unwrap();
        let config = &held.wanted.outbox;
        assert_eq!((config.bounds.items_per_peer, config.bounds.bytes_per_peer), (7, 1 << 20));
        assert_eq!(config.retry_ms, 60_000, "what no flag names stands in the file");
        assert_eq!(config.levels.of(Protocol::PLANNER), Level::None);
        assert_eq!(config.levels.of(Protocol::MESSAGE), Level::Moderate);
        assert!(!held.wanted.node.mdns && !held.wanted.http.enabled);
        assert_eq!((held.wanted.content_cache_bytes, held.wanted.node.listen.len()), (1 << 20, 1));
        let args = settings.to_args();
        let again = read(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(resolved(home.path(), &again).unwrap(), held);
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_is_started() {
        let check = |args: &[&str], word: &str| {
            let problem = resolved(std::path::Path::new("/nowhere"), &read(args)).unwrap_err().to_string();
            assert!(problem.contains(word), "{problem}");
        };
        check(&["--outbox-level", "mesage=none"], "did you mean message?");
        check(&["--outbox-level", "message"], "message=moderate");
        check(&["--outbox-retry", "soon"], "15s");
        check(&["--outbox-items-per-peer", "0"], "from 1");
        check(&["--set", "outbox.retrys=5s"], "did you mean outbox.retry?");
        check(&["--set", "outbox.retry"], "--set");
        check(&["--http", "7411"], "127.0.0.1:7411");
    }
}
