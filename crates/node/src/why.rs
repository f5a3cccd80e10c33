//! Why is it not there? What stands between a fact and a peer, said exactly and in the order in which it must be mended.
//!
//! Everything that keeps a fact from a peer is known to some part of the node: the fact's level, what a person set, how
//! far the peer is trusted, when it was reached last, how much it said it holds, what it signed. Each part alone gives a
//! half-truth; somebody who looks for a fact on the other machine wants all of them, the first to mend first. So all is
//! gathered into one value, and what follows from it is a function of that value alone.
//!
//! Limits: it speaks for this node. What the peer keeps to itself only the peer can say, and is then said to be asked
//! there.

mod document;
mod sealed;

use antiphon_core::charter::Refusal;
use antiphon_core::custody::{Custody, Holding};
use antiphon_core::fact::Level;
use antiphon_core::ids::{FactId, NodeId};
use antiphon_core::log::{LogId, NodeClock, Stream};
use antiphon_core::state::Verdict;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::reason::Reason;
use antiphon_store::{Domains, FactEntry, LogStanding, NodeMode, PeerMode};

pub(crate) use document::{KnownDocument, KnownVersion};
pub(crate) use sealed::SealedFor;

use crate::api::{Finding, OutboxPeerView, PeerView, Trust};
use crate::counted::count;
use crate::reason_words::{Finder, Words, words, words_of_cause};

/// Everything that an answer follows from.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// By this node's clock.
    pub(crate) now: UnixMillis,
    /// Name of this node.
    pub(crate) own: String,
    pub(crate) node: NodeId,
    pub(crate) mode: NodeMode,
    pub(crate) peer: PeerView,
    /// What the charter says of the peer.
    pub(crate) member: Result<(), Refusal>,
    /// Which domains the peer gets.
    pub(crate) domains: Domains,
    /// What the peer said it holds.
    pub(crate) theirs: Option<NodeClock>,
    pub(crate) ours: NodeClock,
    pub(crate) standings: Vec<LogStanding>,
    /// What the peer signed that it holds.
    pub(crate) receipt: Option<Custody>,
    /// What waits for the peer in the outbox.
    pub(crate) queued: Option<OutboxPeerView>,
    pub(crate) asked: Asked,
}

/// What was asked about.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// All that is between the two.
    Everything,
    Fact(Box<KnownFact>),
    Document(Box<KnownDocument>),
}

/// What is known of the fact that was asked about.
#[derive(Debug, Clone)]
pub(crate) struct KnownFact {
    pub(crate) id: FactId,
    /// Whose key made the id, where that is known.
    pub(crate) maker: Option<(NodeId, String)>,
    pub(crate) erased: bool,
    /// Whether this node has the fact, forgotten ones included.
    pub(crate) held: bool,
    pub(crate) forgotten: bool,
    pub(crate) private: bool,
    pub(crate) level: Level,
    /// The deepest level that the team shares.
    pub(crate) shared_up_to: Level,
    /// Whether anything of it stands in the shared stream.
    pub(crate) published: bool,
    pub(crate) domain: Option<String>,
    /// Whether recall can find it: it is in the search index, or among the newest events.
    pub(crate) indexed: bool,
    pub(crate) entries: Vec<FactEntry>,
    /// The role that it is sealed to, if it is, and what the peer can open of that.
    pub(crate) sealed: Option<SealedFor>,
}

/// What stands in between, the first to mend first; and whether the peer holds the fact, can read the document, or, when
/// nothing was asked about, whether both sides hold the same.
pub(crate) fn findings(known: &Known) -> (Vec<Finding>, bool) {
    let mut found = Found::default();
    let held = match &known.asked {
        Asked::Fact(fact) if fact.held => known.of_fact(fact, &mut found),
        Asked::Fact(fact) => {
            known.of_absent(fact, &mut found);
            false
        }
        Asked::Document(document) => known.of_document(document, &mut found),
        Asked::Everything => known.of_peer(&mut found),
    };
    (found.0, held)
}

#[derive(Default)]
struct Found(Vec<Finding>);

impl Found {
    fn blocks(&mut self, code: &'static str, what: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding { code, what: what.into(), fix: Some(fix.into()), blocks: true });
    }

    fn reason(&mut self, reason: Reason, words: Words) {
        self.blocks(reason.name(), words.what, words.fix);
    }

    fn says(&mut self, code: &'static str, what: impl Into<String>) {
        self.0.push(Finding { code, what: what.into(), fix: None, blocks: false });
    }

