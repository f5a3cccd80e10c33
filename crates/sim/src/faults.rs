//! What happens to a world from outside: links, crashes, clocks, disks, and the calm afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use antiphon_core::ids::FactId;
use antiphon_core::log::Stream;

use antiphon_protocol::sync::{Input, Mode};

use crate::agenda::Event;
use crate::disk;
use crate::exercised::Class;
use crate::failure::Step;
use crate::holdings::facts_with_texts;
use crate::network::{Body, Packet};
use crate::node::Up;
use crate::options::Sabotage;
use crate::plan::{Crash, Fault, Policy};
use crate::world::World;

/// Longest time until a broken connection is noticed, in milliseconds.
const NOTICE_MS: u64 = 2_000;
/// Time between two looks for the moment of a crash, in milliseconds.
const LOOK_MS: u64 = 5;
/// No limit for a database, in pages.
const PAGES_UNLIMITED: u32 = u32::MAX - 2;

impl World {
    pub(crate) fn fault(&mut self, fault: Fault) -> Step {
        if self.calm && !matches!(fault, Fault::Restart(_) | Fault::FreeDisk(_) | Fault::Return(_)) {
            return Ok(());
        }
        if let Fault::Crash { node, crash, down_ms, looks } = fault
            && !self.is_moment(node, crash)
            && looks > 0
        {
            let again = Fault::Crash { node, crash, down_ms, looks: looks - 1 };
            self.agenda.put(self.at + LOOK_MS, Event::Fault(again));
            return Ok(());
        }
        self.tally.faults += 1;
        self.note(0, "fault", &[], || format!("{fault:?}"));
        match fault {
            Fault::Block(from, to) => {
                self.network.block(from, to);
                self.outbox.lanes.block(from, to);
                self.block_lane(from, to);
                self.backups.lanes.block(from, to);
            }
            Fault::Unblock(from, to) => {
                let sent = self.network.unblock(self.at, from, to);
                self.deliver(sent);
                let sent = self.outbox.lanes.unblock(self.at, from, to);
                self.deliver_items(sent);
                self.unblock_lane(from, to);
                let sent = self.backups.lanes.unblock(self.at, from, to);
                self.deliver_backups(sent);
            }
            Fault::Cut(a, b) => {
                self.network.between(a, b).into_iter().for_each(|stream| self.cut(stream, &[(a, b), (b, a)]));
                self.cut_lanes(a, b);
                self.cut_streams(a, b);
            }
            Fault::Crash { node, crash, down_ms, .. } => {
                self.crash(node, crash)?;
                self.agenda.put(self.at + down_ms, Event::Fault(Fault::Restart(node)));
            }
            Fault::Restart(node) => self.restart(node)?,
            Fault::SetClock(node, skew) => self.set_clock(node, skew)?,
            Fault::FillDisk(node) => self.fill_disk(node)?,
            Fault::FreeDisk(node) => self.free_disk(node)?,
            Fault::Snapshot(node) => self.snapshot(node)?,
            Fault::RollBack(node) => self.restore(node)?,
            Fault::LoseDisk { node, down_ms } => self.lose_disk(node, down_ms)?,
            Fault::Return(node) => self.begin_anew(node)?,
            Fault::SetMode(node, mode) => self.set_mode(node, mode)?,
            Fault::Pause(node, peer, pauses) => self.pause(node, peer, pauses)?,
            Fault::Share(node, peer, policy) => self.share(node, peer, policy)?,
            Fault::Line(members) => {
                self.network.stand_in_line(members);
                self.outbox.lanes.stand_in_line(members);
                self.lanes_in_line(members);
                self.backups.lanes.stand_in_line(members);
            }
            Fault::Leave(node, peer) => {
                let sessions = self.nodes[node].up.as_ref().map(|up| &up.sessions);
                let epoch = sessions.and_then(|sessions| sessions.get(&peer)).map(|live| live.epoch);
                if let Some(epoch) = epoch {
                    self.drive(node, peer, epoch, Input::Close)?;
                }
            }
        }
        Ok(())
    }

    /// No page more fits onto the disk of a member that is up.
    fn fill_disk(&mut self, node: usize) -> Step {
        if let Some(up) = self.nodes[node].up.as_mut() {
            let pages = up.db.page_count()?;
            up.db.limit_pages(pages)?;
            self.fill_shelf(node, true);
            self.tally.exercised.add(Class::FullDisk, 1);
        }
        Ok(())
    }

    /// Breaks a stream; the named ends hear of it, from the other one.
    fn cut(&mut self, stream: u64, ends: &[(usize, usize)]) {
        self.network.drop_stream(stream);
        for (from, to) in ends {
            let at = self.at + self.random.between(1, NOTICE_MS);
            let body = Body::End { stream };
            self.agenda.put(at, Event::Arrive(Packet { from: *from, to: *to, body }));
        }
    }

