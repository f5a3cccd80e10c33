//! The clock of this machine, against everything that bears a time.

use std::fs;
use std::time::{Duration, SystemTime};

use antiphon_core::time::{HLC_AHEAD_MAX_MS, UnixMillis};

use super::{Ailment, Checked, count};
use crate::api::Error;
use crate::clock::now;
use crate::handle::Handle;
use crate::home::Home;

/// How far ahead a time may be that another clock gave, in milliseconds: as far as events may be.
const AHEAD_MS: u64 = HLC_AHEAD_MAX_MS;
/// Before this program was written; a clock that stands there was never set: 2025-01-01.
const SET_FROM: UnixMillis = UnixMillis(1_735_689_600_000);
/// How far in the future a file of this very machine may be, in seconds.
const FILE_AHEAD_S: u64 = 60;
/// Most events from the future that are looked at.
const EVENTS_MAX: usize = 1_000;
/// What sets a clock right.
const FIX: &str = "sudo timedatectl set-ntp true";

/// The clock against the times of the home's files. They were written by this machine, so none can be in the future.
pub(super) fn of_files(home: &Home) -> Checked {
    let mut ailments = Vec::new();
    if now() < SET_FROM {
        let what = "the clock of this machine stands years in the past";
        ailments.push(Ailment::error(what, "it was never set since the machine was switched on", FIX));
    }
    let future = SystemTime::now() + Duration::from_secs(FILE_AHEAD_S);
    let names = ["antiphon.db", "antiphon.db-wal", "search.db", "node.log", "node.key", "node.lock"];
    let paths = names.map(|name| home.path().join(name));
    let times = paths.iter().filter_map(|path| Some((path, fs::metadata(path).ok()?.modified().ok()?)));
    if let Some((path, at)) = times.filter(|(_, at)| *at > future).max_by_key(|(_, at)| *at) {
        let ahead = at.duration_since(SystemTime::now()).unwrap_or_default();
        let what = format!("{} was written {} in the future", path.display(), span(ahead.as_secs()));
        let why = "the clock of this machine was set back, or the file was copied from one that is ahead";
        ailments.push(Ailment::warning(what, why, format!("{FIX}; then touch {}", super::files::quoted(path))));
    }
    Checked::new("file times", "none is in the future", ailments).or_silent()
}

/// A time that another clock gave.
struct Told {
    /// Whose clock.
    name: String,
    /// How far it was ahead of ours, in milliseconds.
    ahead_ms: u64,
}

impl Handle {
    /// The clock against what members' clocks say.
    pub(super) async fn examine_clock(&self) -> Result<Checked, Error> {
        let (at, peers) = (now(), self.peers().await?);
        let names = |node| peers.iter().find(|peer| peer.peer_id == node).map(|peer| peer.name.clone());
        let read = self.store().read(|reader| Ok((reader.skewed(EVENTS_MAX)?, reader.logs()?, reader.newest_time()?)));
        let (skewed, logs, newest) = read.await?;
        let mut told: Vec<Told> = Vec::new();
        for event in &skewed {
            let author = logs.iter().find(|log| log.log == event.log).map(|log| log.node);
            if let Some(name) = author.and_then(names) {
                note(&mut told, name, event.ahead_ms);
            }
        }
        for peer in &peers {
            let said = [peer.storage.as_ref().map(|said| said.at), peer.federation.as_ref().map(|said| said.at)];
            for said in said.into_iter().flatten().filter(|said| said.since(at) > AHEAD_MS) {
                note(&mut told, peer.name.clone(), said.since(at));
            }
        }
        let mut ailments = judge(&told);
        if let Some(newest) = newest.filter(|newest| newest.since(at) > AHEAD_MS) {
            let what = format!(
                "something was written {} after what the clock of this machine says",
                span(newest.since(at) / 1_000)
            );
            let why = "it was set back since; what is written now sorts behind it all the same";
            ailments.push(Ailment::warning(what, why, FIX));
        }
        Ok(Checked::new("clock", format!("compared with {}", count(peers.len() as u64, "member")), ailments))
    }
}

fn note(told: &mut Vec<Told>, name: String, ahead_ms: u64) {
    match told.iter_mut().find(|known| known.name == name) {
        Some(known) => known.ahead_ms = known.ahead_ms.max(ahead_ms),
        None => told.push(Told { name, ahead_ms }),
    }
}

/// One clock that is ahead is wrong itself; where several are, it is this one that is behind.
fn judge(told: &[Told]) -> Vec<Ailment> {
    let most = told.iter().map(|told| told.ahead_ms).min().unwrap_or_default();
    if told.len() > 1 {
        let names = told.iter().map(|told| told.name.as_str()).collect::<Vec<_>>().join(", ");
        let what = format!("the clock of this machine is behind those of {names} by {} or more", span(most / 1_000));
        return vec![Ailment::error(what, "what is written here sorts before what it follows", FIX)];
    }
    let one = |told: &Told| {
        let what = format!("the clock of {} is {} ahead of this one", told.name, span(told.ahead_ms / 1_000));
        let why = "what it writes counts all the same, and seems newer than it is";
        Ailment::warning(what, why, format!("{FIX} (on {})", told.name))
    };
    told.iter().map(one).collect()
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => count(seconds, "second"),
        120..7_200 => count(seconds / 60, "minute"),
        7_200..172_800 => count(seconds / 3_600, "hour"),
        _ => count(seconds / 86_400, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_clock_that_differs_is_wrong_and_among_several_it_is_ours() {
        let told = |name: &str| Told { name: name.into(), ahead_ms: 600_000 };
        assert_eq!(judge(&[]), []);
        assert!(judge(&[told("bob")])[0].fix.contains("(on bob)"));
        let ours = judge(&[told("bob"), told("eve")]);
        assert!(
            ours.len() == 1 && ours[0].what.contains("this machine is behind those of bob, eve by 10 minutes"),
            "{ours:?}"
        );
    }

    #[test]
    fn a_file_from_the_future_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let file = fs::File::create(home.path().join("node.log")).unwrap();
        assert_eq!(of_files(&home).ailments, []);
        file.set_modified(SystemTime::now() + Duration::from_secs(3 * 86_400)).unwrap();
        let found = of_files(&home).ailments;
        assert!(found.len() == 1 && found[0].what.contains("in the future"), "{found:?}");
    }
}