    fn is_blocked(&self) -> bool {
        self.0.iter().any(|finding| finding.blocks)
    }
}

/// How the peer holds what makes up a fact now.
#[derive(Debug, Clone, PartialEq, Eq)]
enum There {
    /// It signed that it holds all of it.
    Signed(UnixMillis),
    /// It acknowledged all of it.
    Acknowledged,
    /// It holds the entry of it without the text.
    Header,
    /// It holds it, and it does not count there.
    Stuck(String),
    /// It lacks so many events up to it, of the log that this name opened.
    Behind(u64, String),
    /// It has not said what it holds.
    Untold,
}

impl Known {
    fn name(&self) -> &str {
        &self.peer.name
    }

    /// A fact that is here. Whoever cannot open it carries it for others all the same.
    fn of_fact(&self, fact: &KnownFact, found: &mut Found) -> bool {
        let held = self.of_fact_there(fact, found);
        if let Some(sealed) = &fact.sealed {
            self.entitled(sealed, "read what is sealed to", "it", found);
        }
        held
    }

    fn of_fact_there(&self, fact: &KnownFact, found: &mut Found) -> bool {
        let there = self.there(fact);
        if let Some(There::Signed(at)) = there {
            found.says("receipt", format!("{} has signed that it holds it, {}", self.name(), ago(self.now.since(at))));
            self.own_text(fact, found);
            self.verdicts(fact, found);
            return true;
        }
        self.kept_back(fact, found);
        let withheld = found.is_blocked();
        self.verdicts(fact, found);
        if !fact.published {
            return false;
        }
        if there == Some(There::Acknowledged) && !withheld {
            found.says("acknowledged", format!("{} has acknowledged it; it has not signed for it yet", self.name()));
            return true;
        }
        self.set(true, found);
        self.reach(found);
        match there {
            Some(There::Header | There::Acknowledged) => self.header_only(found),
            Some(There::Stuck(reason)) => {
                let reason = Reason::from_name(&reason).unwrap_or(Reason::Other);
                let Words { what, fix } = words(reason, self.name(), &self.own, Finder::Peer);
                found.blocks(
                    reason.name(),
                    format!("{} holds it, and it does not count there: {what}", self.name()),
                    fix,
                );
            }
            Some(There::Behind(count, log)) => self.behind(count, &log, found),
            Some(There::Untold) if !found.is_blocked() => found.blocks(
                "unheard",
                format!("{} has not said yet what it holds", self.name()),
                format!("antiphon why {} {}, again in a minute", fact.id, self.name()),
            ),
            _ => {}
        }
        if !fact.indexed {
            found.says("not_indexed", "this node is still indexing what came; recall may not find it yet");
        }
        false
    }

    /// How the peer holds the entries that make up the fact now; `None` when nothing of it is shared.
    fn there(&self, fact: &KnownFact) -> Option<There> {
        let shared = fact.entries.iter().filter(|entry| entry.log.stream == Stream::Shared);
        let standing: Vec<&FactEntry> = shared.filter(|entry| entry.stands).collect();
        let mut all = standing.iter().map(|entry| self.entry_there(entry));
        let first = all.next()?;
        Some(all.fold(first, |worst, next| if rank(&next) > rank(&worst) { next } else { worst }))
    }

    fn entry_there(&self, entry: &FactEntry) -> There {
        if let Some(receipt) = &self.receipt {
            match receipt.holding(&entry.log, entry.seq) {
                Holding::Whole => return There::Signed(receipt.at),
                Holding::Header => return There::Header,
                Holding::Stuck(reason) => return There::Stuck(reason),
                Holding::Not => {}
            }
        }
        let Some(theirs) = &self.theirs else { return There::Untold };
        let seq = theirs.get(&entry.log).map_or(0, |head| head.seq);
        if seq >= entry.seq { There::Acknowledged } else { There::Behind(entry.seq - seq, entry.author.name.clone()) }
    }

