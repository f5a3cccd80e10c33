//! What must be true of what members keep for each other.

use antiphon_core::log::{LogId, Stream};
use antiphon_vault::sealed_copy;

use crate::failure::{Law, Step, need};
use crate::model::STAYS;
use crate::world::World;

/// Bytes before a mark in which the name of its author stands.
const AUTHOR_BYTES: usize = 16;

impl World {
    /// Whether whoever lost its disk has all back that it must.
    pub(crate) fn has_all_back(&self) -> Step<bool> {
        let Some(lost) = &self.backups.lost else { return Ok(true) };
        if !self.honest().contains(&lost.node) {
            return Ok(true);
        }
        Ok(lost.back && self.in_acme_now(lost.node).is_some() && self.lacks_own(lost.node)?.is_none())
    }

    /// The first log of which something is missing that an honest holder within reach keeps.
    fn lacks_own(&self, node: usize) -> Step<Option<String>> {
        for (store, last) in self.secured_now(node) {
            let log = LogId::new(store, Stream::Local);
            let held = self.db(node)?.reader().header_hash_at(log, last)?;
            let known = self.backups.logs.get(&store);
            let wrote = known.and_then(|hashes| hashes.get(usize::try_from(last).ok()?.checked_sub(1)?)).copied();
            if held.is_none() || held != wrote {
                return Ok(Some(format!("n{node} lacks event {last} of {log}, which an honest member keeps for it")));
            }
        }
        Ok(None)
    }

    /// What keeps it from having all back, in words.
    pub(crate) fn explain_loss(&self) -> String {
        let Some(lost) = &self.backups.lost else { return String::new() };
        let lacks = self.lacks_own(lost.node).ok().flatten().unwrap_or_default();
        format!("; back {}, in the team {}, {lacks}", lost.back, self.in_acme_now(lost.node).is_some())
    }

    /// All laws about it that can only be judged in the end.
    pub(crate) fn judge_backups(&mut self) -> Step {
        if self.plan.backups.is_none() && self.backups.lost.is_none() {
            return Ok(());
        }
        let honest = self.honest();
        if let Some(lost) = self.backups.lost.as_ref().filter(|lost| honest.contains(&lost.node)) {
            let lacks = self.lacks_own(lost.node)?;
            need(lacks.is_none(), Law::BackedUpComesBack, || lacks.unwrap_or_default())?;
            for (by, heads) in lost.pinned.iter().filter(|(by, _)| honest.contains(by)) {
                for (log, head) in heads.iter().filter(|(log, _)| !self.may_fork(log)) {
                    let held = self.db(lost.node)?.reader().header_hash_at(*log, head.seq)?;
                    need(held == Some(head.hash), Law::BackedUpComesBack, || {
                        format!("n{} came back without event {} of {log}, pinned by n{by}", lost.node, head.seq)
                    })?;
                }
            }
        }
        for node in honest {
            self.check_kept(node)?;
            self.check_files(node)?;
        }
        Ok(())
    }

    /// Nobody can open what is kept but its owner, and nothing is kept for who is no member.
    fn check_kept(&self, node: usize) -> Step {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let settled = self.membership(node).is_some_and(|held| up.backing.is_settled(&held));
        for owner in up.db.reader().copy_owners()? {
            let whose = self.index.get(&owner.node).copied();
            let member = self.membership(node).is_some_and(|held| held.member(&owner.node).is_some());
            need(member || !settled, Law::FormerGetNothing, || format!("n{node} keeps parts of {whose:?} still"))?;
            for part in up.db.reader().copy_parts(&owner.node)? {
                let Some((_, sealed)) = up.db.reader().copy_part(&owner.node, &part.store, part.first)? else {
                    continue;
                };
                let open = sealed_copy::decode(&sealed).is_ok();
                need(!open, Law::PrivateIsSealed, || format!("n{node} keeps a part of {whose:?} in the clear"))?;
                // What a holder has is its own key; the others' are tried by those that hold something themselves.
                let opens = sealed_copy::open(&self.nodes[node].key, &sealed).is_ok();
                need(!opens, Law::PrivateIsSealed, || format!("n{node} can open what it keeps for {whose:?}"))?;
            }
        }
        Ok(())
    }

    /// No file of a node has something private of another one in the clear.
    fn check_files(&self, node: usize) -> Step {
        let mark = STAYS.as_bytes();
        let own = format!("of n{node}, ");
        for entry in std::fs::read_dir(&self.nodes[node].dir)? {
            let path = entry?.path();
            if !path.is_file() {
                continue;
            }
            let bytes = std::fs::read(&path)?;
            for at in places(&bytes, mark) {
                let before = &bytes[at.saturating_sub(AUTHOR_BYTES)..at];
                let theirs = self
                    .nodes
                    .iter()
                    .enumerate()
                    .any(|(other, _)| other != node && before.ends_with(format!("of n{other}, ").as_bytes()));
                let ours = before.ends_with(own.as_bytes());
                need(ours || !theirs, Law::PrivateIsSealed, || {
                    format!("n{node} has something private of another member in {}", path.display())
                })?;
            }
        }
        Ok(())
    }
}

/// Where some bytes stand in others.
fn places<'a>(bytes: &'a [u8], part: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let first = part.first().copied().unwrap_or_default();
    let starts = bytes.iter().enumerate().filter(move |(_, byte)| **byte == first);
    starts.map(|(at, _)| at).filter(move |at| bytes[*at..].starts_with(part))
}
