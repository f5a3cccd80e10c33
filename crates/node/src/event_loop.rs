//! The event loop: everything that changes what this node thinks of its peers happens here, one thing at a time.
//!
//! Nothing in the loop waits for the disk or the network. Work that takes time becomes a task, and its result comes
//! back as an [`Input`]; every channel is bounded, and a full one makes its sender wait, never the loop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;
use antiphon_net::NetHandle;
use antiphon_protocol::sync::{IDLE_MS, Input as Heard};
use antiphon_store::{Committed, NodeMode, Store};
use antiphon_vault::{LiveKeyring, NodeKey};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::api::StorageOffer;
use crate::audit::{self, Audit};
use crate::backups::Backups;
use crate::clock::{has_come, now};
use crate::content::Transfers;
use crate::custody::Custodian;
use crate::held::Held;
use crate::inputs::{Command, Input};
use crate::modes::Compared;
use crate::outbox::Outbox;
use crate::own_log::Rejoin;
use crate::peers::Registry;
use crate::ports::Ports;
use crate::rows::{self, Unkept};
use crate::sealed::Copies;
use crate::session::{Epoch, Live};
use crate::tasks::Tasks;
use crate::team::TeamState;

/// How often the loop looks for members to dial and for silent ones, in milliseconds.
const HOUSEKEEPING_MS: u64 = 500;

/// State of the loop.
pub(crate) struct Engine {
    pub(crate) net: NetHandle,
    pub(crate) store: Store,
    pub(crate) key: Arc<NodeKey>,
    /// The role keys that it opens.
    pub(crate) keys: Arc<LiveKeyring>,
    pub(crate) team: TeamState,
    /// What this node holds, as of the last commit that was read.
    pub(crate) held: Held,
    pub(crate) peers: Registry,
    /// What a person set.
    pub(crate) mode: NodeMode,
    /// When somebody last asked for clocks to be compared.
    pub(crate) compared: Option<Compared>,
    /// What it stores for others.
    pub(crate) storage: StorageOffer,
    pub(crate) sessions: BTreeMap<NodeId, Live>,
    /// Peers with a handshake under way.
    pub(crate) greeting: BTreeSet<NodeId>,
    /// Peers to which a stream is being opened.
    pub(crate) opening: BTreeSet<NodeId>,
    /// When which session wants to be woken.
    pub(crate) timers: BTreeSet<(UnixMillis, NodeId, Epoch)>,
    /// Where this node listens, with its peer id.
    pub(crate) listen: Vec<String>,
    /// The ports of those addresses; a task keeps them for the next start.
    pub(crate) ports: watch::Sender<Ports>,
    /// Sessions so far.
    pub(crate) epochs: u64,
    pub(crate) agent_version: String,
    /// How often the node has moved to another team. What was begun before the last move counts no more.
    pub(crate) moves: u64,
    /// Peers of which more is known than the database has.
    pub(crate) unkept: Unkept,
    /// Since when a role has keys none of which may be used.
    pub(crate) keyless_since: Option<UnixMillis>,
    /// Gene backups that stand.
    pub(crate) backups: Backups,
    pub(crate) audit: Audit,
    pub(crate) copies: Copies,
    pub(crate) custodian: Custodian,
    pub(crate) outbox: Outbox,
    /// How many messages came since the node started.
    pub(crate) letters: watch::Sender<u64>,
    /// What the hash table is shown of the team.
    pub(crate) table: crate::dht::Window,
    pub(crate) transfers: Transfers,
    /// What members are told about copies.
    pub(crate) answers: crate::replication::Answers,
    /// What is shown of the members to whoever cares for copies.
    pub(crate) presence: crate::replication::presence::Shown,
    /// How often members asked for what.
    pub(crate) rates: crate::rated::Kinds,
    /// How long a verified peer may be silent, in milliseconds.
    pub(crate) peer_timeout_ms: u64,
    /// When strangers that were not seen for long are forgotten next.
    pub(crate) sweep_at: UnixMillis,
    /// A commit is being read.
    pub(crate) reading: bool,
    /// Another commit came meanwhile.
    pub(crate) read_again: bool,
    /// The own log, when it is not what members hold of it.
    pub(crate) rejoin: Rejoin,
    /// Peers of which more can be said once the charter was read again.
    pub(crate) rechecks: BTreeSet<NodeId>,
    /// Who waits until what is committed was read.
    pub(crate) waiting: Vec<oneshot::Sender<()>>,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) tasks: Tasks,
}

/// Where the loop gets its news.
pub(crate) struct Sources {
    pub(crate) events: mpsc::Receiver<antiphon_net::Event>,
    pub(crate) inputs: mpsc::Receiver<Input>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) commits: watch::Receiver<Committed>,
}

