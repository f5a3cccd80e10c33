//! How this node shares, with whom, and what it was told at its start.

use antiphon_core::time::UnixMillis;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;

use crate::dashboard::Dash;
use crate::dashboard::flash::{Done, Flash};
use crate::dashboard::page::{Form, Page, Sent, Shown, Tab};
use crate::dashboard::say::{Tag, Tone, When, bytes, called, many};
use crate::dashboard::session::Visitor;
use crate::dto::{FederationDto, ModeDto, PeerStandingDto, SettingDto, SettingsDto, ShareDto, StatusDto, StorageDto};
use crate::error::Problem;

/// Modes of a node, and what they mean.
const MODES: [(&str, &str); 3] = [
    ("sync", "sends what it has and takes what others have"),
    ("publish", "sends, and takes nothing"),
    ("subscribe", "takes, and sends nothing"),
];

/// The page about settings.
pub(super) fn routes() -> Router<Dash> {
    Router::new()
        .route("/settings", get(show))
        .route("/settings/mode", post(set_mode))
        .route("/settings/peer", post(set_peer))
}

/// What this node is.
struct Node {
    name: String,
    id: String,
    store: String,
    version: String,
    started: When,
    listen: Vec<String>,
    http: String,
    storage: String,
    levels: String,
}

/// A mode to choose.
struct Mode {
    name: &'static str,
    what: &'static str,
    chosen: bool,
}

/// A member, and what is shared with it.
struct Peer {
    id: String,
    name: String,
    mode_tag: Tag,
    paused: bool,
    words: String,
    only: String,
    except: String,
}

/// A setting, and where its value comes from.
struct Setting {
    key: String,
    value: String,
    /// Empty where it is the default.
    default: String,
    source: Tag,
    place: String,
    what: String,
    /// What will hold later.
    next: Option<String>,
}

