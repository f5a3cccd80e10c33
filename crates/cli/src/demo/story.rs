//! The steps of the story. Each does something, waits until what it claims is so, and says it with what was measured.

mod copies;
mod divergence;
mod document;

use std::collections::BTreeMap;
use std::time::Instant;

use antiphon_node::Config;
use antiphon_server::client::Client;
use antiphon_server::dto::{InviteDto, JoinDto, NewFactDto, RecallRequestDto, RevokeDto};

use super::report::StepReport;
use super::world::{Fail, NAMES, World, until};

/// The role of those who write code.
const DEVELOPER: &str = "backend_developer";
/// The role of eve, who must not read what is theirs.
const WRITER: &str = "technical_writer";
/// Who joins, as what.
const JOINING: [(&str, &str); 4] =
    [("bob", DEVELOPER), ("carol", DEVELOPER), ("dave", "devops_engineer"), ("eve", WRITER)];

/// A step of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Start,
    Join,
    Remember,
    Diverge,
    Resolve,
    Seal,
    Copies,
    Loss,
    Revoke,
}

/// All of them, in their order.
pub(crate) const STEPS: [Step; 9] = [
    Step::Start,
    Step::Join,
    Step::Remember,
    Step::Diverge,
    Step::Resolve,
    Step::Seal,
    Step::Copies,
    Step::Loss,
    Step::Revoke,
];

/// What a step claims, and what it measured.
type Told = Result<(String, BTreeMap<&'static str, f64>), Fail>;

impl Step {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Join => "join",
            Self::Remember => "remember",
            Self::Diverge => "diverge",
            Self::Resolve => "resolve",
            Self::Seal => "seal",
            Self::Copies => "copies",
            Self::Loss => "loss",
            Self::Revoke => "revoke",
        }
    }

    /// Does it.
    pub(crate) async fn tell(self, world: &mut World) -> Result<StepReport, Fail> {
        let (claim, figures) = match self {
            Self::Start => start(world).await,
            Self::Join => join(world).await,
            Self::Remember => remember(world).await,
            Self::Diverge => divergence::diverge(world).await,
            Self::Resolve => divergence::resolve(world).await,
            Self::Seal => document::seal(world).await,
            Self::Copies => copies::copies(world).await,
            Self::Loss => copies::loss(world).await,
            Self::Revoke => revoke(world).await,
        }?;
        Ok(StepReport { step: self.name(), claim, figures, ..StepReport::default() })
    }
}

async fn start(world: &mut World) -> Told {
    let begun = Instant::now();
    world.settle()?;
    let home = world.node("alice")?.home().clone();
    let config = Config { team: Some("choir".to_owned()), name: Some("alice".to_owned()), ..Config::new(home) };
    antiphon_node::init(&config).map_err(|error| Fail::new(error.to_string()))?;
    world.start(&NAMES).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let claim = format!("Five nodes run on this machine, each with a key and a database of its own; {seconds:.1} s.");
    Ok((claim, BTreeMap::from([("nodes", 5.0), ("start_seconds", seconds)])))
}

