//! The team as a picture: this node in the middle, its peers around it, with how far each is trusted and how far it is
//! behind. What the picture shows is also said in words, for those who do not see it.

use std::f64::consts::TAU;

use crate::dashboard::show;
use crate::dto::PeerDto;

/// Most peers that are drawn; more would not be told apart.
const DRAWN_MAX: usize = 14;
/// Longest name in the picture, in characters.
const NAME_CHARS_MAX: usize = 16;
/// Where this node is.
const MIDDLE: (f64, f64) = (280.0, 160.0);
/// How far the others are from it.
const RADII: (f64, f64) = (205.0, 108.0);
/// How far a name stands above or below its circle.
const NAME_APART: f64 = 34.0;

/// A peer in the picture.
#[derive(Debug, Clone)]
pub(super) struct Dot {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) class: &'static str,
    /// Events it has not confirmed.
    pub(super) lag: String,
    pub(super) x: i32,
    pub(super) y: i32,
    /// Where its name begins to be written.
    pub(super) name_y: i32,
    /// Where the line to this node is halfway.
    pub(super) half: (i32, i32),
    pub(super) connected: bool,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    pub(super) dots: Vec<Dot>,
    /// Peers that are not drawn.
    pub(super) more: usize,
    /// The picture in words.
    pub(super) words: String,
}

impl Graph {
    pub(super) fn of(own: &str, peers: &[PeerDto]) -> Self {
        let mut peers: Vec<&PeerDto> = peers.iter().collect();
        peers.sort_by_key(|peer| (rank(peer), peer.name.clone(), peer.peer_id.clone()));
        let drawn = peers.len().min(DRAWN_MAX);
        let dots: Vec<Dot> = peers.iter().take(drawn).enumerate().map(|(at, peer)| dot(peer, at, drawn)).collect();
        let said: Vec<String> = peers.iter().take(drawn).map(|peer| sentence(peer)).collect();
        let words = if said.is_empty() { format!("{own} is alone.") } else { format!("{own}: {}.", said.join("; ")) };
        Self { dots, more: peers.len() - drawn, words }
    }
}

/// Those that matter most come first: who is connected, then members that are away, then everybody else.
fn rank(peer: &PeerDto) -> u8 {
    match (peer.connected, class(peer)) {
        (true, "ok") => 0,
        (_, "warn") => 1,
        (_, "bad") => 2,
        _ => 3,
    }
}

/// How a peer is coloured.
pub(super) fn class(peer: &PeerDto) -> &'static str {
    match show::trust_class(&peer.trust) {
        "ok" if !peer.connected => "warn",
        class => class,
    }
}

fn sentence(peer: &PeerDto) -> String {
    let name = show::called(&peer.name, &peer.peer_id);
    let link = if peer.connected { "connected" } else { "not connected" };
    let lag = peer.lag_events.map_or_else(String::new, |lag| format!(", {} behind", show::count(lag, "event")));
    format!("{name} is {} and {link}{lag}", peer.trust.to_lowercase())
}

fn dot(peer: &PeerDto, at: usize, of: usize) -> Dot {
    let (x, y) = place(at, of);
    let above = y < MIDDLE.1;
    Dot {
        href: format!("/peers/{}", peer.peer_id),
        name: show::cut(&show::called(&peer.name, &peer.peer_id), NAME_CHARS_MAX),
        class: class(peer),
        lag: peer.lag_events.map_or_else(|| "–".to_owned(), show::number),
        x: whole(x),
        y: whole(y),
        name_y: whole(if above { y - NAME_APART + 4.0 } else { y + NAME_APART + 6.0 }),
        half: (whole(f64::midpoint(x, MIDDLE.0)), whole(f64::midpoint(y, MIDDLE.1))),
        connected: peer.connected,
    }
}

/// Places on an ellipse, the first above to the left, as one reads.
fn place(at: usize, of: usize) -> (f64, f64) {
    let part = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let turn = TAU * (part(at) / part(of.max(1)) + 0.625);
    (turn.cos().mul_add(RADII.0, MIDDLE.0), turn.sin().mul_add(RADII.1, MIDDLE.1))
}

#[expect(clippy::cast_possible_truncation, reason = "places of the picture are small")]
fn whole(value: f64) -> i32 {
    value.round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &str, trust: &str, connected: bool) -> PeerDto {
        PeerDto { name: name.into(), peer_id: name.into(), trust: trust.into(), connected, ..PeerDto::default() }
    }

    #[test]
    fn the_picture_is_also_said_in_words() {
        let bob = PeerDto { lag_events: Some(2), ..peer("bob", "VERIFIED", true) };
        let graph = Graph::of("alice", &[peer("eve", "REJECTED", false), bob]);
        assert_eq!(
            graph.words,
            "alice: bob is verified and connected, 2 events behind; eve is rejected and not connected."
        );
        assert_eq!((graph.dots[0].name.as_str(), graph.dots[0].class, graph.dots[0].lag.as_str()), ("bob", "ok", "2"));
        assert_eq!((graph.dots[1].class, graph.dots[1].lag.as_str()), ("bad", "–"));
        assert_eq!(Graph::of("alice", &[]).words, "alice is alone.");
    }

    #[test]
    fn many_peers_stay_within_the_picture_and_apart() {
        let peers: Vec<PeerDto> = (0..40).map(|at| peer(&format!("node-{at:02}"), "VERIFIED", at % 2 == 0)).collect();
        let graph = Graph::of("alice", &peers);
        assert_eq!((graph.dots.len(), graph.more), (DRAWN_MAX, 40 - DRAWN_MAX));
        for dot in &graph.dots {
            assert!((30..530).contains(&dot.x) && (30..290).contains(&dot.y), "{dot:?}");
            assert!((12..320).contains(&dot.name_y), "{dot:?}");
        }
    }
}