    /// What keeps the text of a fact on this node.
    fn kept_back(&self, fact: &KnownFact, found: &mut Found) {
        let id = fact.id;
        if fact.erased {
            found.blocks(
                "erased",
                "it was forgotten for good, so nobody is to hold it",
                "antiphon remember TEXT, as a new fact",
            );
        } else if fact.forgotten {
            let what = "it was forgotten: no node recalls it, and that travels like any edit";
            found.blocks("forgotten", what, format!("antiphon facts restore {id}"));
        }
        if fact.private {
            let fix = format!("antiphon facts edit {id} --private false");
            found.blocks("private", "it is private, and what is private never leaves this machine", fix);
        }
        let level_shared = fact.level <= fact.shared_up_to;
        if !level_shared {
            let what = format!("its level is {}, and facts of that level stay on their machine", fact.level);
            found.blocks("level", what, format!("antiphon facts edit {id} --level {}", fact.shared_up_to));
        }
        if fact.published && (fact.private || !level_shared) {
            found.says("withheld", "it was shared before, so whoever got it then may still have it");
        }
        if !self.domains.allow(fact.domain.as_deref()) {
            let domain =
                fact.domain.as_ref().map_or_else(|| "without a domain".to_owned(), |name| format!("about {name}"));
            let what = format!("this node gives {} no facts {domain}", self.name());
            found.blocks("domain", what, format!("antiphon peers share {} --all", self.name()));
        }
        self.own_text(fact, found);
    }

    /// Whether this node lacks the text itself.
    fn own_text(&self, fact: &KnownFact, found: &mut Found) {
        let Some(entry) = fact.entries.iter().find(|entry| entry.stands && !entry.payload) else { return };
        if !fact.erased {
            let what = "this node holds that it was written, not what it says, so it cannot pass it on";
            let fix = format!("antiphon why {} {} (on {})", fact.id, self.own, entry.author.name);
            found.blocks(Reason::MissingPayload.name(), what, fix);
        }
    }

    /// What does not count here of the entries of a fact, and so not on the other members either.
    fn verdicts(&self, fact: &KnownFact, found: &mut Found) {
        for entry in &fact.entries {
            if let Some(cause) = entry.cause {
                let Words { what, fix } = words_of_cause(cause, &entry.author.name);
                found.blocks(cause.name(), format!("an event of it does not count here: {what}"), fix);
            }
        }
    }

    /// What persons set; `outward` when it is about what this node sends.
    fn set(&self, outward: bool, found: &mut Found) {
        let (flows, does) =
            if outward { (self.mode.sends(), "sends nothing") } else { (self.mode.takes(), "takes nothing") };
        if !flows {
            let what = format!("this node is set to {}: it {does}", self.mode.name());
            found.blocks("node_mode", what, "antiphon federation mode sync");
        }
        if self.peer.mode == PeerMode::Paused {
            let what = format!("sharing with {} is paused on this node", self.name());
            found.blocks("paused", what, format!("antiphon peers resume {}", self.name()));
        } else if outward && self.peer.takes == Some(false) && !self.peer.out_of_step {
            let what = format!("{} takes nothing at present: it has paused this node, or only publishes", self.name());
            let fix = format!("antiphon federation status (on {}), which says which of both", self.name());
            found.blocks("peer_takes_nothing", what, fix);
        }
    }

    /// Whether the peer may be spoken to, and can be.
    fn reach(&self, found: &mut Found) {
        let finder = if self.peer.refused_by_peer { Finder::Peer } else { Finder::Us };
        let say = |reason, finder| words(reason, self.name(), &self.own, finder);
        if let Err(refusal) = self.member {
            let reason = Reason::from(refusal);
            return found.reason(reason, say(reason, Finder::Us));
        }
        if self.peer.out_of_step {
            return found.reason(Reason::GenomeMismatch, say(Reason::GenomeMismatch, Finder::Us));
        }
        if self.peer.trust == Trust::Rejected {
            let reason = self.peer.reason.unwrap_or(Reason::Other);
            return found.reason(reason, say(reason, finder));
        }
        if !self.peer.connected {
            self.away(found);
        }
    }

    fn away(&self, found: &mut Found) {
        let error = self.peer.health.last_error.as_ref().filter(|error| error.reason.is_network());
        let seen = self.peer.last_seen.map_or_else(
            || "it was never reached".to_owned(),
            |at| format!("it was last heard of {}", ago(self.now.since(at))),
        );
        let next = self.peer.next_try.filter(|_| !self.peer.addresses.is_empty());
        let next = match next {
            Some(at) if at.since(self.now) >= 1_000 => format!("; the next attempt is in {}", span(at.since(self.now))),
            Some(_) => "; it is being tried".to_owned(),
            None => "; no address of it is known, so it must come by itself".to_owned(),
        };
        let last = error.map(|error| {
            let Words { what, fix } = words(error.reason, self.name(), &self.own, Finder::Us);
            (format!("; the last attempt, {}, says: {what}", ago(self.now.since(error.observed_at))), fix)
        });
        let (last, fix) = last.unwrap_or_else(|| (String::new(), format!("antiphon up --detach (on {})", self.name())));
        found.blocks("no_route", format!("{} is away: {seen}{last}{next}", self.name()), fix);
    }

