//! `antiphon up`: runs the node, in the foreground or in the background.

mod outbox;

use antiphon_server::door::HTTP_DEFAULT;
use antiphon_server::dto::StatusDto;
use clap::Args;
use serde::Serialize;

use crate::config_file::{Given, HTTP_LISTEN, Resolved};
use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem, Stop};
use crate::render;
use crate::serve::{self, Refused, Running};
use crate::start::{self, InBackground, Report};
use outbox::OutboxSettings;

/// Options of `up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct UpArgs {
    /// Return as soon as the node answers; it goes on in the background
    #[arg(long)]
    pub(crate) detach: bool,
    /// Do not show the recovery phrase of a new node
    #[arg(long)]
    pub(crate) no_recovery: bool,
    /// Report the start on stdout in one line, for the command that started this.
    #[arg(long, hide = true)]
    pub(crate) background: bool,
    /// Stop when stdin ends, so that the node cannot outlive the program that started it.
    #[arg(long, hide = true)]
    pub(crate) while_stdin: bool,
    /// Settings of the node.
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Settings of the node. Each stands in the table of settings, which knows what values it takes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Settings {
    /// Name of a new node [default: the machine's name, and the profile's]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Address to listen at; repeatable [default: TCP and QUIC on every interface, at the ports of the last run]
    #[arg(long, value_name = "MULTIADDR", value_delimiter = ',')]
    pub(crate) listen: Vec<String>,
    /// Address of the HTTP door; port 0 picks a free one [default: 127.0.0.1:7411]
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<String>,
    /// How long a member may be silent before its trust expires, as in 90s, 30m, 12h [default: 30m]
    #[arg(long, value_name = "DURATION")]
    pub(crate) peer_timeout: Option<String>,
    /// Do not look for members on the local network
    #[arg(long)]
    pub(crate) no_mdns: bool,
    /// Do not open the HTTP door
    #[arg(long)]
    pub(crate) no_http: bool,
    /// Any other setting, as in outbox.retry=5s; repeatable [antiphon config show lists them]
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// What may wait for peers.
    #[command(flatten)]
    pub(crate) outbox: OutboxSettings,
}

impl Settings {
    /// What was given: the setting, the flag, and the text.
    fn texts(&self) -> Vec<(&str, &'static str, String)> {
        let mut texts = Vec::new();
        for one in &self.set {
            let (name, text) = one.split_once('=').unwrap_or((one, ""));
            texts.push((name.trim(), "--set", text.to_owned()));
        }
        let listen = (!self.listen.is_empty()).then(|| self.listen.join(","));
        let named = [
            ("node.name", "--name", self.name.clone()),
            ("node.listen", "--listen", listen),
            ("http.listen", "--http", self.http.clone()),
            ("node.peer_timeout", "--peer-timeout", self.peer_timeout.clone()),
            ("node.mdns", "--no-mdns", self.no_mdns.then(|| "false".to_owned())),
            ("http.enabled", "--no-http", self.no_http.then(|| "false".to_owned())),
        ];
        texts.extend(named.into_iter().filter_map(|(name, flag, text)| Some((name, flag, text?))));
        texts.extend(self.outbox.texts());
        texts
    }

    /// What the flags say.
    ///
    /// # Errors
    /// A problem that names the flag that makes no sense.
    pub(crate) fn given(&self) -> Result<Vec<Given>, Problem> {
        self.texts().into_iter().map(|(name, flag, text)| Given::by_flag(name, flag, &text)).collect()
    }

    /// The same settings as arguments of another `up`.
    fn to_args(&self) -> Vec<String> {
        let arg = |(name, flag, text): (&str, &'static str, String)| match flag {
            "--set" => vec![flag.to_owned(), format!("{name}={text}")],
            "--no-mdns" | "--no-http" => vec![flag.to_owned()],
            _ => vec![flag.to_owned(), text],
        };
        self.texts().into_iter().flat_map(arg).collect()
    }
}

/// What `up --json` prints: the status, and the phrase where a node was made.
#[derive(Serialize)]
struct UpOut<'a> {
    #[serde(flatten)]
    status: &'a StatusDto,
    #[serde(skip_serializing_if = "Option::is_none")]
    phrase: Option<&'a str>,
}

/// Who chose the port of the HTTP door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    /// Nobody: it is the usual one, or another where that one is taken.
    Usual,
    /// A person.
    Named,
}

impl Port {
    fn of(holds: &Resolved) -> Self {
        if holds.is_default(HTTP_LISTEN) { Self::Usual } else { Self::Named }
    }

