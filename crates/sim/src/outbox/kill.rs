//! What crashes, restarts and older disks do to what waits.

use std::collections::BTreeSet;

use antiphon_core::outbox::Place;
use antiphon_protocol::outbox::{delivery, reception};
use antiphon_store::{OutboxFilter, Reader};

use super::ledger::Untold;
use super::{CANARY, Happening, Inside, Work};
use crate::agenda::Event;
use crate::disk;
use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::network::{Body, Packet};
use crate::node::Up;
use crate::plan::Crash;
use crate::world::World;

/// Longest time until a broken connection is noticed, in milliseconds.
const NOTICE_MS: u64 = 2_000;
/// How often a killed node had just done what it was about to do, in permille.
const JUST_DONE: u64 = 500;
/// How often a transaction that was under way is the one that a torn write meets, in permille.
const TORN: u64 = 850;

/// Whose items wait where.
type Rows = BTreeSet<(usize, Place)>;

/// What a node's outbox had under way.
#[derive(Debug, Default)]
struct UnderWay {
    putting: bool,
    delivering: bool,
    taking: bool,
}

impl World {
    /// A node is about to be killed. What it was writing may be done by then, without anybody being told. Returns how
    /// long the log was before a transaction that is to be torn.
    pub(crate) fn kill_outbox(&mut self, node: usize, crash: Crash) -> Step<Option<u64>> {
        if self.outbox_of(node).is_none() {
            return Ok(None);
        }
        if self.outbox_write(node).is_none() {
            // Somebody hands something in at this very moment.
            let to = self.outbox.random.index(self.plan.nodes);
            if to != node && self.may_put(node, to) {
                self.put_for(node, to, false)?;
            }
        }
        self.count_kill(node);
        let runs = if crash == Crash::Torn { TORN } else { JUST_DONE };
        let work = self.outbox_write(node).filter(|_| self.outbox.random.chance(runs));
        let before = disk::wal_len(&self.nodes[node].dir);
        let Some(work) = work else { return Ok(None) };
        self.do_untold(node, work)?;
        let wrote = disk::wal_len(&self.nodes[node].dir) > before;
        let torn = wrote && crash == Crash::Torn;
        self.exercise(if torn { Class::ItemTorn } else { Class::ItemUntold }, u64::from(wrote));
        Ok(torn.then_some(before))
    }

    /// A node was killed: its disk is what is left.
    pub(crate) fn outbox_killed(&mut self, node: usize, crash: Crash, torn: Option<u64>) -> Step {
        if let Some(before) = torn {
            let dir = self.nodes[node].dir.clone();
            let after = disk::wal_len(&dir);
            disk::cut(&dir, before + self.outbox.random.below(after.saturating_sub(before)))?;
        }
        if !self.has_outbox(node) {
            return Ok(());
        }
        self.outbox.ledger.killed(node);
        self.search_files(node)?;
        for (stream, other) in self.outbox.lanes.of(node) {
            let ends: &[(usize, usize)] = if crash == Crash::Dark { &[] } else { &[(node, other)] };
            self.cut_lane(stream, ends);
        }
        Ok(())
    }

    /// The next transaction of a node's outbox.
    fn outbox_write(&self, node: usize) -> Option<Work> {
        let work = |what: &Inside| match what {
            Inside::Work(work) if work.writes() => Some(work.clone()),
            _ => None,
        };
        self.agenda.in_outbox(node, self.nodes[node].life).find_map(work)
    }

    fn count_kill(&mut self, node: usize) {
        let mut found = UnderWay::default();
        for what in self.agenda.in_outbox(node, self.nodes[node].life) {
            match what {
                Inside::Work(Work::Put { .. }) | Inside::Put(_) => found.putting = true,
                Inside::Work(Work::Settle { .. } | Work::Load { .. })
                | Inside::Sender { input: delivery::Input::Settled | delivery::Input::Page(..), .. } => {
                    found.delivering = true;
                }
                Inside::Work(Work::Take { .. }) | Inside::Receiver { input: reception::Input::Took(_), .. } => {
                    found.taking = true;
                }
                _ => {}
            }
        }
        if let Some(outbox) = self.outbox_of(node) {
            found.delivering |= outbox.sending.values().any(super::Sending::delivers);
            found.taking |= outbox.receiving.values().any(|live| live.taking);
        }
        self.exercise(Class::KilledPutting, u64::from(found.putting));
        self.exercise(Class::KilledDelivering, u64::from(found.delivering));
        self.exercise(Class::KilledTaking, u64::from(found.taking));
        self.exercise(Class::KillPoint, u64::from(found.putting || found.delivering || found.taking));
    }

