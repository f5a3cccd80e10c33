//! A fetch and its providers in one place, driven by one seed: whatever can happen next is drawn, and after each step
//! the laws are checked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use antiphon_core::content::{BLOCK_BYTES, MANIFEST_BYTES_MAX, MANIFEST_CHILDREN_MAX, Manifest, Shape};
use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::time::UnixMillis;
use antiphon_protocol::blocks::fetch::{
    ASK_AGAIN_MS, Account, FLYING_BYTES_MAX, Failure, Input, Look, Output, Piece, WINDOW_BYTES_MAX,
};
use antiphon_protocol::blocks::serve::{self, Job};
use antiphon_protocol::blocks::{Block, Fetch, Message, Serve, What};
use antiphon_protocol::reason::Reason;

/// Numbers that look random and are the same for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn chance(&mut self, in_hundred: u64) -> bool {
        self.below(100) < in_hundred
    }
}

/// A document whose blocks say which they are.
pub(crate) struct Document {
    pub(crate) shape: Shape,
    pub(crate) top: Manifest,
    pub(crate) leaves: Vec<Manifest>,
}

impl Document {
    pub(crate) fn new(length: u64) -> Self {
        let shape = Shape { length };
        let hashes: Vec<Hash> = (0..shape.blocks()).map(|n| Hash::of(&n.to_be_bytes())).collect();
        let (top, leaves) = Manifest::of_blocks(length, &hashes).unwrap();
        let leaves = if leaves.is_empty() { vec![top.clone()] } else { leaves };
        Self { shape, top, leaves }
    }

    pub(crate) fn root(&self) -> Hash {
        self.top.hash()
    }

    pub(crate) fn block(&self, n: u64) -> Block {
        let mut bytes = vec![0; self.shape.block_bytes(n).unwrap() as usize];
        let tag = n.to_be_bytes();
        let len = bytes.len().min(tag.len());
        bytes[..len].copy_from_slice(&tag[..len]);
        Block { root: self.root(), n, bytes }
    }

    fn is_right(&self, block: &Block, hash: Hash) -> bool {
        hash == Hash::of(&block.n.to_be_bytes()) && block.bytes == self.block(block.n).bytes
    }

    fn manifest(&self, hash: &Hash) -> Option<Vec<u8>> {
        std::iter::once(&self.top).chain(&self.leaves).find(|one| one.hash() == *hash).map(Manifest::encode)
    }
}

/// How a provider behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It sends what it is asked for.
    Honest,
    /// Sometimes it sends other bytes.
    Liar,
    /// It lacks some blocks.
    Partial,
    /// It stops at some time.
    Silent,
    /// Its stream breaks now and then.
    Breaking,
    /// It is busy now and then.
    Busy,
    /// It says what it likes.
    Babbling,
}

const KINDS: [Kind; 7] =
    [Kind::Honest, Kind::Liar, Kind::Partial, Kind::Silent, Kind::Breaking, Kind::Busy, Kind::Babbling];

struct Link {
    kind: Kind,
    opening: bool,
    open: bool,
    /// What it has said and the fetch has not heard.
    said: VecDeque<Message>,
    serve: Serve,
    /// What was asked of it and not answered.
    owes: BTreeSet<Piece>,
}

/// How a fetch ended, and all that it wanted done.
#[derive(Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) result: Result<(), Failure>,
    pub(crate) accounts: BTreeMap<NodeId, Account>,
    pub(crate) fetched: u64,
    trace: Vec<String>,
}

