//! The database: SQLite's pages, the log, the genes, the search index.

use antiphon_store::Checkup;
use antiphon_vault::{file, random};

use super::files::quoted;
use super::{Ailment, Checked, count};
use crate::api::Error;
use crate::handle::Handle;
use crate::home::Home;

/// Facts that the search index may be behind while a node runs: it follows the log within moments.
const UNINDEXED_MAX: u64 = 10_000;

impl Handle {
    pub(super) async fn examine_database(&self) -> Result<Vec<Checked>, Error> {
        let seed = u64::from_be_bytes(random::bytes()?);
        let home = self.shared.home.clone();
        match self.store().read(move |reader| reader.check_up(seed)).await {
            Ok(found) => Ok(checked(&home, &found, true)),
            Err(error) if error.is_damaged() => Ok(vec![unreadable(&home, &error.to_string())]),
            Err(error) => Err(error.into()),
        }
    }
}

/// The same without a node. The key is read too, since nothing else tells whether the node could start.
pub(super) fn offline(home: &Home) -> Vec<Checked> {
    let mut checked_all = vec![key(home)];
    if !home.path().join("antiphon.db").exists() {
        checked_all.push(Checked::skipped("database", "there is none yet"));
        return checked_all;
    }
    let seed = random::bytes().map_or(1, u64::from_be_bytes);
    match antiphon_store::check_up(home.path(), seed) {
        Ok(found) => checked_all.extend(checked(home, &found, false)),
        Err(error) => checked_all.push(unreadable(home, &error.to_string())),
    }
    checked_all
}

fn key(home: &Home) -> Checked {
    if !home.key().exists() {
        return Checked::skipped("key", "there is none yet");
    }
    match file::load(&home.key()) {
        Ok(_) => Checked::new("key", "it can be used", Vec::new()),
        Err(error) => {
            let what = format!("the key cannot be used: {error}");
            let fix = format!(
                "chmod 600 {0}, if that is what is wrong; else put a copy of it there, or: antiphon recover TICKET",
                quoted(&home.key())
            );
            Checked::new("key", "", vec![Ailment::error(what, "without its key the node does not start", fix)])
        }
    }
}

/// How a home gets a sound database again.
fn again(home: &Home) -> String {
    let dir = quoted(home.path());
    format!(
        "antiphon down; mkdir {dir}/damaged && mv {dir}/antiphon.db* {dir}/search.db* {dir}/damaged/ && antiphon recover TICKET \
         (members give back what was shared; a backup of the file is as good)"
    )
}

fn unreadable(home: &Home, why: &str) -> Checked {
    let ailment = Ailment::error("the database cannot be read", why.to_owned(), again(home));
    Checked::new("database", "", vec![ailment])
}

fn checked(home: &Home, found: &Checkup, running: bool) -> Vec<Checked> {
    let first = |lines: &[String]| {
        let more = lines.len().saturating_sub(1);
        let rest = if more == 0 { String::new() } else { format!(", and {more} more") };
        format!("{}{rest}", lines.first().map_or("", |line| line.trim()))
    };
    let damaged = |lines: &[String], what: &str| {
        (!lines.is_empty()).then(|| Ailment::error(what.to_owned(), first(lines), again(home)))
    };
    let pages = damaged(&found.pages, "the database file is damaged");
    let log = damaged(&found.log, "the log is not what its authors signed");
    let genes = damaged(&found.genes, "genes were changed in the database");
    let sampled = format!("{} of {} followed", found.sampled, count(found.events, "event"));
    vec![
        Checked::new("database", "SQLite finds its pages in order", pages.into_iter().collect()).or_silent(),
        Checked::new("log", sampled, log.into_iter().collect()),
        Checked::new("genome", "the genes hash to the team's id", genes.into_iter().collect()).or_silent(),
        search(home, found, running, first),
    ]
}

impl Checked {
    /// The same without the words for a good end where there is none.
    pub(super) fn or_silent(self) -> Self {
        let said = if self.ailments.is_empty() { self.said } else { String::new() };
        Self { said, ..self }
    }
}

fn search(home: &Home, found: &Checkup, running: bool, first: impl Fn(&[String]) -> String) -> Checked {
    let dir = quoted(home.path());
    let rebuild =
        format!("antiphon down; rm -f {dir}/search.db {dir}/search.db-wal {dir}/search.db-shm; antiphon up --detach");
    let mut ailments = Vec::new();
    if !found.search.is_empty() {
        let why = format!("{}; it is made from the log, so nothing is lost", first(&found.search));
        ailments.push(Ailment::error("the search index is damaged", why, rebuild));
    } else if running && found.unindexed > UNINDEXED_MAX {
        let what = format!("the search index is {} behind", count(found.unindexed, "fact"));
        let why = "what it lacks is not found by recall; it catches up by itself unless something keeps it";
        ailments.push(Ailment::warning(what, why, rebuild));
    } else if !running && found.unindexed > 0 {
        let what = format!("the search index lacks {}", count(found.unindexed, "fact"));
        let why = "it catches up when the node runs";
        ailments.push(Ailment::warning(what, why, "antiphon up --detach"));
    }
    Checked::new("search", "the index is up to date", ailments).or_silent()
}