    /// Breaks a lane; the named ends hear of it, from the other one.
    fn cut_lane(&mut self, stream: u64, ends: &[(usize, usize)]) {
        self.outbox.lanes.drop_stream(stream);
        for (from, to) in ends {
            let at = self.at + self.outbox.random.between(1, NOTICE_MS);
            let packet = Packet { from: *from, to: *to, body: Body::End { stream } };
            self.agenda.put(at, Event::Outbox(Happening::Arrive(packet)));
        }
    }

    /// Every lane between the two breaks.
    pub(crate) fn cut_lanes(&mut self, a: usize, b: usize) {
        for stream in self.outbox.lanes.between(a, b) {
            self.cut_lane(stream, &[(a, b), (b, a)]);
        }
    }

    /// What lies in the outbox of a node, whatever its state.
    fn rows(&self, reader: &Reader<'_>) -> Step<Rows> {
        let rows = reader.outbox_list(&OutboxFilter::default(), 0, usize::MAX >> 1, None)?;
        let row = |row: antiphon_store::OutboxRow| Some((self.number_of(&row.peer?)?, row.place));
        Ok(rows.into_iter().filter_map(row).collect())
    }

    /// A node came back: what was durable is there, and of what it was doing when it went down all or nothing.
    pub(super) fn check_disk(&mut self, node: usize) -> Step {
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let reader = up.db.reader();
        let rows = self.rows(&reader)?;
        let takes = self.outbox.ledger.taken_by(node).find_map(|(from, _, place)| {
            let known = reader.has_taken(&self.nodes[from].id, place);
            (!matches!(known, Ok(true))).then_some((from, place))
        });
        need(takes.is_none(), Law::ItemsOnce, || {
            format!("n{node} came back and does not know that it took {takes:?}")
        })?;
        let mut done = Vec::new();
        for untold in self.outbox.ledger.untold.get(&node).into_iter().flatten() {
            let there: Vec<bool> = match untold {
                Untold::Put(items, pushes) => {
                    let replaced = |id: u64| {
                        pushes.iter().any(
                            |push| matches!(push, antiphon_store::Push::Merged { replaced, .. } if *replaced == id),
                        )
                    };
                    let left = items.iter().zip(pushes).filter(|(_, push)| !replaced(push.id()));
                    left.map(|(item, push)| rows.contains(&(self.outbox.ledger.item(*item).to, push.place()))).collect()
                }
                Untold::Took { from, places } => {
                    let id = self.nodes[*from].id;
                    places.iter().map(|place| reader.has_taken(&id, *place)).collect::<Result<_, _>>()?
                }
            };
            let half = there.contains(&true) && there.contains(&false);
            need(!half, Law::ItemsOnce, || format!("n{node} came back with half of {untold:?}"))?;
            done.extend(there.contains(&true).then(|| untold.clone()));
        }
        self.outbox.ledger.untold.remove(&node);
        for untold in done {
            match untold {
                Untold::Put(items, pushes) => self.outbox.ledger.put(&items, &pushes)?,
                Untold::Took { from, places } => {
                    places.into_iter().try_for_each(|place| self.outbox.ledger.took(from, node, place))?;
                }
            }
        }
        self.outbox.ledger.check_rows(node, &rows)
    }

    /// Somebody copied the disk of a node.
    pub(crate) fn outbox_copied(&mut self, node: usize) {
        self.outbox.ledger.copied(node);
    }

    /// A node comes back with an older copy of its disk.
    pub(crate) fn outbox_rolled_back(&mut self, node: usize, copy: &Up) -> Step {
        if !self.has_outbox(node) {
            return Ok(());
        }
        let rows = self.rows(&copy.db.reader())?;
        let mut took = Vec::new();
        for key in self.outbox.ledger.taken_by(node) {
            let known = copy.db.reader().has_taken(&self.nodes[key.0].id, key.2)?;
            took.extend(known.then_some(key));
        }
        self.outbox.ledger.rolled_back(node, &rows, &took)
    }

    /// No file of a node holds anything of an item in the clear, whoever put it down.
    pub(super) fn search_files(&mut self, node: usize) -> Step {
        let dir = self.nodes[node].dir.clone();
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.is_file() {
                let found = holds(&std::fs::read(&path)?, CANARY.as_bytes());
                need(!found, Law::SealedAtRest, || {
                    format!("n{node} keeps an item in the clear in {}", path.display())
                })?;
            }
        }
        let waits = self.outbox.ledger.items().any(|(_, item)| item.from == node && self.outbox.ledger.is_owed(item));
        self.exercise(Class::ItemSearched, u64::from(waits));
        Ok(())
    }
}

/// Whether some bytes stand in others.
pub(crate) fn holds(bytes: &[u8], part: &[u8]) -> bool {
    let Some((first, rest)) = part.split_first() else { return true };
    let mut left = bytes;
    while let Some(at) = left.iter().position(|byte| byte == first) {
        left = left.get(at + 1..).unwrap_or_default();
        if left.starts_with(rest) {
            return true;
        }
    }
    false
}