pub(crate) struct World {
    random: Random,
    now: UnixMillis,
    document: Document,
    fetch: Fetch,
    links: BTreeMap<NodeId, Link>,
    held: BTreeSet<u64>,
    manifests: BTreeSet<Hash>,
    /// Blocks that are being checked.
    keeping: VecDeque<(u64, bool)>,
    looking: VecDeque<Look>,
    /// When each piece was asked for last.
    asked_at: BTreeMap<Piece, UnixMillis>,
    wake_at: Option<UnixMillis>,
    result: Option<Result<(), Failure>>,
    fetched: u64,
    trace: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64, document: Document, kinds: &[Kind]) -> Self {
        let now = UnixMillis(1_700_000_000_000);
        let link = |(n, kind): (u8, &Kind)| {
            let (serve, _) = Serve::new(now);
            let said = VecDeque::new();
            let owes = BTreeSet::new();
            (NodeId([n; 32]), Link { kind: *kind, opening: false, open: false, said, serve, owes })
        };
        let links: BTreeMap<NodeId, Link> = (1..).zip(kinds).map(link).collect();
        let fetch = Fetch::new(document.root(), document.shape, links.keys().copied());
        Self {
            random: Random(seed),
            now,
            document,
            fetch,
            links,
            held: BTreeSet::new(),
            manifests: BTreeSet::new(),
            keeping: VecDeque::new(),
            looking: VecDeque::new(),
            asked_at: BTreeMap::new(),
            wake_at: None,
            result: None,
            fetched: 0,
            trace: Vec::new(),
        }
    }

    pub(crate) fn random(seed: u64) -> Self {
        let mut random = Random(seed ^ 0xa5a5);
        let length = 1 + random.below(40 * BLOCK_BYTES);
        let kinds: Vec<Kind> = (0..1 + random.below(10)).map(|_| KINDS[random.below(7) as usize]).collect();
        let mut world = Self::new(seed, Document::new(length), &kinds);
        if random.chance(50) {
            // It was begun before.
            world.manifests.insert(world.document.root());
            let held = (0..world.document.shape.blocks()).filter(|_| random.chance(30)).collect();
            world.held = held;
        }
        world
    }

    pub(crate) fn hold_all_but(&mut self, missing: impl IntoIterator<Item = u64>) {
        self.held = (0..self.document.shape.blocks()).collect();
        for n in missing {
            self.held.remove(&n);
        }
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> Ended {
        let root = self.document.root();
        let manifest = self.manifests.contains(&root).then(|| self.document.top.encode());
        self.tell(Input::Begin(manifest));
        let mut steps = 0;
        while self.result.is_none() {
            self.step();
            self.check();
            steps += 1;
            assert!(steps < 200_000, "it never ends");
        }
        self.check_end();
        let accounts = self.fetch.accounts();
        Ended { result: self.result.unwrap(), accounts, fetched: self.fetched, trace: self.trace }
    }

    fn tell(&mut self, input: Input) {
        for output in self.fetch.handle(input, self.now) {
            self.trace.push(format!("{output:?}"));
            self.act(output);
        }
    }

    fn act(&mut self, output: Output) {
        assert!(self.result.is_none(), "nothing comes after the end");
        match output {
            Output::Open(node) => {
                let link = self.links.get_mut(&node).unwrap();
                assert!(!link.open && !link.opening);
                link.opening = true;
            }
            Output::Close(node) => {
                let link = self.links.get_mut(&node).unwrap();
                (link.open, link.opening) = (false, false);
                link.said.clear();
                link.owes.clear();
            }
            Output::Send(node, message) => self.on_sent(node, message),
            Output::KeepManifest(_, bytes) => {
                let hash = Hash::of(&bytes);
                assert!(self.document.manifest(&hash).is_some(), "a manifest of nobody knows what");
                assert!(self.manifests.insert(hash), "a manifest is kept once");
            }
            Output::Look(look) => self.looking.push_back(look),
            Output::Keep { hash, block, .. } => {
                assert!(!self.held.contains(&block.n), "a block is fetched once");
                let good = self.document.is_right(&block, hash);
                self.keeping.push_back((block.n, good));
            }
            Output::WakeAt(at) => self.wake_at = Some(at),
            Output::End(result) => self.result = Some(result),
        }
    }

    fn on_sent(&mut self, node: NodeId, message: Message) {
        assert!(self.links[&node].open, "nobody is spoken to without a stream");
        let Message::Want { root, what } = &message else { return assert_eq!(message, Message::Bye) };
        assert_eq!(*root, self.document.root());
        what.validate().unwrap();
        let pieces: Vec<Piece> = match what {
            What::Manifest(hash) if hash == root => vec![Piece::Root],
            What::Manifest(hash) => {
                vec![Piece::Leaf(self.document.leaves.iter().position(|leaf| leaf.hash() == *hash).unwrap() as u64)]
            }
            What::Blocks(ranges) => ranges.iter().cloned().flatten().map(Piece::Block).collect(),
        };
        for piece in pieces {
            let elsewhere = self.links.values().any(|link| link.owes.contains(&piece));
            let waited = self.asked_at.get(&piece).is_none_or(|at| self.now >= at.after(ASK_AGAIN_MS));
            assert!(!elsewhere || waited, "{piece} is asked for twice");
            self.asked_at.insert(piece, self.now);
            assert!(self.links.get_mut(&node).unwrap().owes.insert(piece), "{piece} is asked for again");
        }
        self.answer(node, message);
    }

    /// A provider hears a request.
    fn answer(&mut self, node: NodeId, message: Message) {
        let kind = self.links[&node].kind;
        let root = self.document.root();
        match kind {
            Kind::Silent if self.random.chance(30) => self.links.get_mut(&node).unwrap().kind = Kind::Silent,
            Kind::Silent if self.random.chance(30) => return,
            Kind::Busy if self.random.chance(30) => return self.says(node, Message::Busy),
            Kind::Babbling if self.random.chance(40) => {
                let n = self.random.below(self.document.shape.blocks());
                let what = What::Blocks([n..n + 1].to_vec());
                let babble = match self.random.below(7) {
                    0 => Message::Unknown(99),
                    1 => Message::Want { root, what },
                    2 => Message::Missing { root, what },
                    3 => Message::Block(self.document.block(n)),
                    4 => Message::Manifest(self.document.top.encode()),
                    5 => Message::Missing { root: Hash([4; 32]), what },
                    _ => Message::Bye,
                };
                self.says(node, babble);
            }
            _ => {}
        }
        let mut outputs = VecDeque::from(self.serve(node, serve::Input::Message(message)));
        while let Some(output) = outputs.pop_front() {
            match output {
                serve::Output::Load(job) => {
                    let loaded = self.load(kind, job);
                    outputs.extend(self.serve(node, serve::Input::Loaded(loaded)));
                }
                serve::Output::Send(message) => {
                    let lies = kind == Kind::Liar && self.random.chance(10);
                    self.says(node, if lies { falsify(message) } else { message });
                }
                serve::Output::WakeAt(_) => {}
                serve::Output::Close(closed) => panic!("a fetch that keeps the rules is put out: {closed}"),
            }
        }
    }

    fn serve(&mut self, node: NodeId, input: serve::Input) -> Vec<serve::Output> {
        self.links.get_mut(&node).unwrap().serve.handle(input, self.now)
    }

    fn load(&mut self, kind: Kind, job: Job) -> Option<Vec<u8>> {
        match job {
            Job::Manifest { hash, .. } => self.document.manifest(&hash),
            Job::Block { n, .. } => {
                let lacks = kind == Kind::Partial && self.random.chance(40);
                (!lacks).then(|| self.document.block(n).bytes)
            }
        }
    }

    fn says(&mut self, node: NodeId, message: Message) {
        self.links.get_mut(&node).unwrap().said.push_back(message);
    }

    /// One of the things that can happen next.
    fn step(&mut self) {
        if let Some(look) = self.looking.pop_front() {
            let manifest = self.manifests.contains(&look.manifest).then(|| self.document.manifest(&look.manifest));
            let missing = look.blocks.filter(|n| !self.held.contains(n)).map(|n| n..n + 1).collect();
            return self.tell(Input::Looked { part: look.part, manifest: manifest.flatten(), missing });
        }
        let ready = self.links.iter().filter(|(_, link)| link.opening || !link.said.is_empty());
        let ready: Vec<NodeId> = ready.map(|(node, _)| *node).collect();
        let choices = ready.len() as u64 + u64::from(!self.keeping.is_empty());
        if choices == 0 || self.random.chance(3) {
            return self.wait();
        }
        match ready.get(self.random.below(choices) as usize) {
            Some(node) => self.hear(*node),
            None => {
                let (n, good) = self.keeping.pop_front().unwrap();
                if good {
                    assert!(self.held.insert(n));
                    self.fetched += 1;
                }
                self.tell(Input::Kept { n, good });
            }
        }
    }

    fn hear(&mut self, node: NodeId) {
        let breaks = self.random.chance(5);
        let now = self.now;
        let link = self.links.get_mut(&node).unwrap();
        if link.kind == Kind::Breaking && breaks {
            (link.open, link.opening) = (false, false);
            link.said.clear();
            link.owes.clear();
            return self.tell(Input::Closed(node, Reason::NetworkReset));
        }
        if std::mem::take(&mut link.opening) {
            link.open = true;
            link.serve = Serve::new(now).0;
            return self.tell(Input::Opened(node));
        }
        let message = link.said.pop_front().unwrap();
        match &message {
            Message::Block(block) => {
                link.owes.remove(&Piece::Block(block.n));
            }
            Message::Missing { what: What::Blocks(ranges), .. } => {
                for n in ranges.iter().cloned().flatten() {
                    link.owes.remove(&Piece::Block(n));
                }
            }
            Message::Manifest(_) | Message::Missing { .. } => {
                link.owes.retain(|piece| matches!(piece, Piece::Block(_)));
            }
            _ => {}
        }
        self.tell(Input::Message(node, message));
    }

    /// Time goes by.
    fn wait(&mut self) {
        let at = self.wake_at.take().expect("a fetch that waits says until when");
        self.now = self.now.max(at);
        self.tell(Input::Wake);
    }

    fn check(&self) {
        assert!(self.fetch.flying_bytes() <= FLYING_BYTES_MAX);
        for link in self.links.values() {
            let bytes = |piece: &Piece| match piece {
                Piece::Block(n) => self.document.shape.block_bytes(*n).unwrap(),
                _ => MANIFEST_BYTES_MAX as u64,
            };
            assert!(link.owes.iter().map(bytes).sum::<u64>() <= WINDOW_BYTES_MAX);
        }
        assert!(self.looking.len() <= 2, "few parts are open");
        assert_eq!(self.fetch.progress().fetched, self.fetched);
    }

    fn check_end(&self) {
        let all = self.document.shape.blocks();
        assert!(self.links.values().all(|link| !link.open && !link.opening), "every stream is closed");
        match self.result.as_ref().unwrap() {
            Ok(()) => {
                assert_eq!(self.held.len() as u64, all);
                assert!(self.keeping.is_empty());
            }
            Err(failure) => {
                assert!(matches!(failure, Failure::Providers { .. }), "{failure}");
                let honest = self.links.values().any(|link| link.kind == Kind::Honest);
                assert!(!honest, "one who has it all and sends it is enough");
                let accounts = self.fetch.accounts();
                assert!(accounts.values().all(|account| account.gone.is_some()), "everybody has a reason");
            }
        }
        let blocks: u64 = self.fetch.accounts().values().map(|account| account.blocks).sum();
        assert_eq!(blocks, self.fetched);
        assert!(self.document.leaves.len() <= MANIFEST_CHILDREN_MAX);
    }
}

fn falsify(message: Message) -> Message {
    match message {
        Message::Block(mut block) => {
            if let Some(last) = block.bytes.last_mut() {
                *last ^= 1;
            }
            Message::Block(block)
        }
        Message::Manifest(mut bytes) => {
            bytes.push(0);
            Message::Manifest(bytes)
        }
        other => other,
    }
}
