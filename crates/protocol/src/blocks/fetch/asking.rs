//! Whom a fetch asks, and for what.

use antiphon_core::ids::NodeId;
use antiphon_core::time::UnixMillis;

use super::plan::Piece;
use super::provider::{Gone, Provider, State};
use super::{
    ACTIVE_MAX, ASK_AGAIN_MS, Asked, BYTES_PER_PROVIDER, FLYING_BYTES_MAX, Fetch, Output, STALL_MS, WINDOW_BYTES_MAX,
};
use crate::blocks::message::{Message, What, ranges};

impl Fetch {
    /// Gives up who is silent, and opens streams to whom they are needed.
    pub(super) fn tend(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        let silent = |provider: &Provider| {
            let waits = provider.state == State::Opening || !provider.asked.is_empty();
            waits && now >= provider.heard_at.after(STALL_MS)
        };
        for node in self.nodes(silent) {
            self.account(&node, |account| account.stalls += 1);
            self.give_up(node, Gone::Stalled(STALL_MS), out);
        }
        self.open_streams(now, out);
    }

    /// Opens streams while more is missing than those who have one can be expected to send.
    fn open_streams(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        let due = |provider: &Provider| match provider.state {
            State::Resting(until) => now >= until,
            State::Spare => true,
            _ => false,
        };
        let late = self.providers.values().any(|provider| provider.is_active() && provider.is_late(now));
        let mut waiting: Vec<(usize, NodeId)> = self.providers.iter().filter(|(_, one)| due(one)).map(ranked).collect();
        if waiting.is_empty() || (self.plan.free.is_empty() && !late) {
            return;
        }
        waiting.sort_unstable();
        let wanted = self.wanted();
        let prompt = |provider: &Provider| provider.is_active() && !provider.is_late(now) && !self.is_dry(provider);
        let prompt = self.providers.values().filter(|provider| prompt(provider)).count();
        for (_, node) in waiting.into_iter().take(wanted.saturating_sub(prompt)) {
            if !self.has_room(out) {
                return;
            }
            if let Some(provider) = self.providers.get_mut(&node) {
                provider.state = State::Opening;
                provider.heard_at = now;
                out.push(Output::Open(node));
            }
        }
    }

    /// Whether one more stream may be opened; one that is of no use makes room.
    fn has_room(&mut self, out: &mut Vec<Output>) -> bool {
        if self.providers.values().filter(|provider| provider.is_active()).count() < ACTIVE_MAX {
            return true;
        }
        let dry = self.providers.iter().find(|(_, provider)| self.is_dry(provider)).map(|(node, _)| *node);
        if let Some(node) = dry {
            self.give_up(node, Gone::Lacks, out);
        }
        dry.is_some()
    }

    /// Whether somebody with a stream lacks all that it could be asked for.
    fn is_dry(&self, provider: &Provider) -> bool {
        let idle = provider.state == State::Open && provider.asked.is_empty() && !provider.lacks.is_empty();
        idle && self.plan.free.iter().all(|piece| provider.lacks.contains(piece))
    }

    /// How many providers are worth a stream: a small document is not asked of the whole team.
    fn wanted(&self) -> usize {
        let left = self.plan.left_bytes() / BYTES_PER_PROVIDER;
        usize::try_from(left).unwrap_or(ACTIVE_MAX).saturating_add(1).min(ACTIVE_MAX)
    }

    /// Asks everybody who has room for what is free; the one who owes least first.
    pub(super) fn share_out(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        let mut open: Vec<(u64, usize, NodeId)> = self.providers.iter().filter_map(owes_if_open).collect();
        open.sort_unstable();
        let window = (FLYING_BYTES_MAX / (open.len().max(1) as u64)).min(WINDOW_BYTES_MAX);
        for (owed, _, node) in open {
            let room = window.saturating_sub(owed);
            // Asking for each block as one comes would be a message for every block.
            if owed > 0 && room < window / 4 {
                continue;
            }
            let room = room.min(FLYING_BYTES_MAX.saturating_sub(self.flying_bytes()));
            let mut pieces = self.pick(&node, room, self.plan.free.iter().copied());
            if pieces.is_empty() && owed == 0 {
                let late = |(piece, asked): (&Piece, &Asked)| {
                    (asked.by.len() < 2 && now >= asked.at.after(ASK_AGAIN_MS)).then_some(*piece)
                };
                pieces = self.pick(&node, room, self.asked.iter().filter_map(late));
            }
            self.ask(node, &pieces, now, out);
        }
    }

    /// As many of these as the provider may have, and there is room for.
    fn pick(&self, node: &NodeId, mut room: u64, pieces: impl Iterator<Item = Piece>) -> Vec<Piece> {
        let Some(provider) = self.providers.get(node) else { return Vec::new() };
        let mut picked = Vec::new();
        for piece in pieces.filter(|piece| provider.may_have(piece)) {
            let bytes = self.plan.bytes(piece);
            if bytes > room {
                break;
            }
            room -= bytes;
            picked.push(piece);
        }
        picked
    }

    fn ask(&mut self, node: NodeId, pieces: &[Piece], now: UnixMillis, out: &mut Vec<Output>) {
        let mut blocks = Vec::new();
        for piece in pieces {
            let bytes = self.plan.bytes(*piece);
            self.plan.free.remove(piece);
            let asked = self.asked.entry(*piece).or_insert_with(|| Asked { by: Vec::new(), at: now });
            asked.by.push(node);
            asked.at = now;
            if let Some(provider) = self.providers.get_mut(&node) {
                provider.ask(*piece, bytes, now);
            }
            match (piece, self.plan.hash(*piece)) {
                (Piece::Block(n), _) => blocks.push(*n),
                (_, Some(hash)) => {
                    let want = Message::Want { root: self.root, what: What::Manifest(hash) };
                    out.push(Output::Send(node, want));
                }
                (_, None) => {}
            }
        }
        if !blocks.is_empty() {
            blocks.sort_unstable();
            let what = What::Blocks(ranges(blocks));
            out.push(Output::Send(node, Message::Want { root: self.root, what }));
        }
    }
}

fn ranked((node, provider): (&NodeId, &Provider)) -> (usize, NodeId) {
    (provider.rank, *node)
}

fn owes_if_open((node, provider): (&NodeId, &Provider)) -> Option<(u64, usize, NodeId)> {
    (provider.state == State::Open).then_some((provider.asked_bytes, provider.rank, *node))
}