    /// Whether a node is where this crash is meant to meet it.
    fn is_moment(&self, node: usize, crash: Crash) -> bool {
        let life = self.nodes[node].life;
        match crash {
            Crash::Killed | Crash::Dark => true,
            Crash::Torn => self.agenda.next_write(node, life).is_some(),
            Crash::Untold => self.agenda.is_untold(node, life),
        }
    }

    /// A node sends and takes shared events, or does not, from now on.
    fn set_mode(&mut self, node: usize, mode: Mode) -> Step {
        self.nodes[node].mode = mode;
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let live = u64::from(!up.sessions.is_empty());
        match (mode.sends, mode.takes) {
            (true, false) => self.tally.exercised.add(Class::Publish, live),
            (false, true) => self.tally.exercised.add(Class::Subscribe, live),
            _ => {}
        }
        let sessions: Vec<(usize, u64)> = up.sessions.iter().map(|(peer, live)| (*peer, live.epoch)).collect();
        for (peer, epoch) in sessions {
            let mode = self.mode_with(node, self.nodes[peer].id);
            self.drive(node, peer, epoch, Input::Mode(mode))?;
        }
        Ok(())
    }

    pub(crate) fn crash(&mut self, node: usize, crash: Crash) -> Step {
        let life = self.nodes[node].life;
        let next = self.nodes[node].dir.with_file_name(format!("n{node}-{}", life + 1));
        if self.nodes[node].up.is_none() {
            return Ok(());
        }
        let torn_item = self.kill_outbox(node, crash)?;
        let unflushed = self.kill_shelf(node);
        let before = disk::wal_len(&self.nodes[node].dir);
        let torn = self.agenda.next_write(node, life).filter(|_| crash == Crash::Torn).cloned();
        let tears = torn.is_some();
        if let Some(job) = torn {
            self.run_untold(node, job)?;
        }
        let after = disk::wal_len(&self.nodes[node].dir);
        disk::copy(&self.nodes[node].dir, &next)?;
        self.nodes[node].up = None;
        std::fs::remove_dir_all(&self.nodes[node].dir)?;
        self.nodes[node].dir = next;
        self.nodes[node].life += 1;
        if tears && after > before {
            self.tally.torn += 1;
            disk::tear(&self.nodes[node].dir, before, after, &mut self.random)?;
        }
        self.outbox_killed(node, crash, torn_item)?;
        self.shelf_killed(node, crash, unflushed)?;
        if self.is_sabotaged(Sabotage::RollBack) {
            self.roll_back(node)?;
        }
        self.tally.crashes += 1;
        let class = match crash {
            Crash::Killed => Some(Class::Killed),
            Crash::Dark => Some(Class::Dark),
            Crash::Torn => (tears && after > before).then_some(Class::Torn),
            Crash::Untold => self.agenda.is_untold(node, life).then_some(Class::Untold),
        };
        class.into_iter().for_each(|class| self.tally.exercised.add(class, 1));
        for (stream, other) in self.network.of(node) {
            let ends: &[(usize, usize)] = if crash == Crash::Dark { &[] } else { &[(node, other)] };
            self.cut(stream, ends);
        }
        Ok(())
    }

    /// A node comes back with what its disk has.
    pub(crate) fn restart(&mut self, node: usize) -> Step {
        if self.nodes[node].up.is_some() || self.nodes[node].life == 0 || self.is_diskless(node) {
            return Ok(());
        }
        self.nodes[node].life += 1;
        let up = Up::start(&self.nodes[node].dir, &self.nodes[node].key)?;
        let logs = up.db.reader().logs()?;
        if up.db.own().is_some() {
            self.model.check_prefix(node, &up.db)?;
            self.model.committed(node, &logs)?;
        } else {
            self.model.check_unfounded(node)?;
        }
        self.nodes[node].up = Some(up);
        self.check_last_receipt(node)?;
        self.start_outbox(node)?;
        self.agenda.put(self.at + self.random.below(1_000), Event::Join(node));
        Ok(())
    }

    fn snapshot_dir(&self, node: usize) -> PathBuf {
        self.dir.path().join(format!("copy-{node}"))
    }

    /// Somebody copies the disk of a node that is in the team.
    fn snapshot(&mut self, node: usize) -> Step {
        let team = self.nodes[node].ticket.as_ref().map(|ticket| ticket.team);
        match self.nodes[node].up.as_ref() {
            Some(up) if up.db.own().map(|own| own.team) == team => disk::copy(up.db.dir(), &self.snapshot_dir(node))?,
            _ => return Ok(()),
        }
        self.outbox_copied(node);
        Ok(())
    }

