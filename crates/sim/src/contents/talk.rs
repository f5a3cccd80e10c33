//! Questions, proofs and offers: the real conversations of both sides, one stream for each two members and direction.

use std::collections::BTreeMap;

use antiphon_core::ids::Hash;
use antiphon_core::possession::{Challenge, Claim, Possession};
use antiphon_core::replication::Priority;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::reason::Reason;
use antiphon_protocol::replication::answering::{self, Answering};
use antiphon_protocol::replication::asking::{self, Asking, Unanswered};
use antiphon_protocol::replication::manager::Input;
use antiphon_protocol::replication::{About, Answer, Depth, Message, Offer, Outcome, questions};

use super::Inside;
use super::fetching::Cause;
use super::lanes::Speaks;
use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::world::World;

/// Longest time until something was looked up, in milliseconds.
const LOOK_MS_MAX: u64 = 50;

/// What waits for an answer.
#[derive(Debug, Clone)]
enum Waiting {
    Ask(Vec<About>),
    Offer(Hash),
}

/// A stream over which a member asks.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) stream: u64,
    /// Whether the other side has accepted it.
    pub(super) stands: bool,
    machine: Asking,
    wake_at: Option<UnixMillis>,
    waiting: BTreeMap<u64, Waiting>,
    /// What is said once it stands.
    queued: Vec<asking::Input>,
}

/// A stream over which a member is asked.
#[derive(Debug)]
pub(super) struct Answerer {
    peer: usize,
    machine: Answering,
    wake_at: Option<UnixMillis>,
}

impl World {
    /// Asks another one what it holds, and has it proved where there is something to check the proof with.
    pub(super) fn ask_about(&mut self, node: usize, peer: usize, about: Vec<(Hash, Depth)>) -> Step {
        let mut drawn = Vec::new();
        for (root, depth) in about {
            let blocks = if depth == Depth::Proof { self.draw_blocks(node, &root)? } else { Vec::new() };
            drawn.push(About { root, blocks });
        }
        self.met(Class::DocumentAsked, drawn.len() as u64);
        for about in questions(drawn) {
            let (id, nonce) = (self.contents.name(), self.contents.random.bytes());
            let input = asking::Input::Ask { id, nonce, about: about.clone() };
            self.say(node, peer, id, Waiting::Ask(about), input)?;
        }
        Ok(())
    }

    /// Offers another one a copy.
    pub(super) fn offer_to(&mut self, node: usize, peer: usize, root: Hash, length: u64, priority: Priority) -> Step {
        let id = self.contents.name();
        let most = self.contents.plan.as_ref().map_or(0, |plan| plan.settings.concurrent);
        self.met(Class::DocumentOffered, 1);
        self.note_content(node, "offer", &root, || format!("{root:?} to n{peer}"));
        let input = asking::Input::Offer { id, offer: Offer { root, length, priority } };
        self.say(node, peer, id, Waiting::Offer(root), input)?;
        let counts = |waiting: &&Waiting| matches!(waiting, Waiting::Offer(_));
        let member =
            |peer: usize| self.membership(node).is_some_and(|held| held.member(&self.nodes[peer].id).is_some());
        let Some(shelf) = self.shelf_of(node) else { return Ok(()) };
        let under_way = shelf.asking.iter().filter(|(peer, _)| member(**peer)).map(|(_, asker)| asker);
        let under_way: usize = under_way.map(|asker| asker.waiting.values().filter(counts).count()).sum();
        need(under_way <= most, Law::OffersAreFew, || format!("n{node} has {under_way} offers under way, not {most}"))
    }

    fn say(&mut self, node: usize, peer: usize, id: u64, waiting: Waiting, input: asking::Input) -> Step {
        if !self.shelf_of(node).is_some_and(|shelf| shelf.asking.contains_key(&peer)) {
            let Some(team) = self.in_acme(node).map(|team| team.own.team) else { return Ok(()) };
            let (own, other, now) = (self.nodes[node].id, self.nodes[peer].id, self.steady());
            let stream = self.open_lane(node, peer, Speaks::Copies);
            let (machine, first) = Asking::new(team, own, other, now);
            let (waiting, queued) = (BTreeMap::new(), Vec::new());
            let asker = Asker { stream, stands: false, machine, wake_at: None, waiting, queued };
            if let Some(shelf) = self.shelf(node) {
                shelf.asking.insert(peer, asker);
            }
            self.do_for_asker(node, peer, stream, first)?;
        }
        let Some(asker) = self.shelf(node).and_then(|shelf| shelf.asking.get_mut(&peer)) else { return Ok(()) };
        asker.waiting.insert(id, waiting);
        let stream = asker.stream;
        if asker.stands {
            return self.drive_asker(node, peer, stream, input);
        }
        asker.queued.push(input);
        Ok(())
    }

