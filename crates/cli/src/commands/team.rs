//! How a machine gets into a team: `antiphon invite`, `antiphon join`.

use std::time::{Duration, Instant};

use antiphon_server::client::{Client, ClientError};
use antiphon_server::dto::{FactDto, FactFilterDto, InviteDto, JoinDto, PeerDto};
use clap::{Args, ValueEnum};

use crate::commands::facts;
use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem, Stop};
use crate::output;
use crate::render;
use crate::render::qr::Ink;

/// Facts that the preview of a join shows.
const PREVIEW_FACTS_MAX: usize = 5;
/// Facts that are looked through for the preview.
const PREVIEW_SCAN_FACTS_MAX: usize = 256;
/// How often it is looked whether a new member has caught up.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Options of `invite`.
#[derive(Debug, Args)]
pub(crate) struct InviteArgs {
    /// Role the new member gets
    #[arg(long)]
    pub(crate) role: String,
    /// How long the ticket can be used, as in 30m, 24h, 7d
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    pub(crate) ttl: String,
    /// Draw the ticket as a QR code also where there is no terminal or no colour; then it is for this ground
    #[arg(long, value_enum, value_name = "GROUND", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "dark")]
    pub(crate) qr: Option<GroundArg>,
}

/// What a terminal without colours writes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GroundArg {
    /// Light characters on dark
    Dark,
    /// Dark characters on light
    Light,
}

/// Runs `invite`.
pub(crate) async fn invite(args: InviteArgs, session: &Session) -> Outcome {
    let request = InviteDto { role: args.role, ttl: Some(args.ttl.into()) };
    let invitation = session.node().await?.invite(&request).await?;
    let ink = ink(args.qr, output::is_shown(), output::has_colours());
    session.output.result(&invitation, |invitation| {
        let words = render::node::invitation(invitation);
        let Some(ink) = ink else { return words };
        match render::qr::draw(&invitation.ticket, ink, output::columns()) {
            Ok(drawing) => format!("{words}\n{drawing}"),
            Err(unfit) => format!("{words}\n{unfit}\n"),
        }
    })
}

/// How a ticket is drawn, if it is. Without colours nobody but the person knows which of the two grounds it is.
fn ink(asked: Option<GroundArg>, is_shown: bool, has_colours: bool) -> Option<Ink> {
    match asked {
        Some(_) if has_colours => Some(Ink::Coloured),
        Some(GroundArg::Dark) => Some(Ink::Light),
        Some(GroundArg::Light) => Some(Ink::Dark),
        None => (is_shown && has_colours).then_some(Ink::Coloured),
    }
}

/// A ticket as it was printed. A QR code holds it in capitals, because they take less room.
fn as_printed(ticket: &str) -> String {
    let ticket = ticket.trim();
    if ticket.bytes().any(|byte| byte.is_ascii_lowercase()) { ticket.to_owned() } else { ticket.to_ascii_lowercase() }
}

/// What comes along into the new team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BringArg {
    /// Facts of shared levels that are not private
    Shared,
    /// Nothing; all facts stay on this node
    None,
}

impl BringArg {
    fn name(self) -> String {
        match self {
            Self::Shared => "shared".to_owned(),
            Self::None => "none".to_owned(),
        }
    }
}

/// Options of `join`.
#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// The ticket that `antiphon invite` printed
    pub(crate) ticket: String,
    /// Name of this node in the team
    #[arg(long, env = "ANTIPHON_NAME")]
    pub(crate) name: Option<String>,
    /// Which of the facts on this node come along
    #[arg(long, value_enum)]
    pub(crate) bring: Option<BringArg>,
    /// Leave a team that others belong to; what they wrote stays with them
    #[arg(long)]
    pub(crate) leave: bool,
    /// How long to wait until what the team remembers is here too, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) wait: u64,
}

/// Runs `join`.
pub(crate) async fn join(args: JoinArgs, session: &Session) -> Outcome {
    let node = session.node().await?;
    let mut request = JoinDto {
        ticket: as_printed(&args.ticket),
        name: args.name,
        bring: args.bring.map(BringArg::name),
        leave: args.leave,
    };
    let joined = match node.join(&request).await {
        Err(ClientError::Problem(problem)) if problem.code == Code::Undecided && output::is_interactive() => {
            request.bring = Some(ask(&node, &problem, session).await?.name());
            node.join(&request).await?
        }
        joined => joined?,
    };
    session.output.result(&joined, render::node::joined)?;
    if !joined.already
        && let Some(note) = catch_up(&node, Duration::from_secs(args.wait)).await?
    {
        session.output.note(&note);
    }
    Ok(())
}