    fn header_only(&self, found: &mut Found) {
        let what = format!("{} holds that it was written, not what it says", self.name());
        if found.is_blocked() {
            found.says(Reason::MissingPayload.name(), what);
        } else {
            let fix = format!("antiphon why {}: it asks for the text within a minute", self.name());
            found.blocks(Reason::MissingPayload.name(), what, fix);
        }
    }

    fn behind(&self, count: u64, log: &str, found: &mut Found) {
        let whose = if log == self.own { "this node's log".to_owned() } else { format!("the log of {log}") };
        let events = events(count);
        if found.is_blocked() {
            let what = format!("{} lacks {events} of {whose} up to it; that follows by itself then", self.name());
            found.says("behind", what);
        } else {
            let what = format!("it is on its way: {} lacks {events} of {whose} up to it", self.name());
            found.blocks("behind", what, format!("antiphon why {}, again in a moment", self.name()));
        }
    }

    /// A fact that is not here.
    fn of_absent(&self, fact: &KnownFact, found: &mut Found) {
        let own = |maker: &(NodeId, String)| maker.0 == self.node;
        let maker = match &fact.maker {
            Some(maker) if own(maker) => ", although its id was made here".to_owned(),
            Some((_, name)) => format!("; its id was made by {name}"),
            None => String::new(),
        };
        let what = format!("this node does not hold it{maker}");
        found.says("unknown_here", what);
        if fact.erased {
            found.blocks(
                "erased",
                "it was forgotten for good, so nobody is to hold it",
                "antiphon remember TEXT, as a new fact",
            );
            return;
        }
        self.verdicts(fact, found);
        let before = found.0.len();
        self.set(false, found);
        self.reach(found);
        let lacking = self.lacking();
        if lacking > 0 {
            let what = format!("{} holds {} that this node lacks", self.name(), events(lacking));
            found.blocks("behind", what, format!("antiphon why {}, again in a moment", self.name()));
        }
        if found.0.len() == before {
            let what = format!(
                "this node lacks nothing that {} has told it of; if {} has it, it keeps it to itself: by its level, by its domain or by a pause",
                self.name(),
                self.name()
            );
            found.blocks("kept_back", what, format!("antiphon why {} {} (on {})", fact.id, self.own, self.name()));
        }
    }

    /// Events that the peer holds and this node does not.
    fn lacking(&self) -> u64 {
        self.theirs.as_ref().map_or(0, |theirs| crate::peers::lag(theirs, &self.ours))
    }

    /// Everything between this node and a peer.
    fn of_peer(&self, found: &mut Found) -> bool {
        self.set(true, found);
        // To take nothing is said once, whichever way it was asked.
        if self.mode.sends() {
            self.set_inward(found);
        }
        self.reach(found);
        if !self.domains.is_all() {
            found.says("domain", format!("it gets the texts of {}", domains(&self.domains)));
        }
        self.queued(found);
        self.position(found);
        self.by_peer(found);
        self.at_peer(found);
        if let Some(words) = &self.peer.skew {
            found.blocks("version", words.what.clone(), words.fix.clone());
        }
        let lag = |theirs| crate::peers::lag(&self.ours, theirs) + self.lacking();
        let equal = self.flows() && self.theirs.as_ref().is_some_and(|theirs| lag(theirs) == 0);
        if equal && !found.is_blocked() {
            found.says("equal", format!("both hold the same: {}", events(total(&self.ours))));
        }
        equal
    }

    /// Whether what is new on either side is told to the other at once, as far as this node knows.
    fn flows(&self) -> bool {
        self.mode == NodeMode::Sync && self.peer.mode == PeerMode::Sync && self.peer.takes != Some(false)
    }

    fn set_inward(&self, found: &mut Found) {
        if !self.mode.takes() {
            let what = format!("this node is set to {}: it takes nothing", self.mode.name());
            found.blocks("node_mode", what, "antiphon federation mode sync");
        }
    }