    pub(super) fn asker_stands(&mut self, node: usize, peer: usize, stream: u64) -> Step {
        let asker = self.shelf(node).and_then(|shelf| shelf.asking.get_mut(&peer));
        let Some(asker) = asker.filter(|asker| asker.stream == stream && !asker.stands) else { return Ok(()) };
        asker.stands = true;
        let queued = std::mem::take(&mut asker.queued);
        queued.into_iter().try_for_each(|input| self.drive_asker(node, peer, stream, input))
    }

    pub(super) fn asker_hears(&mut self, node: usize, peer: usize, stream: u64, message: Message) -> Step {
        self.drive_asker(node, peer, stream, asking::Input::Message(message))
    }

    fn drive_asker(&mut self, node: usize, peer: usize, stream: u64, input: asking::Input) -> Step {
        let now = self.steady();
        let asker = self.shelf(node).and_then(|shelf| shelf.asking.get_mut(&peer));
        let Some(asker) = asker.filter(|asker| asker.stream == stream) else { return Ok(()) };
        let outputs = asker.machine.handle(input, now);
        outputs.into_iter().try_for_each(|output| self.do_for_asker(node, peer, stream, output))
    }

    fn do_for_asker(&mut self, node: usize, peer: usize, stream: u64, output: asking::Output) -> Step {
        let asker = self.shelf(node).and_then(|shelf| shelf.asking.get_mut(&peer));
        let Some(asker) = asker.filter(|asker| asker.stream == stream) else { return Ok(()) };
        match output {
            asking::Output::Send(message) => self.send_frame(stream, node, message.encode(), true),
            asking::Output::WakeAt(at) => {
                asker.wake_at = Some(at);
                self.in_shelf_at(node, at, Inside::WakeTalk { stream, at });
                Ok(())
            }
            asking::Output::Answered(answered) => {
                let Some(Waiting::Ask(about)) = asker.waiting.remove(&answered.id) else { return Ok(()) };
                let answers = self.check_claims(node, peer, &about, answered)?;
                self.heard_answers(node, peer, answers)
            }
            asking::Output::Settled { id, outcome } => {
                let waiting = asker.waiting.remove(&id);
                self.settled_talk(node, peer, waiting, outcome)
            }
            asking::Output::Failed { id, why } => {
                let waiting = asker.waiting.remove(&id);
                self.note_content(node, "unanswered", &Hash([0; 32]), || format!("by n{peer}: {why}"));
                if let (Some(Waiting::Ask(about)), Unanswered::False(_)) = (&waiting, why) {
                    let answers = about.iter().map(|about| (about.root, Answer::Wrong)).collect();
                    return self.heard_answers(node, peer, answers);
                }
                self.settled_talk(node, peer, waiting, Outcome::Failed(Reason::NetworkTimeout))
            }
            asking::Output::Close(_) => {
                self.close_lane(node, stream);
                self.asker_is_over(node, peer, stream)
            }
        }
    }

    fn settled_talk(&mut self, node: usize, peer: usize, waiting: Option<Waiting>, outcome: Outcome) -> Step {
        match waiting {
            None => Ok(()),
            Some(Waiting::Offer(root)) => {
                self.note_content(node, "outcome", &root, || format!("of n{peer} for {root:?}: {outcome:?}"));
                self.met(Class::DocumentFull, u64::from(matches!(outcome, Outcome::Full { .. })));
                let peer = self.nodes[peer].id;
                self.manage(node, Input::Offered { peer, root, outcome })
            }
            Some(Waiting::Ask(about)) => {
                let answers = about.into_iter().map(|about| (about.root, Answer::Failed)).collect();
                self.heard_answers(node, peer, answers)
            }
        }
    }

    fn heard_answers(&mut self, node: usize, peer: usize, answers: Vec<(Hash, Answer)>) -> Step {
        for (root, answer) in &answers {
            self.note_content(node, "answer", root, || format!("of n{peer} for {root:?}: {answer:?}"));
            self.met(Class::DocumentProved, u64::from(*answer == Answer::Proved));
        }
        let peer = self.nodes[peer].id;
        self.manage(node, Input::Answered { peer, answers })
    }

    /// The stream over which a member asked is gone, and with it what it asked.
    pub(super) fn asker_is_over(&mut self, node: usize, peer: usize, stream: u64) -> Step {
        let Some(shelf) = self.shelf(node) else { return Ok(()) };
        if shelf.asking.get(&peer).is_none_or(|asker| asker.stream != stream) {
            return Ok(());
        }
        let Some(asker) = shelf.asking.remove(&peer) else { return Ok(()) };
        for waiting in asker.waiting.into_values() {
            self.settled_talk(node, peer, Some(waiting), Outcome::Failed(Reason::NetworkReset))?;
        }
        Ok(())
    }

