//! The running node of this process: the node itself and its doors, from the first signal to the last answer.

use std::sync::Arc;
use std::time::Duration;

use antiphon_node::{Handle, Node, home};
use antiphon_server::client::Client;
use antiphon_server::door::{self, DoorOptions};
use antiphon_server::dto::StatusDto;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::commands::up::Settings;
use crate::config_file::{Environment, HTTP_LISTEN, Resolved};
use crate::daemon::Session;
use crate::logging;
use crate::outcome::{Code, Problem};
use crate::reload::Live;

/// How long the node is given until it listens, in milliseconds; after that it is shown without an address.
const LISTEN_WAIT_MAX_MS: u64 = 3_000;
/// How often it is asked, in milliseconds.
const POLL_MS: u64 = 20;
/// Exit code of a process that was told twice to end: 128 and the number of SIGINT.
const EXIT_INTERRUPTED: i32 = 130;

/// A node that runs, with its doors open.
#[derive(Debug)]
pub(crate) struct Running {
    /// Its state at the start.
    pub(crate) status: StatusDto,
    handle: Handle,
    node: Node,
    doors: door::Running,
    close_doors: oneshot::Sender<()>,
    live: Arc<Live>,
    signals: Signals,
}

/// Why the node does not run.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Another process holds the home.
    Held(Problem),
    /// Something else.
    Failed(Problem),
}

impl Refused {
    /// The problem, whichever it is.
    pub(crate) fn into_problem(self) -> Problem {
        match self {
            Self::Held(problem) | Self::Failed(problem) => problem,
        }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

impl From<antiphon_node::Error> for Refused {
    fn from(error: antiphon_node::Error) -> Self {
        let held = matches!(error, antiphon_node::Error::Home(home::Error::Held { .. }));
        let problem = Problem::from(error);
        if held { Self::Held(problem) } else { Self::Failed(problem) }
    }
}

/// Starts the node and opens its doors.
///
/// # Errors
/// [`Refused`] when the home is held, or the settings or the home cannot be used.
pub(crate) async fn start(settings: &Settings, session: &Session) -> Result<Running, Refused> {
    let signals = Signals::listen()?;
    let (environment, flags) = (Environment::of_process(), settings.given()?);
    let holds = Resolved::read(session.home.path(), &environment, &flags)?;
    logging::set(holds.wanted.node.log.as_deref())?;
    let node = Node::start(holds.wanted.config(session.home.clone())).await?;
    let handle = node.handle();
    let http = holds.wanted.http.clone();
    let elsewhere = holds.is_default(HTTP_LISTEN);
    let live = Arc::new(Live::new(session.home.path().to_owned(), environment, flags, handle.clone(), holds));
    let options = DoorOptions {
        home: session.home.clone(),
        http_settings: http.settings(session.home.path()),
        http: http.enabled.then_some(http.listen),
        elsewhere,
    };
    let (close_doors, closing) = oneshot::channel::<()>();
    // The doors close when they are told to, and also when whoever should tell them is gone.
    let closing = async move { drop(closing.await) };
    match door::serve_configured(handle.clone(), options, Some(live.clone()), closing).await {
        Ok(doors) => match first_status(&Client::new(session.home.socket())).await {
            Ok(status) => Ok(Running { status, handle, node, doors, close_doors, live, signals }),
            Err(problem) => {
                drop(close_doors);
                handle.shutdown().await;
                tokio::join!(doors.finished(), node.stopped());
                Err(problem.into())
            }
        },
        Err(error) => {
            handle.shutdown().await;
            node.stopped().await;
            Err(Problem::from(error).into())
        }
    }
}

/// The state of the node once it listens. It is asked through its own door, so that what is shown is what others see.
async fn first_status(client: &Client) -> Result<StatusDto, Problem> {
    for _ in 0..LISTEN_WAIT_MAX_MS / POLL_MS {
        let status = client.status().await.map_err(Problem::from)?;
        if !status.listen.is_empty() {
            return Ok(status);
        }
        tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
    }
    client.status().await.map_err(Problem::from)
}

impl Running {
    /// Waits for a signal or for `antiphon down`, then stops in order: the doors give their last answers, the node
    /// puts everything away.
    pub(crate) async fn until_stopped(self) {
        self.until_stopped_or(std::future::pending()).await;
    }

    /// The same, and stops as well when something else has happened.
    pub(crate) async fn until_stopped_or(self, else_when: impl Future<Output = ()>) {
        let Self { handle, node, doors, close_doors, live, mut signals, .. } = self;
        let stopped = node.stopped();
        tokio::pin!(stopped, else_when);
        loop {
            tokio::select! {
                () = &mut stopped => {
                    drop(close_doors);
                    doors.finished().await;
                    return;
                }
                () = &mut else_when => break,
                told = signals.told() => match told {
                    Told::End => break,
                    // What came of it is in the log, and in the status.
                    Told::Reload => drop(live.reload_now().await),
                },
            }
        }
        tracing::info!("stopping; a second signal ends the program at once");
        drop(close_doors);
        handle.shutdown().await;
        let orderly = async { tokio::join!(doors.finished(), stopped) };
        tokio::select! {
            _ = orderly => {}
            () = signals.next() => std::process::exit(EXIT_INTERRUPTED),
        }
    }

    /// Stops at once, in order.
    pub(crate) async fn stop(self) {
        self.handle.shutdown().await;
        self.until_stopped().await;
    }
}

/// What a signal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// End in order.
    End,
    /// Read the settings again.
    Reload,
}

/// What tells a program to end, or to read its settings again.
#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// Has the settings read again.
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Problem> {
        let one = |kind| {
            signal(kind)
                .map_err(|error| Problem::new(Code::Failed, "signals cannot be received").why(error.to_string()))
        };
        Ok(Self {
            interrupt: one(SignalKind::interrupt())?,
            terminate: one(SignalKind::terminate())?,
            hangup: one(SignalKind::hangup())?,
        })
    }

    /// What it is told next.
    async fn told(&mut self) -> Told {
        tokio::select! {
            _ = self.interrupt.recv() => Told::End,
            _ = self.terminate.recv() => Told::End,
            _ = self.hangup.recv() => Told::Reload,
        }
    }

    /// Waits until it is told to end.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
