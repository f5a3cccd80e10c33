//! Several nodes of one team, each in a process of its own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::ledger::Ledger;
use crate::Outcome;
use crate::peer::Peer;

/// Time after which what is waited for counts as lost.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// How often it is looked.
pub const LOOK: Duration = Duration::from_millis(20);

/// How many ciphertexts stand how, in one node's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    pub critical: u64,
    pub degraded: u64,
    pub healthy: u64,
}

/// One node.
pub struct Member {
    pub home: PathBuf,
    pub peer: Peer,
}

impl Member {
    pub fn start(dir: &Path, name: &str, settings: &[&str]) -> Outcome<Self> {
        let home = dir.join(name);
        let mut words = vec!["replication-node", home.to_str().ok_or("the home's path is not text")?];
        words.extend(settings);
        Ok(Self { peer: Peer::again(&words)?, home })
    }

    pub async fn health(&mut self) -> Outcome<Health> {
        let numbers = self.peer.numbers("health").await?;
        let [critical, degraded, healthy] = numbers[..] else { return Err("not a health".into()) };
        Ok(Health { critical: critical as u64, degraded: degraded as u64, healthy: healthy as u64 })
    }

    /// Waits until it says that so many ciphertexts are healthy and none is not.
    pub async fn healthy(&mut self, count: u64) -> Outcome<()> {
        let began = Instant::now();
        loop {
            let health = self.health().await?;
            if health == (Health { critical: 0, degraded: 0, healthy: count }) {
                return Ok(());
            }
            patience(began, || format!("{} says {health:?}", self.home.display()))?;
            tokio::time::sleep(LOOK).await;
        }
    }

    pub fn ledger(&self) -> Outcome<Ledger> {
        Ledger::open(&self.home)
    }
}

/// All of them.
pub struct Team(pub Vec<Member>);

impl Team {
    /// Founds a team: the first name founds, the others join.
    pub async fn found(dir: &Path, names: &[&str], settings: &[&str]) -> Outcome<Self> {
        let mut team = Self::start(dir, names, settings)?;
        let (first, others) = team.0.split_first_mut().ok_or("no node")?;
        for other in others {
            let ticket = first.peer.ask("invite").await?;
            other.peer.ask(&format!("join {ticket}")).await?;
        }
        team.connected().await?;
        Ok(team)
    }

    pub fn start(dir: &Path, names: &[&str], settings: &[&str]) -> Outcome<Self> {
        Ok(Self(names.iter().map(|name| Member::start(dir, name, settings)).collect::<Outcome<_>>()?))
    }

    /// Waits until everybody is connected with everybody.
    pub async fn connected(&mut self) -> Outcome<()> {
        let (began, others) = (Instant::now(), (self.0.len() - 1).to_string());
        for member in &mut self.0 {
            loop {
                let connected = member.peer.ask("connected").await?;
                if connected == others {
                    break;
                }
                patience(began, || format!("{} is connected with {connected}", member.home.display()))?;
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Waits until everybody says that all of so many ciphertexts are healthy.
    pub async fn healthy(&mut self, count: u64) -> Outcome<()> {
        for member in &mut self.0 {
            member.healthy(count).await?;
        }
        Ok(())
    }

    pub fn ledgers(&self) -> Outcome<Vec<Ledger>> {
        self.0.iter().map(Member::ledger).collect()
    }

    /// Bytes of frames of blocks that all of them have received.
    pub async fn received(&mut self) -> Outcome<f64> {
        let mut sum = 0.0;
        for member in &mut self.0 {
            sum += member.peer.numbers("blocks").await?.get(1).copied().ok_or("not two numbers")?;
        }
        Ok(sum)
    }

    pub async fn quit(self) -> Outcome<()> {
        for member in self.0 {
            member.peer.quit().await?;
        }
        Ok(())
    }
}

/// An error once it has taken too long.
pub fn patience(began: Instant, what: impl FnOnce() -> String) -> Outcome<()> {
    if began.elapsed() > PATIENCE { Err(what().into()) } else { Ok(()) }
}
