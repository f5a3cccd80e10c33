//! What the machines want done, and what comes of it.

use super::*;

impl World {
    pub(super) fn put_out(&mut self, n: usize, output: Output) {
        let (life, now) = (self.machines[n].life, self.now);
        match output {
            Output::Ask { peer, about } => {
                let to = self.by_id[&peer];
                assert!(self.connected(n, to), "only who is connected is asked");
                assert!(!about.is_empty() && about.is_sorted_by(|one, next| one.0 < next.0));
                self.asked += about.len();
                let late = self.late();
                self.plan(late, Event::Ask { from: n, life, to, about });
            }
            Output::Offer { peer, root, .. } => {
                let to = self.by_id[&peer];
                assert!(self.connected(n, to), "only who is connected is offered a copy");
                assert!(self.machines[n].disk.contains(&self.by_root[&root]), "only what is held is offered");
                self.offers += 1;
                self.machines[n].offered += 1;
                assert!(self.machines[n].offered <= self.machines[n].settings.concurrent, "offers are bounded");
                let late = self.late();
                self.plan(late, Event::Offer { from: n, life, to, root });
            }
            Output::Trim { root, witnesses } => {
                self.check_witnesses(n, &root, &witnesses);
                let late = 1 + self.random(3_000);
                self.plan(late, Event::Trim { node: n, life, root });
            }
            Output::Note { root, node, evidence, history } => {
                let known = self.machines[n].notes.get(&(root, node)).and_then(|(_, added, _)| *added);
                let added = known.or(evidence.holds().then_some(evidence.at()));
                self.machines[n].notes.insert((root, node), (evidence, added, history));
            }
            Output::Forget { root } => self.machines[n].notes.retain(|(other, _), _| *other != root),
            Output::WakeAt(at) => {
                self.machines[n].wake = Some(at);
                self.plan(at.since(now), Event::Wake(n, life));
            }
        }
    }

    /// Whoever is a witness comes earlier in the order, and holds it now.
    fn check_witnesses(&self, n: usize, root: &Hash, witnesses: &[NodeId]) {
        let document = self.by_root[root];
        let witnesses: BTreeSet<usize> = witnesses.iter().map(|id| self.by_id[id]).collect();
        assert!(!witnesses.contains(&n) && !witnesses.is_empty());
        for witness in witnesses {
            assert!(self.machines[witness].disk.contains(&document), "{witness} does not hold {document} for {n}");
        }
    }

    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(n, life) => {
                if self.machines[n].life == life && self.machines[n].wake == Some(self.now) {
                    self.machines[n].wake = None;
                    self.give(n, Input::Wake);
                }
            }
            Event::Ask { from, life, to, about } => self.asked(from, life, to, &about),
            Event::Answer { from, life, to, answers } => {
                if self.machines[from].life == life {
                    self.give(from, Input::Answered { peer: self.machines[to].id, answers });
                }
            }
            Event::Offer { from, life, to, root } => self.offered(from, life, to, root),
            Event::Fetched { from, life, to, taker, root } => self.fetched(from, life, to, taker, root),
            Event::Outcome { from, life, to, root, outcome } => {
                if self.machines[from].life == life {
                    self.machines[from].offered -= 1;
                    self.give(from, Input::Offered { peer: self.machines[to].id, root, outcome });
                }
            }
            Event::Trim { node, life, root } => self.trim(node, life, root),
            Event::Heard { node, document } => self.hear(node, document),
        }
    }

    fn is_lost(&mut self, one: usize, other: usize) -> bool {
        self.random(100) < self.lost_per_cent || !self.connected(one, other)
    }

    fn asked(&mut self, from: usize, life: u64, to: usize, about: &[(Hash, Depth)]) {
        if self.is_lost(from, to) {
            let answers = about.iter().map(|(root, _)| (*root, Answer::Failed)).collect();
            return self.plan(5_000, Event::Answer { from, life, to, answers });
        }
        let mut answers = Vec::new();
        for (root, depth) in about {
            answers.push((*root, self.answer(from, to, root, *depth)));
        }
        let late = self.late();
        let event = match self.is_lost(from, to) {
            true => about.iter().map(|(root, _)| (*root, Answer::Failed)).collect(),
            false => answers,
        };
        self.plan(late, Event::Answer { from, life, to, answers: event });
    }

    fn answer(&mut self, from: usize, to: usize, root: &Hash, depth: Depth) -> Answer {
        let document = self.by_root[root];
        let (held, checks) = (self.machines[to].disk.contains(&document), self.machines[from].disk.contains(&document));
        if !held {
            return match (self.machines[to].lies, depth) {
                (true, Depth::Proof) if checks => Answer::Wrong,
                (true, _) => Answer::Claimed,
                _ => Answer::Missing,
            };
        }
        let now = self.now;
        match depth {
            Depth::Question => Answer::Claimed,
            Depth::Proof if self.manager(to).vouch(root, now) == Vouch::Refused => Answer::Missing,
            Depth::Proof if checks => Answer::Proved,
            Depth::Proof => Answer::Claimed,
        }
    }

    fn offered(&mut self, from: usize, life: u64, to: usize, root: Hash) {
        let late = self.late();
        if self.is_lost(from, to) {
            let outcome = Outcome::Failed(Reason::NetworkTimeout);
            return self.plan(5_000, Event::Outcome { from, life, to, root, outcome });
        }
        if self.machines[to].lies {
            return self.plan(late, Event::Outcome { from, life, to, root, outcome: Outcome::Had });
        }
        let (now, peer) = (self.now, self.machines[from].id);
        let free = self.machines[to].quota.saturating_sub(self.machines[to].disk.len() as u64 * LENGTH);
        match self.manager(to).take(peer, &root, free, now) {
            Taking::Take { .. } => {
                let taker = self.machines[to].life;
                let late = self.fetch_ms / 2 + self.random(self.fetch_ms);
                self.plan(late, Event::Fetched { from, life, to, taker, root });
            }
            Taking::Refuse(outcome) => self.plan(late, Event::Outcome { from, life, to, root, outcome }),
        }
    }

    fn fetched(&mut self, from: usize, life: u64, to: usize, taker: u64, root: Hash) {
        let document = self.by_root[&root];
        let holds = self.machines[from].disk.contains(&document) && self.documents[document].needed;
        let ok = !self.is_lost(from, to) && holds;
        if self.machines[to].life == taker && self.is_up(to) {
            if ok {
                assert!(self.machines[to].disk.insert(document), "{to} took {document} twice");
                self.copies.push((document, to));
            }
            self.give(to, Input::Took { root, ok });
        }
        let done = ok && self.machines[to].life == taker;
        let outcome = if done { Outcome::Taken } else { Outcome::Failed(Reason::NetworkReset) };
        self.plan(1, Event::Outcome { from, life, to, root, outcome });
    }

    fn trim(&mut self, n: usize, life: u64, root: Hash) {
        if self.machines[n].life != life || !self.is_up(n) {
            return;
        }
        let document = self.by_root[&root];
        if !self.documents[document].needed {
            return self.give(n, Input::Trimmed { root, ok: false });
        }
        let ok = self.random(100) >= self.lost_per_cent;
        if ok {
            assert!(self.machines[n].disk.remove(&document));
            self.trims.push((document, n));
            let others =
                (0..self.machines.len()).filter(|other| self.machines[*other].disk.contains(&document)).count();
            assert!(others > 0, "{n} removed the last copy of {document}");
        }
        self.give(n, Input::Trimmed { root, ok });
    }
}