    /// What waits for the peer in the outbox, and what no longer waits by itself.
    fn queued(&self, found: &mut Found) {
        let Some(queued) = &self.queued else { return };
        let name = self.name();
        if queued.pending > 0 {
            let next = match queued.next_try {
                Some(at) if at.since(self.now) >= 1_000 => format!("the next try is in {}", span(at.since(self.now))),
                _ => "it is being tried".to_owned(),
            };
            let places = if queued.pending == 1 { "1".to_owned() } else { format!("1 to {}", queued.pending) };
            let what =
                format!("the outbox holds {} for {name}, at place {places}; {next}", count(queued.pending, "item"));
            found.says("queued", what);
        }
        if queued.stuck > 0 {
            let what = format!("the outbox holds {} for {name} until you decide", count(queued.stuck, "item"));
            found.blocks("queued", what, format!("antiphon outbox list --peer {name}"));
        }
    }

    /// How far both sides are apart.
    fn position(&self, found: &mut Found) {
        let Some(theirs) = &self.theirs else {
            return found.says("unheard", format!("{} has not said yet what it holds", self.name()));
        };
        let (theirs, ours) = (crate::peers::lag(&self.ours, theirs), self.lacking());
        if theirs > 0 {
            found.says("behind", format!("{} lacks {} that this node holds", self.name(), events(theirs)));
        }
        if ours > 0 {
            found.says("behind", format!("this node lacks {} that {} holds", events(ours), self.name()));
        }
    }

    /// What does not count here of what the peer wrote.
    fn by_peer(&self, found: &mut Found) {
        for log in self.standings.iter().filter(|log| log.node == self.peer.peer_id) {
            for (cause, count) in &log.uncounted {
                let Words { what, fix } = words_of_cause(*cause, self.name());
                found.blocks(
                    cause.name(),
                    format!("{} of {} do not count here: {what}", events(*count), self.name()),
                    fix,
                );
            }
            if log.missing > 0 {
                let what = format!("{} of {} came here without the text", events(log.missing), self.name());
                let fix = format!("antiphon why {} (on {}), which says what it keeps back", self.own, self.name());
                found.blocks(Reason::MissingPayload.name(), what, fix);
            }
            if let Verdict::Forked(seq) = log.verdict {
                let what = format!("the log of {} has two histories from its event {seq} on", self.name());
                found.blocks(Reason::Equivocation.name(), what, "antiphon federation status names the log");
            }
        }
    }

    /// What the peer signed that it holds, and what it does not.
    fn at_peer(&self, found: &mut Found) {
        let Some(receipt) = &self.receipt else { return };
        let missing = receipt.gaps.iter().map(|gap| gap.last - gap.first + 1).fold(0, u64::saturating_add);
        if missing > 0 {
            let what = format!("{} has signed that it holds {} without the text", self.name(), events(missing));
            found.says(Reason::MissingPayload.name(), what);
        }
        for stuck in &receipt.stuck {
            let reason = Reason::from_name(&stuck.reason).unwrap_or(Reason::Other);
            let Words { what, fix } = words(reason, self.name(), &self.own, Finder::Peer);
            let whose = self.whose(&stuck.log);
            found.blocks(reason.name(), format!("event {} of {whose} does not count there: {what}", stuck.seq), fix);
        }
        found.says("receipt", format!("it signed what it holds {}", ago(self.now.since(receipt.at))));
    }

    fn whose(&self, log: &LogId) -> String {
        let found = self.standings.iter().find(|standing| standing.log == *log);
        found.map_or_else(|| "a log".to_owned(), |standing| format!("the log of {}", standing.name))
    }
}

/// Of several entries the one that is worst off decides.
const fn rank(there: &There) -> u8 {
    match there {
        There::Signed(_) => 0,
        There::Acknowledged => 1,
        There::Header => 2,
        There::Stuck(_) => 3,
        There::Behind(..) => 4,
        There::Untold => 5,
    }
}

fn domains(domains: &Domains) -> String {
    let only = if domains.only.is_empty() { "every domain".to_owned() } else { domains.only.join(", ") };
    if domains.except.is_empty() { only } else { format!("{only} but of {}", domains.except.join(", ")) }
}

fn total(clock: &NodeClock) -> u64 {
    clock.values().fold(0, |sum, head| sum.saturating_add(head.seq))
}

fn events(number: u64) -> String {
    count(number, "event")
}

/// How long ago something was: `just now`, `12 s ago`.
fn ago(ms: u64) -> String {
    if ms < 1_000 { "just now".to_owned() } else { format!("{} ago", span(ms)) }
}

/// A span of time in words: `12 s`, `5 min`.
fn span(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let (size, unit) = UNITS.into_iter().find(|(size, _)| ms >= *size).unwrap_or((1_000, "s"));
    format!("{} {unit}", ms / size)
}

#[cfg(test)]
mod tests;
