//! A node that keeps copies, in a process of its own, told what to do line by line; it answers with one line each.

use std::io::Read;
use std::path::Path;

use antiphon_core::address::Address;
use antiphon_core::event::Provenance;
use antiphon_node::{Bring, Config, Handle, Home, NewContent, Node};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::Outcome;
use crate::corpus::Random;

/// More than any node is asked to hold here.
const QUOTA_BYTES: u64 = 64 << 30;

/// The process: `replication-node HOME`, then settings such as `grace_ms=5000`.
pub async fn run(arguments: &[String]) -> Outcome<()> {
    let (home, settings) = arguments.split_first().ok_or("replication-node needs a home")?;
    let node = Node::start(config(Path::new(home), settings)?).await?;
    let served = Served { handle: node.handle() };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        if line == "quit" {
            break;
        }
        println!("{}", served.answer(&line).await?);
    }
    served.handle.shutdown().await;
    node.stopped().await;
    Ok(())
}

fn config(home: &Path, settings: &[String]) -> Outcome<Config> {
    let mut config = Config::new(Home::new(home));
    (config.listen, config.mdns) = (vec!["/ip4/127.0.0.1/tcp/0".to_owned()], false);
    config.storage.quota_bytes = QUOTA_BYTES;
    for setting in settings {
        let (name, value) = setting.split_once('=').ok_or("a setting is NAME=VALUE")?;
        match name {
            "grace_ms" => config.replication.grace_ms = value.parse()?,
            "proof_ms" => config.replication.proof_ms = value.parse()?,
            "cleanup_ms" => config.replication.cleanup_ms = value.parse()?,
            "reprovide_ms" => config.replication.reprovide_ms = value.parse()?,
            _ => return Err(format!("{name} is no setting").into()),
        }
    }
    Ok(config)
}

struct Served {
    handle: Handle,
}

impl Served {
    async fn answer(&self, line: &str) -> Outcome<String> {
        let words: Vec<&str> = line.split(' ').collect();
        Ok(match words[..] {
            ["invite"] => self.handle.invite("senior_architect", 3_600_000).await?.ticket,
            ["join", ticket] => {
                self.handle.join(ticket, None, Some(Bring::None)).await?;
                "joined".to_owned()
            }
            ["role"] => self.role().await?,
            ["connected"] => {
                let peers = self.handle.peers().await?;
                peers.iter().filter(|peer| peer.connected).count().to_string()
            }
            ["put", name, bytes] => self.put(name, bytes.parse()?).await?,
            ["blocks"] => {
                let (sent, received) = self.handle.blocks_traffic();
                format!("{sent} {received}")
            }
            ["health"] => {
                let health = self.handle.replication_health().await?;
                format!("{} {} {}", health.critical, health.degraded, health.healthy)
            }
            ["proofs"] => {
                let metrics = self.handle.replication_metrics().await?;
                format!("{} {}", metrics.reprovide_operations, metrics.proofs)
            }
            ["replicate"] => self.handle.replicate(None).await?.to_string(),
            _ => return Err(format!("{line:?} is not understood").into()),
        })
    }

    async fn role(&self) -> Outcome<String> {
        Ok(self.handle.status().await?.roles.first().cloned().ok_or("the node has no role")?)
    }

    async fn put(&self, name: &str, bytes: u64) -> Outcome<String> {
        let role = self.role().await?;
        let new = NewContent {
            address: Address::new("bench", &role, "replication", "loss", name)?,
            role,
            content_type: "application/octet-stream".to_owned(),
            provenance: Provenance::default(),
        };
        let seed = name.bytes().fold(bytes, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let stored = self.handle.put_content(new, Noise { random: Random(seed), left: bytes }).await?;
        Ok(stored.content.stored_size.to_string())
    }
}

/// So many random bytes.
struct Noise {
    random: Random,
    left: u64,
}

impl Read for Noise {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        for chunk in out[..most].chunks_mut(8) {
            chunk.copy_from_slice(&self.random.next().to_le_bytes()[..chunk.len()]);
        }
        self.left -= most as u64;
        Ok(most)
    }
}
