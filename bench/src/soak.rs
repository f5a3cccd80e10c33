//! Three daemons under a mixed load for an hour, while two of them are stopped or killed in turn, one each minute.
//!
//! What grows slowly, shows rarely, or is lost in one restart of a hundred is found by no test of seconds. So agents
//! write, edit, recall, send messages and store documents on three real daemons; one of them runs through the whole hour
//! and shows whether anything grows in a process that lives, the other two are restarted over and over and show whether
//! anything is lost or left behind. What was acknowledged is written down outside of them, and held against all three
//! when the load has ended and they have come to rest.

mod ledger;
mod load;
mod machine;
mod plot;
mod rest;
mod samples;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use antiphon_server::dto::{InviteDto, JoinDto, NewContentDto, SetRolesDto};

use crate::Outcome;
use ledger::Ledger;
use machine::Machine;
use samples::Samples;

/// The machines: the first one is never restarted.
const NAMES: [&str; 3] = ["alice", "bob", "carol"];
/// The role of all of them.
pub const ROLE: &str = "backend_developer";
/// Longest wait until all can work.
const BEGIN_MAX: Duration = Duration::from_secs(30);
/// Time between two samples.
const SAMPLE: Duration = Duration::from_secs(5);

/// What is asked for on the command line.
struct Options {
    antiphon: PathBuf,
    minutes: u64,
    documents_minutes: Option<u64>,
    restart: Duration,
    pace: Duration,
    out: Option<PathBuf>,
}

impl Options {
    fn read(words: &[String]) -> Outcome<Self> {
        let mut options = Self {
            antiphon: PathBuf::from("target/release/antiphon"),
            minutes: 60,
            documents_minutes: None,
            restart: Duration::from_secs(60),
            pace: Duration::from_millis(100),
            out: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--antiphon" => options.antiphon = value.into(),
                "--minutes" => options.minutes = value.parse()?,
                "--documents-minutes" => options.documents_minutes = Some(value.parse()?),
                "--restart-seconds" => options.restart = Duration::from_secs(value.parse()?),
                "--pace-ms" => options.pace = Duration::from_millis(value.parse()?),
                "--out" => options.out = Some(value.into()),
                _ => {
                    return Err(format!(
                        "{word:?} is none of --antiphon, --minutes, --documents-minutes, --restart-seconds, --pace-ms, --out"
                    )
                    .into());
                }
            }
        }
        Ok(options)
    }
}

/// Runs the soak, prints its row, and writes the samples and their plot.
///
/// # Errors
/// Whatever cannot be started, and anything that was acknowledged and is not there in the end.
pub async fn run(words: &[String]) -> Outcome<()> {
    let options = Options::read(words)?;
    let dir = tempfile::tempdir()?;
    let mut machines = Vec::new();
    for name in NAMES {
        let machine = Machine::new(&options.antiphon, dir.path(), name)?;
        machine.up()?;
        machines.push(machine);
    }
    gather(&machines).await?;

    let (begins, over) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let ends = begins + Duration::from_secs(60 * options.minutes);
    let documents = options.documents_minutes.unwrap_or(options.minutes);
    let documents_until = begins + Duration::from_secs(60 * documents);
    let span = load::Span { pace: options.pace, documents_until, over: Arc::clone(&over) };
    let loads: Vec<_> = (0_u64..)
        .zip(&machines)
        .map(|(seed, machine)| {
            let others: Vec<String> =
                NAMES.iter().filter(|name| **name != machine.name).map(|name| (*name).to_owned()).collect();
            tokio::spawn(load::run(machine.client(), machine.name.clone(), others, seed, span.clone()))
        })
        .collect();
    let (mut samples, mut restarts) = (Samples::new(&NAMES), Restarts::new(options.restart));
    while Instant::now() < ends {
        tokio::time::sleep(SAMPLE).await;
        samples.take(&machines).await;
        restarts.turn(&machines).await?;
        eprint!("\r{} left, {} restarts ", minutes(ends.saturating_duration_since(Instant::now())), restarts.done);
    }
    eprintln!();
    over.store(true, Ordering::Relaxed);
    let mut ledgers: Vec<Ledger> = Vec::new();
    for load in loads {
        ledgers.push(load.await?);
    }

    let came_to_rest = rest::wait(&machines).await?;
    let found = rest::judge(&machines, &ledgers).await?;
    samples.print(&machines[0].name, &ledgers, &restarts.waits, came_to_rest, &found);
    if let Some(out) = &options.out {
        std::fs::write(out, plot::svg(&samples))?;
        std::fs::write(out.with_extension("csv"), samples.csv())?;
    }
    for machine in &machines {
        machine.down().await?;
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(format!("{} things are not as they were acknowledged", found.len()).into())
    }
}

/// Makes one team of all.
async fn gather(machines: &[Machine]) -> Outcome<()> {
    let (first, others) = machines.split_first().ok_or("there is no machine")?;
    for machine in others {
        let invite = InviteDto { role: ROLE.to_owned(), ttl: None };
        let ticket = first.client().invite(&invite).await?.ticket;
        let join = JoinDto { ticket, name: Some(machine.name.clone()), ..JoinDto::default() };
        machine.client().join(&join).await?;
    }
    // Who founds a team does not hold its working roles, and whoever stores documents for a role must hold it.
    let mut roles = first.client().status().await?.roles;
    roles.push(ROLE.to_owned());
    first.client().set_roles(&SetRolesDto { peer: first.name.clone(), roles }).await?;
    for machine in machines {
        holds_the_role(machine).await?;
    }
    Ok(())
}

/// Waits until a machine knows that it holds the role, and has its key: until then it refuses documents, as it should.
async fn holds_the_role(machine: &Machine) -> Outcome<()> {
    let begun = Instant::now();
    let address = format!("ucxl://{}/{ROLE}/soak/load/first", machine.name);
    let new = NewContentDto { address, role: ROLE.to_owned(), ..NewContentDto::default() };
    while let Err(error) = machine.client().put_content(&new, b"are we there yet?".as_slice(), |_| ()).await {
        if begun.elapsed() > BEGIN_MAX {
            return Err(format!("{} cannot store documents: {error}", machine.name).into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Stops or kills the machines after the first one, in turn.
struct Restarts {
    every: Duration,
    next: Instant,
    done: usize,
    /// How long each was gone until it answered again.
    waits: Vec<Duration>,
}

impl Restarts {
    fn new(every: Duration) -> Self {
        Self { every, next: Instant::now() + every, done: 0, waits: Vec::new() }
    }

    async fn turn(&mut self, machines: &[Machine]) -> Outcome<()> {
        if Instant::now() < self.next {
            return Ok(());
        }
        let machine = &machines[1 + self.done % (machines.len() - 1)];
        // Two politely, two without a word: so each of the two machines meets both.
        if self.done / 2 % 2 == 0 {
            machine.down().await?
        } else {
            machine.kill()?
        }
        let started = Instant::now();
        machine.up()?;
        self.waits.push(started.elapsed());
        self.done += 1;
        self.next += self.every;
        Ok(())
    }
}

fn minutes(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}