    /// Where the door is, if not where a person would look for it.
    fn moved(self, status: &StatusDto) -> String {
        let usual = format!("http://{HTTP_DEFAULT}");
        match status.http.as_deref().filter(|url| self == Self::Usual && *url != usual) {
            Some(url) => render::node::moved(&usual, url),
            None => String::new(),
        }
    }
}

/// Runs the command.
pub(crate) async fn run(args: UpArgs, session: &Session) -> Outcome {
    if args.background {
        return background(&args, session).await;
    }
    // A slip is told before anything is made.
    let port = Port::of(&start::resolved(session, &args.settings)?);
    if args.detach { detach(&args, port, session).await } else { foreground(&args, port, session).await }
}

async fn foreground(args: &UpArgs, port: Port, session: &Session) -> Outcome {
    let founded = start::found(session, &args.settings).await?;
    let phrase = founded.filter(|_| !args.no_recovery).map(|founded| founded.phrase);
    let node = match serve::start(&args.settings, session).await {
        Ok(node) => node,
        Err(refused) => {
            start::show_phrase(phrase.as_ref().map(|phrase| phrase.as_str()), session);
            return Err(refused.into_problem().into());
        }
    };
    if let Err(stop) = say(&node, phrase.as_ref().map(|phrase| phrase.as_str()), port, session) {
        node.stop().await;
        return Err(stop);
    }
    // The memory of the phrase is wiped here, not when the node ends in a month.
    drop(phrase);
    if args.while_stdin {
        node.until_stopped_or(stdin_ended()).await;
    } else {
        node.until_stopped().await;
    }
    Ok(())
}

/// Waits until nobody holds the other end of stdin any more.
async fn stdin_ended() {
    let mut rest = tokio::io::sink();
    // An end that cannot be read is one, too.
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut rest).await;
}

fn say(node: &Running, phrase: Option<&str>, port: Port, session: &Session) -> Outcome {
    let out = UpOut { status: &node.status, phrase };
    session.output.result(&out, |out| words(out, session, port, "The node runs until Ctrl-C."))
}

fn words(out: &UpOut<'_>, session: &Session, port: Port, last: &str) -> String {
    let mut text = render::node::banner(out.status, session.home.path());
    text.push_str(&port.moved(out.status));
    if let Some(phrase) = out.phrase {
        text.push_str(&format!("\n{}\n", render::node::phrase(phrase)));
    }
    text.push_str(&format!("{}\n{last}\n", render::node::problems(&out.status.problems)));
    text
}

async fn detach(args: &UpArgs, port: Port, session: &Session) -> Outcome {
    let founded = start::found(session, &args.settings).await?;
    let phrase = founded.filter(|_| !args.no_recovery).map(|founded| founded.phrase);
    let started = start::in_background(session, &args.settings.to_args()).await;
    if started.is_err() {
        start::show_phrase(phrase.as_ref().map(|phrase| phrase.as_str()), session);
    }
    let InBackground { status, ran_before: was_running } = started?;
    let out = UpOut { status: &status, phrase: phrase.as_ref().map(|phrase| phrase.as_str()) };
    let state = if was_running { "was running already" } else { "runs in the background" };
    let last = format!("The node {state}. Stop it with: antiphon down");
    // What a node that runs already was asked for is not known here.
    let port = if was_running { Port::Named } else { port };
    session.output.result(&out, |out| words(out, session, port, &last))?;
    if was_running && !args.settings.texts().is_empty() {
        session
            .output
            .note("note: it goes by the settings that it was started with; antiphon down, then the same again");
    }
    Ok(())
}

/// The node that another command started: it leaves that command's terminal and reports once.
async fn background(args: &UpArgs, session: &Session) -> Outcome {
    if let Err(error) = rustix::process::setsid() {
        tracing::warn!(%error, "the terminal's session cannot be left; closing the terminal may stop the node");
    }
    match serve::start(&args.settings, session).await {
        Ok(node) => {
            // The command that started this may be gone; its node is not.
            let _ = session.output.json(&Report::Up(Box::new(node.status.clone())));
            node.until_stopped().await;
            Ok(())
        }
        Err(refused) => {
            let report = match refused {
                Refused::Held(problem) => Report::Held(problem),
                Refused::Failed(problem) => Report::Failed(problem),
            };
            tracing::error!(?report, "the node does not start");
            session.output.json(&report)?;
            Err(Stop::Exit(Code::Failed.exit()))
        }
    }
}