impl Engine {
    /// Runs until it is told to stop, then puts everything away in order.
    pub(crate) async fn run(mut self, mut from: Sources) {
        let mut housekeeping = interval(Duration::from_millis(HOUSEKEEPING_MS));
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.read_commit();
        self.open_closed();
        self.note_keyless(now());
        loop {
            let wake = self.next_wake();
            tokio::select! {
                event = from.events.recv() => match event {
                    Some(event) => self.on_network(event),
                    None => break,
                },
                // The engine holds a sender itself, so this channel never ends.
                Some(input) = from.inputs.recv() => self.on_input(input),
                command = from.commands.recv() => match command {
                    Some(Command::Stop) | None => break,
                    Some(command) => self.on_command(command),
                },
                Ok(()) = from.commits.changed() => self.read_commit(),
                _ = housekeeping.tick() => self.keep_house(),
                () = sleep_until(wake) => self.wake_sessions(),
                () = self.tasks.reap() => {}
            }
        }
        self.stop().await;
    }

    async fn stop(mut self) {
        tracing::info!("stopping");
        self.sessions.clear();
        self.net.shutdown().await;
        std::mem::take(&mut self.tasks).end().await;
        let rest = self.rest_of_unkept();
        rows::keep(&self.store, rest).await;
        audit::write(&self.store, self.audit.rest()).await;
        self.store.close().await;
    }

    fn on_command(&mut self, command: Command) {
        // Whoever asked and has gone does not need the answer.
        match command {
            Command::Peers(reply) => drop(reply.send((self.show_peers(), self.listen.clone()))),
            Command::WhoIsAhead { node, reply } => drop(reply.send(self.who_is_ahead(&node))),
            Command::Team(reply) => drop(reply.send(self.team.clone())),
            Command::CatchUp(reply) => {
                self.waiting.push(reply);
                self.read_commit();
            }
            Command::Handshake { peer, address, reply } => self.greet(peer, vec![address], Some(reply)),
            Command::Meet { peer, addresses } => self.meet(peer, addresses),
            Command::Registry(ask) => self.on_ask(ask),
            Command::Carry(carry) => self.on_carry(carry),
            Command::Modes(ask) => self.on_modes(ask),
            Command::Announce(ask) => self.on_announce(ask),
            Command::Outbox(ask) => self.on_outbox_ask(ask),
            Command::Retime { outbox_retry_ms, peer_timeout_ms } => {
                self.outbox.set_pause(outbox_retry_ms);
                self.peer_timeout_ms = peer_timeout_ms;
            }
            Command::Moved(team) => self.moved(*team),
            Command::Stop => {}
        }
    }

    fn on_input(&mut self, input: Input) {
        match input {
            Input::Handshake { peer, outcome, moves, reply } => self.greeted(peer, outcome, moves, reply),
            Input::Stream { peer, stream } => self.on_stream(peer, stream),
            Input::Frame { peer, epoch, message } => self.drive(peer, epoch, Heard::Message(message)),
            Input::Session { peer, epoch, input } => self.drive(peer, epoch, input),
            Input::SessionEnded { peer, epoch, reason } => self.session_ended(peer, epoch, reason),
            Input::Applied { peer, log, applied, last } => self.on_applied(peer, log, &applied, last),
            Input::Committed { held, team, moves, rechecks, waiting } => {
                self.on_committed(*held, team, moves);
                rechecks.into_iter().for_each(|peer| self.recheck(peer));
                for reply in waiting {
                    // Whoever asked and has gone does not need the answer.
                    let _ = reply.send(());
                }
            }
            Input::CommitUnread { error, rechecks, waiting } => {
                tracing::error!(%error, "what was committed could not be read, which is tried again");
                self.commit_unread(rechecks, waiting);
            }
            Input::Kept => self.kept(),
            Input::Custody(news) => self.on_custody(news),
            Input::Outbox(news) => self.on_outbox(news),
            Input::Refused(refused) => self.refused(refused),
            Input::Audited => self.audited(),
            Input::WroteAgain(done) => self.wrote_again(done),
            Input::BackedUp { backup, gone } => self.backed_up(&backup, &gone),
        }
    }

    fn next_wake(&self) -> Instant {
        // No later than the next look around the house, which notices a clock that was set back.
        let at = self.timers.first().map_or(HOUSEKEEPING_MS, |(at, ..)| at.since(now()).min(HOUSEKEEPING_MS));
        Instant::now() + Duration::from_millis(at)
    }

    fn wake_sessions(&mut self) {
        let at = now();
        // Each once: a session that wants to be woken again at once waits until everything else had its turn.
        let due = self.timers.iter().take_while(|(due, ..)| has_come(*due, at, IDLE_MS)).copied();
        for timer in due.collect::<Vec<_>>() {
            if self.timers.remove(&timer) {
                let (_, peer, epoch) = timer;
                self.drive(peer, epoch, Heard::Wake);
            }
        }
    }

    fn keep_house(&mut self) {
        if self.read_again && !self.reading {
            self.read_commit();
        }
        self.enforce_charter();
        let at = now();
        self.dial_due(at);
        self.greet_again(at);
        self.check_timeouts(at);
        self.tend_copies(at);
        self.tend_own_log(at);
        self.tend_outbox();
        self.tend_role_keys(at);
        self.show_table();
    }

    /// Greets members to whom there is no session, when their time has come.
    pub(crate) fn dial_due(&mut self, at: UnixMillis) {
        for (peer, addresses) in self.peers.due(&self.team.membership, &self.sessions, at) {
            if peer != self.team.own.node && !self.greeting.contains(&peer) {
                self.greet(peer, crate::connect::parse_all(&addresses), None);
            }
        }
    }
}
