//! The charter: from the bytes of 1,000 signed records to who is a member, and the law alone over more records and
//! over those of a steward who means harm.

use std::collections::BTreeMap;
use std::time::Instant;

use antiphon_core::charter::{
    Charter, Entry, Founders, Grant, GrantWrap, Membership, Record, Revoke, RoleKey, StewardChange, Wrap,
};
use antiphon_core::event::{Event, Header, Open, Payload, Provenance, Subject, Unverified, verify_run};
use antiphon_core::ids::{EventId, Hash, NodeId, StoreId, TeamId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::sign::{Signature, Signer};
use antiphon_core::time::{Hlc, UnixMillis};
use antiphon_core::vclock::VClock;
use ed25519_dalek::{Signer as _, SigningKey};

use crate::Outcome;
use crate::figures::{Aim, aimed};

const ROUNDS: usize = 7;
const NOW: u64 = 1_700_000_000_000;
const HOLDERS: u16 = 20;
/// Records of each team.
const SIZES: [usize; 2] = [1_000, 10_000];
/// What one steward can write before only revocations are taken.
const HOSTILE: usize = 9_000;
const TEAM: TeamId = TeamId([7; 32]);

struct Key(SigningKey);

impl Signer for Key {
    fn node_id(&self) -> NodeId {
        NodeId(self.0.verifying_key().to_bytes())
    }
    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

/// A node that does not sign, by number.
fn node(number: usize) -> NodeId {
    NodeId(Hash::of(&number.to_le_bytes()).0)
}

/// One steward's log as it is written.
struct Log {
    key: Key,
    id: LogId,
    head: Head,
    events: Vec<Event<Unverified>>,
}

impl Log {
    fn open(seed: u8) -> Outcome<Self> {
        let key = Key(SigningKey::from_bytes(&[seed; 32]));
        let nonce = [seed; 16];
        let id = LogId::new(StoreId::derive(&TEAM, &key.node_id(), &nonce), Stream::Charter);
        let open = Open { node: key.node_id(), nonce, name: "workstation".into(), previous: None };
        let mut log = Self { key, id, head: Head::EMPTY, events: Vec::new() };
        log.write(&mut VClock::new(), &Record::Open(open))?;
        Ok(log)
    }

    /// Writes a record having seen `clock`, which then counts it.
    fn write(&mut self, clock: &mut VClock, record: &Record) -> Outcome<Hash> {
        let seq = self.head.seq + 1;
        clock.raise(self.id.store, seq)?;
        let fields = record.to_fields();
        let bits = fields.keys().fold(0, |bits, bit| bits | 1 << bit);
        let salt = [u8::try_from(seq % 251)?; 16];
        let payload = Payload { salt, provenance: Provenance::default(), fields }.encode(Stream::Charter)?;
        let header = Header {
            team: TEAM,
            id: EventId::next(None, UnixMillis(NOW + seq), [1; 10]),
            store: self.id.store,
            stream: Stream::Charter,
            seq,
            prev: self.head.hash,
            hlc: Hlc::default().tick(UnixMillis(NOW + seq)),
            action: record.action(),
            subject: record.subject().unwrap_or(Subject::Store(self.id.store)),
            version: clock.clone(),
            fields: bits,
            payload_hash: Hash::of(&payload),
            payload_len: payload.len() as u64,
            seal: None,
        };
        let mut event = Event::author(header, payload)?;
        event.sign(&self.key);
        self.head = event.head();
        self.events.push(event.into_unverified());
        Ok(self.head.hash)
    }
}

fn grant(number: usize, epochs: &[(String, Hash)]) -> Record {
    let wraps =
        epochs.iter().map(|(role, epoch)| GrantWrap { role: role.clone(), epoch: *epoch, sealed: vec![7; 200] });
    let (recipient, name) = ("age1".repeat(15), format!("laptop-{number}"));
    let (roles, not_after) = (vec!["backend_developer".to_owned()], UnixMillis(NOW * 2));
    Record::Grant(Grant { node: node(number), recipient, roles, not_after, wraps: wraps.collect(), name })
}

fn role_key(role: &str) -> RoleKey {
    let wraps = (0..HOLDERS).map(|number| Wrap { node: node(number.into()), sealed: vec![7; 200] }).collect();
    RoleKey { role: role.into(), recipient: "age1".repeat(15), wraps, previous: None }
}

/// A team as it grows: four stewards, grants, renewals, removals with new keys, keys of roles.
fn team(records: usize) -> Outcome<(Founders, Vec<Log>)> {
    let mut logs = (1..=4).map(Log::open).collect::<Outcome<Vec<Log>>>()?;
    let mut clock: VClock = logs.iter().map(|log| (log.id.store, log.head.seq)).collect();
    let keys: Vec<NodeId> = logs.iter().map(|log| log.key.node_id()).collect();
    let founders = Founders { stewards: keys[..3].to_vec(), threshold: None };
    let appointment = logs[0].write(&mut clock, &Record::StewardChange(StewardChange { node: keys[3], add: true }))?;
    logs[1].write(&mut clock, &Record::Approve(antiphon_core::charter::Approve { record: appointment }))?;
    let mut epochs = Vec::new();
    for role in ["backend_developer", "observer", "admin"] {
        let epoch = logs[0].write(&mut clock, &Record::RoleKey(role_key(role)))?;
        epochs.push((role.to_owned(), epoch));
    }
    for number in 0..records.saturating_sub(9) {
        let record = match number % 50 {
            49 => Record::Revoke(Revoke {
                node: node(1_000 + number),
                reason: "left".into(),
                compromised: false,
                cuts: Vec::new(),
                role_keys: vec![role_key("observer")],
            }),
            48 => Record::RoleKey(role_key("backend_developer")),
            _ => grant(number % 300, &epochs),
        };
        logs[number % 4].write(&mut clock, &record)?;
    }
    Ok((founders, logs))
}

fn entries(logs: Vec<Log>) -> Outcome<Vec<Entry>> {
    let mut entries = Vec::new();
    for log in logs {
        let key = log.key.node_id();
        let run = verify_run(&TEAM, log.id, &key, Head::EMPTY, log.events);
        for event in run.verified {
            entries.push(Entry::read(&event, key)?);
        }
    }
    Ok(entries)
}

/// One steward's records, unsigned: `change` says what the one of a number is, by which of its stores.
fn hostile(stores: usize, meet: bool, change: impl Fn(usize) -> Record) -> Vec<Entry> {
    let author = node(0);
    let mut clocks: Vec<VClock> = vec![VClock::new(); stores];
    let mut prev: BTreeMap<usize, Hash> = BTreeMap::new();
    let mut all = VClock::new();
    let write = |number: usize| {
        let at = number % stores;
        let mut id = [9; 16];
        id[..8].copy_from_slice(&at.to_be_bytes());
        let store = StoreId(id);
        let clock = if meet { &mut all } else { &mut clocks[at] };
        let seq = clock.get(&store) + 1;
        clock.raise(store, seq).ok()?;
        let hash = Hash::of(&[&number.to_le_bytes()[..], &[1]].concat());
        let prev = prev.insert(at, hash).unwrap_or(Hash([0; 32]));
        Some(Entry { hash, prev, author, store, seq, seen: clock.clone(), record: change(number) })
    };
    (0..HOSTILE).map_while(write).collect()
}

/// The best of several rounds, in milliseconds: other work on the machine only ever adds.
fn best_ms(mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let from = Instant::now();
        work()?;
        best = best.min(from.elapsed().as_secs_f64() * 1e3);
    }
    Ok(best)
}

pub fn run() -> Outcome<()> {
    for size in SIZES {
        let (founders, logs) = team(size)?;
        let bytes: Vec<_> = logs.iter().map(|log| (log.id, log.key.node_id(), log.events.clone())).collect();
        let known = entries(logs)?;
        let mut members = 0;
        let law = best_ms(|| {
            members = Membership::of(&founders, &known).members().count();
            Ok(())
        })?;
        let aims = if size == 10_000 { vec![Aim::at_most(law / 1e3, 1.0, "s")] } else { vec![] };
        let work = format!("law of membership over {size} records");
        aimed(&work, &format!("{law:.1} ms"), &format!("{members} members"), &aims);
        if size > SIZES[0] {
            continue;
        }
        let whole = best_ms(|| {
            let mut read = Vec::new();
            for (id, key, events) in &bytes {
                let parse = |event: &Event<Unverified>| {
                    let payload = event.payload().map(<[u8]>::to_vec);
                    Event::parse(event.header_bytes().to_vec(), payload, event.signature().copied())
                };
                let events = events.iter().map(parse).collect::<Result<_, _>>()?;
                for event in verify_run(&TEAM, *id, key, Head::EMPTY, events).verified {
                    read.push(Entry::read(&event, *key)?);
                }
            }
            assert_eq!(Charter::new(&founders, read).membership().members().count(), members);
            Ok(())
        })?;
        let work = format!("charter of {size} records from bytes");
        aimed(&work, &format!("{whole:.1} ms"), "parsed, verified, judged", &[Aim::at_most(whole, 100.0, "ms")]);
    }
    hostile_rows()
}

fn hostile_rows() -> Outcome<()> {
    let bob = |add: bool| Record::StewardChange(StewardChange { node: node(1), add });
    let revoke = |number: usize| {
        let (node, reason) = (node(1 + number % 8), "left".to_owned());
        Record::Revoke(Revoke { node, reason, compromised: false, cuts: Vec::new(), role_keys: Vec::new() })
    };
    let to_and_fro = |number: usize| bob(number.is_multiple_of(2));
    let many = |number: usize| Record::StewardChange(StewardChange { node: node(number + 1), add: true });
    let itself = |number: usize| match number % 3 {
        0 => Record::StewardChange(StewardChange { node: node(0), add: false }),
        1 => Record::StewardChange(StewardChange { node: node(0), add: true }),
        _ => revoke(number),
    };
    let one = Founders { stewards: vec![node(0)], threshold: Some(1) };
    let nine = Founders { stewards: (0..9).map(node).collect(), threshold: Some(1) };
    let cases = [
        ("appoints and removes in turn, one log", &one, hostile(1, false, to_and_fro)),
        ("the same by 16 logs that have seen each other", &one, hostile(16, true, to_and_fro)),
        ("the same by 16 logs that feign ignorance", &one, hostile(16, false, to_and_fro)),
        ("revokes eight stewards over and over, 16 logs", &nine, hostile(16, false, revoke)),
        ("appoints strangers by 16 logs", &one, hostile(16, false, many)),
        ("removes and appoints itself, 16 logs", &nine, hostile(16, false, itself)),
    ];
    for (name, founders, entries) in cases {
        let from = Instant::now();
        let stewards = Membership::of(founders, &entries).stewards().len();
        let took = from.elapsed().as_secs_f64();
        aimed(
            &format!("{} records of one steward: {name}", entries.len()),
            &format!("{took:.2} s"),
            &format!("{stewards} stewards"),
            &[Aim::at_most(took, 1.0, "s")],
        );
    }
    Ok(())
}