/// Waits until this node holds what the members hold that it has met, so that the next command finds what the team
/// remembers. Says why it has not come so far.
async fn catch_up(node: &Client, most: Duration) -> Result<Option<String>, ClientError> {
    let began = Instant::now();
    loop {
        let peers = node.peers().await?.peers;
        if is_level(&peers) {
            return Ok(None);
        }
        let hopeful = peers.iter().any(|peer| peer.trust == "VERIFIED" || peer.trust == "PENDING");
        if let Some(peer) = peers.iter().find(|peer| peer.trust == "REJECTED" && !hopeful) {
            return Ok(Some(render::node::refused_after_join(peer)));
        }
        if began.elapsed() >= most {
            return Ok(Some(
                "What the team remembers is still on its way; `antiphon peers list` shows how it goes.".to_owned(),
            ));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether this node holds everything that the members hold which are connected and have said what that is. Somebody who
/// has just joined too says that it holds little, and is not who to go by alone.
fn is_level(peers: &[PeerDto]) -> bool {
    let heard = peers.iter().filter(|peer| peer.connected && peer.trust == "VERIFIED");
    let mut behind = heard.filter_map(|peer| peer.behind_events).peekable();
    behind.peek().is_some() && behind.all(|events| events == 0)
}

/// Shows what would become visible and lets the person decide.
async fn ask(node: &Client, problem: &Problem, session: &Session) -> Outcome<BringArg> {
    session.output.note(&render::node::bring_question(&problem.what, &preview(node).await?));
    loop {
        match output::answer("Bring them along? [s]hared facts, [n]one, [c]ancel: ").as_deref() {
            Some("s" | "shared") => return Ok(BringArg::Shared),
            Some("n" | "none") => return Ok(BringArg::None),
            Some(answer) if !matches!(answer, "c" | "cancel") => {}
            _ => {
                return Err(Stop::from(
                    Problem::new(Code::Undecided, "nothing was joined")
                        .hint("repeat with --bring shared or --bring none"),
                ));
            }
        }
    }
}

async fn preview(node: &Client) -> Result<Vec<FactDto>, ClientError> {
    let (mut found, _) = facts::collect(node, FactFilterDto::default(), PREVIEW_SCAN_FACTS_MAX).await?;
    found.retain(|fact| fact.level <= 1 && !fact.private);
    found.truncate(PREVIEW_FACTS_MAX);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_is_level_once_it_lacks_nothing_of_anybody_it_hears() {
        let peer = PeerDto { connected: true, trust: "VERIFIED".into(), behind_events: Some(0), ..PeerDto::default() };
        let silent = PeerDto { behind_events: None, ..peer.clone() };
        let ahead = PeerDto { behind_events: Some(1), ..peer.clone() };
        let away = PeerDto { connected: false, ..ahead.clone() };
        let unknown = PeerDto { trust: "PENDING".into(), ..ahead.clone() };
        assert!(is_level(&[peer.clone(), silent.clone(), away.clone(), unknown.clone()]));
        assert!(!is_level(&[peer.clone(), ahead]));
        assert!(!is_level(&[silent]));
        assert!(!is_level(&[
            PeerDto { connected: false, ..peer.clone() },
            PeerDto { trust: "PENDING".into(), ..peer }
        ]));
        assert!(!is_level(&[]));
    }

    #[test]
    fn a_code_is_drawn_on_request_and_where_its_colours_show() {
        assert_eq!(ink(None, true, true), Some(Ink::Coloured));
        assert_eq!(ink(None, true, false), None);
        assert_eq!(ink(None, false, false), None);
        // `CLICOLOR_FORCE` is no wish to find a picture in a file.
        assert_eq!(ink(None, false, true), None);
        assert_eq!(ink(Some(GroundArg::Dark), false, false), Some(Ink::Light));
        assert_eq!(ink(Some(GroundArg::Light), true, false), Some(Ink::Dark));
        assert_eq!(ink(Some(GroundArg::Light), true, true), Some(Ink::Coloured));
    }

    #[test]
    fn a_scanned_ticket_is_the_printed_one() {
        assert_eq!(as_printed(" ANTIPHON1MFRGG\n"), "antiphon1mfrgg");
        assert_eq!(as_printed("antiphon1mfrgg"), "antiphon1mfrgg");
        // One capital among small letters is damage, and the node says so.
        assert_eq!(as_printed("antiphon1Mfrgg"), "antiphon1Mfrgg");
    }
}