    /// A node comes back with the copy: what it signed since then it has forgotten, and its clients are told so.
    fn restore(&mut self, node: usize) -> Step {
        let copy = self.snapshot_dir(node);
        if !copy.is_dir() {
            return Ok(());
        }
        self.crash(node, Crash::Killed)?;
        self.nodes[node].life += 1;
        self.nodes[node].dir = self.nodes[node].dir.with_file_name(format!("n{node}-{}", self.nodes[node].life));
        disk::copy(&copy, &self.nodes[node].dir)?;
        let up = Up::start(&self.nodes[node].dir, &self.nodes[node].key)?;
        let logs = up.db.reader().logs()?;
        let id = self.nodes[node].id;
        // A node whose peers had been set meanwhile has forgotten that, too.
        self.nodes[node].shares.clear();
        for row in up.db.reader().peers()? {
            let policy = match (row.only_domains.is_empty(), row.except_domains.is_empty()) {
                (false, _) => Policy::OnlyWeb,
                (_, false) => Policy::ExceptPay,
                _ => Policy::All,
            };
            let peer = self.index[&row.node];
            self.nodes[node].shares.insert(peer, (policy, self.at));
        }
        let somewhere = self.somewhere(node, &up)?;
        self.model.rolled_back(node, &id, &logs, &somewhere);
        self.outbox_rolled_back(node, &up)?;
        self.shelf_rolled_back(node, &up)?;
        self.restored = true;
        self.nodes[node].lost_at = Some(self.at);
        self.tally.exercised.add(Class::OlderDisk, 1);
        self.restart(node)?;
        self.forget_kept(node)?;
        // Somebody goes on where the copy ends, before anybody can say that these places are taken.
        if self.random.chance(700) { self.write_by(node) } else { Ok(()) }
    }

    /// What a node remembered that stands on the copy of its disk, or of which another member has a text; and where.
    fn somewhere(&self, node: usize, copy: &Up) -> Step<BTreeMap<FactId, Stream>> {
        let mut heard: BTreeSet<FactId> = BTreeSet::new();
        for other in self.honest().into_iter().filter(|other| *other != node) {
            if let Some(up) = self.nodes[other].up.as_ref() {
                // Who has headers only can give nothing back.
                heard.extend(facts_with_texts(&up.db.reader())?);
            }
        }
        let mut somewhere: BTreeMap<FactId, Stream> = BTreeMap::new();
        for fact in self.model.remembered.iter().filter(|((of, _), _)| *of == node).map(|(_, fact)| *fact) {
            let on_copy = copy.db.reader().fact(fact)?.map(|found| found.stream);
            let stream = if heard.contains(&fact) { Some(Stream::Shared) } else { on_copy };
            somewhere.extend(stream.map(|stream| (fact, stream)));
        }
        Ok(somewhere)
    }

    /// The disk of another member is gone: of what the member with the older disk wrote before, it is owed what somebody
    /// still has.
    pub(crate) fn owe_restored_what_is_left(&mut self, gone: usize) -> Step {
        let Some(node) = self.plan.restored.filter(|node| self.restored && *node != gone) else { return Ok(()) };
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let somewhere = self.somewhere(node, up)?;
        self.model.owe_facts_only(node, &somewhere);
        Ok(())
    }

    /// Whether the member that came back with an older disk is down, so that nobody can say what it has.
    pub(crate) fn is_restored_down(&self) -> bool {
        self.restored && self.plan.restored.is_some_and(|node| self.nodes[node].up.is_none())
    }

    /// Somebody sets the clock of a node: what waits for a time by it may be due at once.
    fn set_clock(&mut self, node: usize, skew: i64) -> Step {
        self.nodes[node].set_back |= skew < self.nodes[node].skew;
        self.nodes[node].skew = skew;
        let Some(up) = self.nodes[node].up.as_ref() else { return Ok(()) };
        let waiting = up.sessions.iter().filter_map(|(peer, live)| Some((*peer, live.epoch, live.wake?)));
        let waiting: Vec<_> = waiting.collect();
        waiting.into_iter().try_for_each(|(peer, epoch, at)| self.wake(node, peer, epoch, at))
    }

    fn free_disk(&mut self, node: usize) -> Step {
        self.fill_shelf(node, false);
        match self.nodes[node].up.as_mut() {
            Some(up) => Ok(up.db.limit_pages(PAGES_UNLIMITED)?),
            None => Ok(()),
        }
    }

    /// Everything heals: links, clocks' owners and disks behave from now on, and every node is up.
    pub(crate) fn heal(&mut self) -> Step {
        self.calm = true;
        self.note(0, "calm", &[], String::new);
        (0..self.plan.nodes).try_for_each(|node| self.begin_anew(node))?;
        let sent = self.network.heal(self.at);
        self.deliver(sent);
        self.heal_outboxes()?;
        self.heal_contents();
        let sent = self.backups.lanes.heal(self.at);
        self.deliver_backups(sent);
        for node in 0..self.plan.nodes {
            self.free_disk(node)?;
            self.restart(node)?;
            self.nodes[node].paused.clear();
            self.set_mode(node, Mode::BOTH)?;
        }
        Ok(())
    }
}
