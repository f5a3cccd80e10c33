//! Blocks go out: the real machine of the side that is asked, from the real store, which hashes what it hands out.

use std::collections::BTreeSet;

use antiphon_core::ids::Hash;
use antiphon_core::time::UnixMillis;
use antiphon_protocol::blocks::serve::{Input, Job, Output};
use antiphon_protocol::blocks::{Message, Serve};

use super::Inside;
use crate::failure::Step;
use crate::world::World;

/// Longest time until something is read, in milliseconds.
const READ_MS_MAX: u64 = 20;

/// A stream over which blocks are asked for.
#[derive(Debug)]
pub(super) struct Serving {
    machine: Serve,
    wake_at: Option<UnixMillis>,
    /// What was asked for.
    pub(super) roots: BTreeSet<Hash>,
}

impl World {
    /// Somebody wants blocks from here.
    pub(super) fn begin_serving(&mut self, node: usize, stream: u64) -> Step {
        let (machine, first) = Serve::new(self.steady());
        let Some(shelf) = self.shelf(node) else { return Ok(()) };
        shelf.serving.insert(stream, Serving { machine, wake_at: None, roots: BTreeSet::new() });
        self.do_for_serving(node, stream, first)
    }

    pub(super) fn serving_hears(&mut self, node: usize, stream: u64, message: Message) -> Step {
        if let Message::Want { root, .. } = &message
            && let Some(serving) = self.shelf(node).and_then(|shelf| shelf.serving.get_mut(&stream))
        {
            serving.roots.insert(*root);
        }
        self.drive_serving(node, stream, Input::Message(message))
    }

    pub(super) fn serving_is_over(&mut self, node: usize, stream: u64) -> Step {
        if let Some(shelf) = self.shelf(node) {
            shelf.serving.remove(&stream);
        }
        self.contents.lanes.drop_stream(stream);
        Ok(())
    }

    fn drive_serving(&mut self, node: usize, stream: u64, input: Input) -> Step {
        let now = self.steady();
        let Some(serving) = self.shelf(node).and_then(|shelf| shelf.serving.get_mut(&stream)) else { return Ok(()) };
        let outputs = serving.machine.handle(input, now);
        outputs.into_iter().try_for_each(|output| self.do_for_serving(node, stream, output))
    }

    fn do_for_serving(&mut self, node: usize, stream: u64, output: Output) -> Step {
        match output {
            Output::Load(job) => {
                let wait = self.contents.random.between(1, READ_MS_MAX);
                self.in_shelf(node, wait, Inside::Load { stream, job });
            }
            Output::Send(message) => {
                let tells = !matches!(message, Message::Bye | Message::Busy);
                return self.send_frame(stream, node, message.encode(), tells);
            }
            Output::WakeAt(at) => {
                if let Some(serving) = self.shelf(node).and_then(|shelf| shelf.serving.get_mut(&stream)) {
                    serving.wake_at = Some(at);
                }
                self.in_shelf_at(node, at, Inside::WakeServe { stream, at });
            }
            Output::Close(_) => {
                self.close_lane(node, stream);
                if let Some(shelf) = self.shelf(node) {
                    shelf.serving.remove(&stream);
                }
            }
        }
        Ok(())
    }

    /// What was to be read is read.
    pub(super) fn loaded(&mut self, node: usize, stream: u64, job: Job) -> Step {
        let bytes = match job {
            Job::Manifest { hash, .. } => match self.nodes[node].up.as_ref() {
                Some(up) => up.db.reader().manifest(&hash)?,
                None => None,
            },
            Job::Block { root, n } => self.read_block(node, &root, n)?.ok(),
        };
        self.drive_serving(node, stream, Input::Loaded(bytes))
    }

    /// The machine is woken, unless it has changed its mind.
    pub(super) fn wake_serving(&mut self, node: usize, stream: u64, at: UnixMillis) -> Step {
        let serving = self.shelf(node).and_then(|shelf| shelf.serving.get_mut(&stream));
        let Some(serving) = serving.filter(|serving| serving.wake_at == Some(at)) else { return Ok(()) };
        serving.wake_at = None;
        self.drive_serving(node, stream, Input::Wake)
    }
}
