//! `antiphon up`: runs the node, in the foreground or in the background.

mod outbox;

use antiphon_server::dto::StatusDto;
use clap::Args;
use clap::builder::FalseyValueParser;
use serde::Serialize;

use crate::daemon::Session;
use crate::listen;
use crate::outcome::{Code, Outcome, Stop};
use crate::render;
use crate::serve::{self, Refused, Running};
use crate::start::{self, Report};
use outbox::OutboxSettings;

/// Options of `up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct UpArgs {
    /// Settings of the node.
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Return as soon as the node answers; it goes on in the background
    #[arg(long)]
    pub(crate) detach: bool,
    /// Do not show the recovery phrase of a new node
    #[arg(long)]
    pub(crate) no_recovery: bool,
    /// Report the start on stdout in one line, for the command that started this.
    #[arg(long, hide = true)]
    pub(crate) background: bool,
}

/// Settings of the node.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    /// Name of a new node [default: the machine's name]
    #[arg(long, env = "ANTIPHON_NAME")]
    pub(crate) name: Option<String>,
    /// Address to listen at; repeatable [default: TCP and QUIC on every interface, at the ports of the last run]
    #[arg(long, env = "ANTIPHON_LISTEN", value_name = "MULTIADDR", value_delimiter = ',')]
    pub(crate) listen: Vec<String>,
    /// Address of the HTTP door; port 0 picks a free one
    #[arg(long, env = "ANTIPHON_HTTP", value_name = "ADDR", default_value = "127.0.0.1:7411")]
    pub(crate) http: String,
    /// How long a member may be silent before its trust expires, as in 90s, 30m, 12h [default: 30m]
    #[arg(long, env = "ANTIPHON_PEER_TIMEOUT", value_name = "DURATION", value_parser = duration_ms)]
    pub(crate) peer_timeout: Option<u64>,
    /// Do not look for members on the local network
    #[arg(long, env = "ANTIPHON_NO_MDNS", value_parser = FalseyValueParser::new())]
    pub(crate) no_mdns: bool,
    /// Do not open the HTTP door
    #[arg(long, env = "ANTIPHON_NO_HTTP", value_parser = FalseyValueParser::new())]
    pub(crate) no_http: bool,
    /// What may wait for peers.
    #[command(flatten)]
    pub(crate) outbox: OutboxSettings,
}

impl Settings {
    /// The same settings as arguments of another `up`.
    fn to_args(&self) -> Vec<String> {
        let mut args = vec!["--http".to_owned(), self.http.clone()];
        for address in &self.listen {
            args.extend(["--listen".to_owned(), address.clone()]);
        }
        if let Some(name) = &self.name {
            args.extend(["--name".to_owned(), name.clone()]);
        }
        if let Some(timeout) = self.peer_timeout {
            args.extend(["--peer-timeout".to_owned(), timeout.to_string()]);
        }
        args.extend(self.no_mdns.then(|| "--no-mdns".to_owned()));
        args.extend(self.no_http.then(|| "--no-http".to_owned()));
        args.extend(self.outbox.to_args());
        args
    }
}

/// Milliseconds of a duration as people write it.
fn duration_ms(text: &str) -> Result<u64, String> {
    let ms = antiphon_server::time::parse_duration_ms(text).filter(|ms| *ms > 0);
    ms.ok_or_else(|| "write it as 90s, 30m, 12h, 30d or in milliseconds".to_owned())
}

/// What `up --json` prints: the status, and the phrase where a node was made.
#[derive(Serialize)]
struct UpOut<'a> {
    #[serde(flatten)]
    status: &'a StatusDto,
    #[serde(skip_serializing_if = "Option::is_none")]
    phrase: Option<&'a str>,
}

/// Runs the command.
pub(crate) async fn run(args: UpArgs, session: &Session) -> Outcome {
    if args.background {
        return background(&args, session).await;
    }
    listen::checked(&args.settings.listen)?;
    if args.detach { detach(&args, session).await } else { foreground(&args, session).await }
}

async fn foreground(args: &UpArgs, session: &Session) -> Outcome {
    let founded = start::found(session, args.settings.name.clone()).await?;
    let phrase = founded.filter(|_| !args.no_recovery).map(|founded| founded.phrase);
    let node = match serve::start(&args.settings, session).await {
        Ok(node) => node,
        Err(refused) => {
            start::show_phrase(phrase.as_ref().map(|phrase| phrase.as_str()), session);
            return Err(refused.into_problem().into());
        }
    };
    if let Err(stop) = say(&node, phrase.as_ref().map(|phrase| phrase.as_str()), session) {
        node.stop().await;
        return Err(stop);
    }
    // The memory of the phrase is wiped here, not when the node ends in a month.
    drop(phrase);
    node.until_stopped().await;
    Ok(())
}

fn say(node: &Running, phrase: Option<&str>, session: &Session) -> Outcome {
    let out = UpOut { status: &node.status, phrase };
    session.output.result(&out, |out| words(out, session, "The node runs until Ctrl-C."))
}

fn words(out: &UpOut<'_>, session: &Session, last: &str) -> String {
    let mut text = render::node::banner(out.status, session.home.path());
    if let Some(phrase) = out.phrase {
        text.push_str(&format!("\n{}\n", render::node::phrase(phrase)));
    }
    text.push_str(&format!("{}\n{last}\n", render::node::problems(&out.status.problems)));
    text
}

async fn detach(args: &UpArgs, session: &Session) -> Outcome {
    let founded = start::found(session, args.settings.name.clone()).await?;
    let phrase = founded.filter(|_| !args.no_recovery).map(|founded| founded.phrase);
    let started = start::in_background(session, &args.settings.to_args()).await;
    if started.is_err() {
        start::show_phrase(phrase.as_ref().map(|phrase| phrase.as_str()), session);
    }
    let started = started?;
    let was_running = started.is_none();
    let status = match started {
        Some(status) => *status,
        None => session.node().await?.status().await?,
    };
    let out = UpOut { status: &status, phrase: phrase.as_ref().map(|phrase| phrase.as_str()) };
    let state = if was_running { "was running already" } else { "runs in the background" };
    let last = format!("The node {state}. Stop it with: antiphon down");
    session.output.result(&out, |out| words(out, session, &last))
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