async fn join(world: &mut World) -> Told {
    let begun = Instant::now();
    let alice = world.client("alice")?;
    for (name, role) in JOINING {
        let ticket = alice.invite(&InviteDto { role: role.to_owned(), ttl: None }).await?.ticket;
        let join = JoinDto { ticket, bring: Some("none".to_owned()), ..JoinDto::default() };
        world.client(name)?.join(&join).await?;
    }
    until("every node knows every member", async || {
        for (_, node) in world.running() {
            if node.members().await?.members.len() != NAMES.len() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    equal(world).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let claim = format!(
        "alice founded the team choir and invited four; each joined with a ticket that works once. All five know each \
         other and hold the same state; {seconds:.1} s."
    );
    Ok((claim, BTreeMap::from([("members", 5.0), ("join_seconds", seconds)])))
}

async fn remember(world: &mut World) -> Told {
    let text = "the staging database is called nightingale";
    let alice = world.client("alice")?;
    let begun = Instant::now();
    let fact = NewFactDto { content: text.to_owned(), ..NewFactDto::default() };
    world.fact = alice.remember(&fact).await?.id;
    let written = begun.elapsed().as_secs_f64() * 1_000.0;
    recalled_by(world, "nightingale", text, &["bob", "carol", "dave", "eve"]).await?;
    let recalled = begun.elapsed().as_secs_f64() * 1_000.0;
    let claim = format!(
        "alice remembered a fact; it was on her disk, signed, after {written:.0} ms. bob, carol, dave and eve recalled \
         it, the last of them {recalled:.0} ms after she began."
    );
    Ok((claim, BTreeMap::from([("written_ms", written), ("recalled_ms", recalled)])))
}

async fn revoke(world: &mut World) -> Told {
    let (alice, eve) = (world.client("alice")?, world.client("eve")?);
    let begun = Instant::now();
    let reason = "her laptop was stolen".to_owned();
    let revoked = alice.revoke(&RevokeDto { peer: "eve".to_owned(), reason, compromised: true }).await?;
    let others: Vec<&str> = world.running().into_iter().map(|(name, _)| name).filter(|name| *name != "eve").collect();
    until("every other member knows that eve is removed", async || {
        for (_, node) in world.running().into_iter().filter(|(name, _)| *name != "eve") {
            if node.members().await?.members.iter().any(|member| member.name == "eve") {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    let known = begun.elapsed().as_secs_f64() * 1_000.0;
    let text = "the new password is in the vault";
    let after = NewFactDto { content: text.to_owned(), ..NewFactDto::default() };
    alice.remember(&after).await?;
    recalled_by(world, "vault", text, &others).await?;
    // Nothing is proved by looking too early: eve is heard after she was told.
    until("eve learns that she was removed", async || {
        let status = eve.status().await?;
        let told =
            status.problems.iter().any(|problem| problem.what.contains("removed") || problem.what.contains("revoked"));
        Ok(told.then_some(()))
    })
    .await?;
    if found(&eve, "vault", text).await? {
        return Err(Fail::new("eve recalls what was written after she was removed"));
    }
    equal_among(world, &others).await?;
    let (roles, number) = (revoked.roles.len(), others.len());
    let (keys, members) = (crate::render::count(roles, "role"), crate::render::count(number, "member"));
    let claim = format!(
        "alice removed eve; {members} knew it after {known:.0} ms, and {keys} got a new key. What alice \
         remembered afterwards reached all of them and not eve, who was shown the record of her removal."
    );
    let figures =
        BTreeMap::from([("known_ms", known), ("rotated_roles", number_of(roles)), ("remaining", number_of(number))]);
    Ok((claim, figures))
}

/// A small count as a figure.
fn number_of(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Waits until each of these recalls a fact by a word.
async fn recalled_by(world: &mut World, word: &str, text: &str, names: &[&str]) -> Result<(), Fail> {
    for name in names {
        let node = world.client(name)?;
        until(&format!("{name} recalls it"), async || Ok(found(&node, word, text).await?.then_some(()))).await?;
    }
    Ok(())
}

/// Whether a node recalls a text by a word of it.
async fn found(node: &Client, word: &str, text: &str) -> Result<bool, Fail> {
    let ask = RecallRequestDto { query: word.to_owned(), ..RecallRequestDto::default() };
    let hits = node.recall(&ask).await?.hits;
    Ok(hits.iter().any(|hit| hit.fact.content.as_deref() == Some(text)))
}

/// Waits until all that run hold the same.
async fn equal(world: &World) -> Result<(), Fail> {
    let all: Vec<&str> = world.running().into_iter().map(|(name, _)| name).collect();
    equal_among(world, &all).await
}

async fn equal_among(world: &World, names: &[&str]) -> Result<(), Fail> {
    until("all hold the same", async || {
        let mut hashes = Vec::new();
        for (_, node) in world.running().into_iter().filter(|(name, _)| names.contains(name)) {
            hashes.push(node.state_hash().await?.state_hash);
        }
        hashes.dedup();
        Ok((hashes.len() == 1).then_some(()))
    })
    .await
}