/// The settings of the program.
struct Config {
    file: String,
    exists: bool,
    /// Why it cannot be used, and what mends it.
    problem: Option<(String, String)>,
    /// Settings by the first part of their names.
    tables: Vec<(String, Vec<Setting>)>,
    /// How many somebody set.
    words: String,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct View {
    csrf: String,
    node: Node,
    modes: Vec<Mode>,
    peers: Vec<Peer>,
    /// Missing where the program that runs the node has none.
    config: Option<Config>,
    session_words: &'static str,
}

async fn show(State(dash): State<Dash>, visitor: Visitor) -> Shown {
    let now = dash.now();
    let (status, federation) = (dash.status().await?, dash.federation().await?);
    let mode = |(name, what): (&'static str, &'static str)| Mode { name, what, chosen: name == federation.mode };
    let members = federation.peers.iter().filter(|peer| peer.peer.trust != "UNKNOWN");
    let view = View {
        csrf: visitor.csrf(),
        modes: MODES.into_iter().map(mode).collect(),
        peers: members.map(Peer::of).collect(),
        node: Node::of(status, &federation, now),
        config: dash.settings().ok().map(Config::of),
        session_words: "This browser was let in by a one-time link. It stays signed in for 12 hours after you last did \
                        something, or until the node stops.",
    };
    Ok(Page::new(Tab::Settings, "Settings", &view)?.says("what this node shares, and how it was started"))
}

impl Node {
    fn of(status: StatusDto, federation: &FederationDto, now: UnixMillis) -> Self {
        Self {
            started: When::of(&status.started, now),
            http: status.http.unwrap_or_else(|| "closed".to_owned()),
            storage: storage(&federation.storage),
            levels: federation.levels.join(", "),
            name: status.name,
            id: status.node_id,
            store: status.store_id,
            version: status.version,
            listen: status.listen,
        }
    }
}

impl Config {
    fn of(settings: SettingsDto) -> Self {
        let set = settings.settings.iter().filter(|setting| setting.source != "default").count() as u64;
        let mut tables: Vec<(String, Vec<Setting>)> = Vec::new();
        for setting in settings.settings {
            let table = setting.key.split_once('.').map_or("", |(table, _)| table).to_owned();
            let setting = Setting::of(setting);
            match tables.iter_mut().find(|(name, _)| *name == table) {
                Some((_, rows)) => rows.push(setting),
                None => tables.push((table, vec![setting])),
            }
        }
        let hint = |problem: &Problem| problem.hint.clone().unwrap_or_else(|| "antiphon config show".to_owned());
        Self {
            file: settings.file,
            exists: settings.exists,
            problem: settings.problem.map(|problem| (problem.what.clone(), hint(&problem))),
            tables,
            words: match set {
                0 => "everything is as it is when nobody says otherwise".to_owned(),
                set => {
                    format!("{} by somebody, the others by default", many(set, "setting is set", "settings are set"))
                }
            },
        }
    }
}

impl Setting {
    fn of(setting: SettingDto) -> Self {
        let tone = if setting.source == "default" { Tone::Plain } else { Tone::Info };
        let next = setting.next.map(|next| match next.takes.as_str() {
            "reload" => format!("{} once it is read again", next.shown),
            _ => format!("{} from the next start", next.shown),
        });
        Self {
            default: if setting.shown == setting.default { String::new() } else { setting.default },
            value: setting.shown,
            source: Tag::new(tone, setting.source),
            place: setting.place.unwrap_or_default(),
            what: setting.what,
            next,
            key: setting.key,
        }
    }
}

fn storage(storage: &StorageDto) -> String {
    if storage.offer {
        format!("{} of {} taken", bytes(storage.used_bytes), bytes(storage.quota_bytes))
    } else {
        "nothing".to_owned()
    }
}

impl Peer {
    fn of(standing: &PeerStandingDto) -> Self {
        let peer = &standing.peer;
        let paused = peer.mode == "paused";
        Self {
            id: peer.peer_id.clone(),
            name: called(&peer.name, &peer.peer_id),
            mode_tag: if paused { Tag::new(Tone::Warn, "paused") } else { Tag::new(Tone::Ok, "sync") },
            paused,
            words: peer.in_words.clone(),
            only: standing.domains.only.join(", "),
            except: standing.domains.except.join(", "),
        }
    }
}

async fn set_mode(State(dash): State<Dash>, Form(mode): Form<ModeField>) -> Sent {
    let set = dash.set_node_mode(&ModeDto { mode: mode.mode }).await?;
    let what = MODES.into_iter().find(|(name, _)| *name == set.mode).map_or("", |(_, what)| what);
    Ok(Done::at("/settings").saying(Flash::done(format!("This node is in mode {} now: it {what}.", set.mode))))
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct ModeField {
    mode: String,
}

/// What is to be shared with a member.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Sharing {
    peer: String,
    mode: String,
    only: String,
    except: String,
}

async fn set_peer(State(dash): State<Dash>, Form(sharing): Form<Sharing>) -> Sent {
    let share = ShareDto { only: names(&sharing.only), except: names(&sharing.except) };
    dash.share_with(&sharing.peer, share).await?;
    let set = dash.set_peer_mode(&sharing.peer, &ModeDto { mode: sharing.mode }).await?;
    let name = called(&set.name, &set.peer_id);
    let said = if set.mode == "paused" {
        format!("Nothing is exchanged with {name} until you set it to sync again.")
    } else {
        let (only, except) = (&set.domains.only, &set.domains.except);
        let domains = match (only.is_empty(), except.is_empty()) {
            (true, true) => "the texts of all domains".to_owned(),
            (true, false) => format!("all domains but {}", except.join(", ")),
            (false, true) => format!("{} only", only.join(", ")),
            (false, false) => format!("{} only, without {}", only.join(", "), except.join(", ")),
        };
        format!("{name} gets {domains} from now on. What it has already, it keeps.")
    };
    Ok(Done::at("/settings").saying(Flash::done(said)))
}

/// Names with commas between them.
fn names(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_between_commas() {
        assert_eq!(names(" auth, billing ,, x y "), ["auth", "billing", "x y"]);
        assert_eq!(storage(&StorageDto::default()), "nothing");
    }
}