    /// Somebody asks.
    pub(super) fn begin_answering(&mut self, node: usize, peer: usize, stream: u64) -> Step {
        let (machine, first) = Answering::new(self.steady());
        let Some(shelf) = self.shelf(node) else { return Ok(()) };
        shelf.answering.insert(stream, Answerer { peer, machine, wake_at: None });
        self.do_for_answerer(node, stream, first)
    }

    pub(super) fn answerer_hears(&mut self, node: usize, stream: u64, message: Message) -> Step {
        self.drive_answerer(node, stream, answering::Input::Message(message))
    }

    pub(super) fn drive_answerer(&mut self, node: usize, stream: u64, input: answering::Input) -> Step {
        let now = self.steady();
        let Some(answerer) = self.shelf(node).and_then(|shelf| shelf.answering.get_mut(&stream)) else { return Ok(()) };
        let outputs = answerer.machine.handle(input, now);
        outputs.into_iter().try_for_each(|output| self.do_for_answerer(node, stream, output))
    }

    fn do_for_answerer(&mut self, node: usize, stream: u64, output: answering::Output) -> Step {
        let Some(answerer) = self.shelf(node).and_then(|shelf| shelf.answering.get_mut(&stream)) else { return Ok(()) };
        let peer = answerer.peer;
        if let answering::Output::WakeAt(at) = output {
            answerer.wake_at = Some(at);
            self.in_shelf_at(node, at, Inside::WakeTalk { stream, at });
            return Ok(());
        }
        match output {
            answering::Output::Look(challenges) => {
                let wait = self.contents.random.between(1, LOOK_MS_MAX);
                self.in_shelf(node, wait, Inside::Look { stream, challenges });
                Ok(())
            }
            answering::Output::Answer { id, nonce, claims } => {
                let Some(own) = self.in_acme(node).map(|team| team.own.clone()) else { return Ok(()) };
                let (asker, at) = (self.nodes[peer].id, self.nodes[node].clock(self.at));
                let (team, holder, store) = (own.team, own.node, own.store);
                let possession = Possession { team, holder, store, asker, at, nonce, claims };
                let receipt = possession.sign(&*self.nodes[node].key);
                self.send_frame(stream, node, Message::Answer { id, receipt }.encode(), true)
            }
            answering::Output::Take { id, .. } if !self.mode_with(node, self.nodes[peer].id).takes => {
                self.tell_outcome(node, stream, id, Outcome::NotOffered)
            }
            answering::Output::Take { id, offer } => match self.propose(node, peer, &offer)? {
                Ok(from) => self.fetch(node, offer.root, Cause::Offer { stream, id }, &from),
                Err(outcome) => self.tell_outcome(node, stream, id, outcome),
            },
            answering::Output::Send(message) => self.send_frame(stream, node, message.encode(), true),
            answering::Output::WakeAt(_) => Ok(()),
            answering::Output::Close(_) => {
                if let Some(shelf) = self.shelf(node) {
                    shelf.answering.remove(&stream);
                }
                self.close_lane(node, stream);
                Ok(())
            }
        }
    }

    pub(super) fn tell_outcome(&mut self, node: usize, stream: u64, id: u64, outcome: Outcome) -> Step {
        self.drive_answerer(node, stream, answering::Input::Took { id, outcome })
    }

    /// A conversation is woken, unless it has changed its mind.
    pub(super) fn wake_talk(&mut self, node: usize, stream: u64, at: UnixMillis) -> Step {
        let Some(shelf) = self.shelf(node) else { return Ok(()) };
        if let Some(answerer) = shelf.answering.get_mut(&stream) {
            if answerer.wake_at == Some(at) {
                answerer.wake_at = None;
                return self.drive_answerer(node, stream, answering::Input::Wake);
            }
            return Ok(());
        }
        let asker = shelf.asking.iter_mut().find(|(_, asker)| asker.stream == stream);
        let Some((peer, asker)) = asker.filter(|(_, asker)| asker.wake_at == Some(at)) else { return Ok(()) };
        asker.wake_at = None;
        let peer = *peer;
        self.drive_asker(node, peer, stream, asking::Input::Wake)
    }

    /// What was to be found out is found out now.
    pub(super) fn look_at(&mut self, node: usize, stream: u64, challenges: &[Challenge]) -> Step {
        let answerer = self.shelf_of(node).and_then(|shelf| shelf.answering.get(&stream));
        let Some(peer) = answerer.map(|answerer| answerer.peer) else { return Ok(()) };
        let mut claims = Vec::new();
        for challenge in challenges {
            let claim = self.claim(node, peer, challenge)?;
            let proves = matches!(claim, Claim::Whole { digest: Some(_) });
            let refused = proves && !self.vouch_for(node, &challenge.root);
            claims.push(if refused { Claim::Missing } else { claim });
        }
        self.drive_answerer(node, stream, answering::Input::Looked(claims))
    }
}
