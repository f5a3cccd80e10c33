//! The side that is asked, for one stream.
//!
//! What was asked for is put into a queue and sent one after the other: the next is read when the one before was
//! handed to the network, so a slow asker costs a slot and two blocks of memory, not its window. Whoever asks for more
//! than the window is told that it is too much; whoever goes on like that, or breaks another rule, loses the stream.
//! Nobody is answered from anything but what was read and found right at that moment, which is the caller's part.

use std::collections::VecDeque;
use std::ops::Range;

use antiphon_core::ids::Hash;
use antiphon_core::time::UnixMillis;

use super::message::{Block, Message, What, count, ranges};
use super::{UNKNOWN_MAX, WANTED_BLOCKS_MAX};

/// Time without a request after which the stream is closed, in milliseconds.
pub const IDLE_MS: u64 = 60_000;
/// Most requests beyond the window that are refused before the stream is closed.
pub const REFUSALS_MAX: u32 = 8;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The asker said this.
    Message(Message),
    /// What the last [`Output::Load`] asked for; `None` if it is not here or damaged.
    Loaded(Option<Vec<u8>>),
    /// The time that [`Output::WakeAt`] named has come.
    Wake,
    /// End it.
    Close,
}

/// Something must be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Read this and answer with [`Input::Loaded`].
    Load(Job),
    /// Send this. Until it is on its way nothing more should be given to the machine.
    Send(Message),
    /// Wake the machine then; it replaces an earlier one.
    WakeAt(UnixMillis),
    /// The conversation is over.
    Close(Closed),
}

/// Something to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// A manifest of a document.
    Manifest {
        /// Which document.
        root: Hash,
        /// Which manifest.
        hash: Hash,
    },
    /// A block of a document.
    Block {
        /// Which document.
        root: Hash,
        /// Which block.
        n: u64,
    },
}

/// Why a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The asker said goodbye.
    #[error("the asker said goodbye")]
    Bye,
    /// This node ended it.
    #[error("this node ended it")]
    Asked,
    /// Nothing was asked for so long.
    #[error("nothing was asked for {0} ms")]
    Idle(u64),
    /// The asker broke the rules of the conversation.
    #[error("the asker broke a rule: {0}")]
    Violation(&'static str),
}

/// What waits to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Waiting {
    Manifest { root: Hash, hash: Hash },
    Blocks { root: Hash, range: Range<u64> },
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    queue: VecDeque<Waiting>,
    /// Blocks and manifests in the queue, what is being read included.
    waiting: u64,
    loading: Option<Job>,
    /// What is being read was refused meanwhile.
    refused: bool,
    refusals: u32,
    unknown: u32,
    moved_at: UnixMillis,
    wake_at: Option<UnixMillis>,
    closed: bool,
}

impl Serve {
    /// A conversation that begins at `now`, and the first thing to do.
    pub fn new(now: UnixMillis) -> (Self, Output) {
        let wake_at = now.after(IDLE_MS);
        let machine = Self {
            queue: VecDeque::new(),
            waiting: 0,
            loading: None,
            refused: false,
            refusals: 0,
            unknown: 0,
            moved_at: now,
            wake_at: Some(wake_at),
            closed: false,
        };
        (machine, Output::WakeAt(wake_at))
    }

    /// Takes note of what happened; says what must be done.
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Vec<Output> {
        let mut out = Vec::new();
        if self.closed {
            return out;
        }
        let ended = match input {
            Input::Message(message) => self.hear(message, now, &mut out),
            Input::Loaded(bytes) => {
                self.moved_at = self.moved_at.max(now);
                self.answer(bytes, &mut out);
                Ok(())
            }
            Input::Wake => {
                self.wake_at = None;
                Ok(())
            }
            Input::Close => Err(Closed::Asked),
        };
        if let Err(closed) = ended.and_then(|()| self.go_on(now, &mut out)) {
            self.closed = true;
            self.queue.clear();
            if !matches!(closed, Closed::Bye) {
                out.push(Output::Send(Message::Bye));
            }
            out.push(Output::Close(closed));
        }
        out
    }

    /// Whether nothing waits and nothing is being read.
    pub const fn is_idle(&self) -> bool {
        self.waiting == 0
    }

    fn hear(&mut self, message: Message, now: UnixMillis, out: &mut Vec<Output>) -> Result<(), Closed> {
        match message {
            Message::Want { root, what } => {
                what.validate().map_err(|_| Closed::Violation("a request that cannot be meant"))?;
                self.moved_at = now;
                self.want(root, what, out)
            }
            Message::Bye => Err(Closed::Bye),
            Message::Unknown(_) => {
                self.unknown += 1;
                if self.unknown > UNKNOWN_MAX { Err(Closed::Violation("too many unknown messages")) } else { Ok(()) }
            }
            Message::Manifest(_) | Message::Block(_) | Message::Missing { .. } | Message::Busy => {
                Err(Closed::Violation("an answer to nothing"))
            }
        }
    }

    fn want(&mut self, root: Hash, what: What, out: &mut Vec<Output>) -> Result<(), Closed> {
        let more = match &what {
            What::Manifest(_) => 1,
            What::Blocks(ranges) => count(ranges),
        };
        if self.waiting + more > WANTED_BLOCKS_MAX {
            self.queue.clear();
            self.refused = self.loading.is_some();
            self.waiting = u64::from(self.refused);
            self.refusals += 1;
            if self.refusals > REFUSALS_MAX {
                return Err(Closed::Violation("asks for more than the window"));
            }
            out.push(Output::Send(Message::Busy));
            return Ok(());
        }
        self.waiting += more;
        match what {
            What::Manifest(hash) => self.queue.push_back(Waiting::Manifest { root, hash }),
            What::Blocks(ranges) => {
                self.queue.extend(ranges.into_iter().map(|range| Waiting::Blocks { root, range }));
            }
        }
        Ok(())
    }

    fn answer(&mut self, bytes: Option<Vec<u8>>, out: &mut Vec<Output>) {
        let Some(job) = self.loading.take() else { return };
        self.waiting = self.waiting.saturating_sub(1);
        if std::mem::take(&mut self.refused) {
            return;
        }
        // The next is read while this is sent.
        self.load(out);
        out.push(Output::Send(match (job, bytes) {
            (Job::Manifest { .. }, Some(bytes)) => Message::Manifest(bytes),
            (Job::Block { root, n }, Some(bytes)) => Message::Block(Block { root, n, bytes }),
            (Job::Manifest { root, hash }, None) => Message::Missing { root, what: What::Manifest(hash) },
            (Job::Block { root, n }, None) => Message::Missing { root, what: What::Blocks(ranges([n])) },
        }));
    }

    fn load(&mut self, out: &mut Vec<Output>) {
        if self.loading.is_some() {
            return;
        }
        let job = match self.queue.pop_front() {
            None => return,
            Some(Waiting::Manifest { root, hash }) => Job::Manifest { root, hash },
            Some(Waiting::Blocks { root, range: Range { start: n, end } }) => {
                if n + 1 < end {
                    self.queue.push_front(Waiting::Blocks { root, range: n + 1..end });
                }
                Job::Block { root, n }
            }
        };
        self.loading = Some(job);
        out.push(Output::Load(job));
    }

    fn go_on(&mut self, now: UnixMillis, out: &mut Vec<Output>) -> Result<(), Closed> {
        self.load(out);
        let over = self.moved_at.after(IDLE_MS);
        if self.is_idle() && now >= over {
            return Err(Closed::Idle(IDLE_MS));
        }
        if self.wake_at.is_none() {
            // While something is being sent nothing has to be asked.
            let at = if now >= over { now.after(IDLE_MS) } else { over };
            self.wake_at = Some(at);
            out.push(Output::WakeAt(at));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
    const ROOT: Hash = Hash([7; 32]);

    fn asked(bob: &mut Serve, ranges: &[Range<u64>]) -> Vec<Output> {
        let what = What::Blocks(ranges.to_vec());
        bob.handle(Input::Message(Message::Want { root: ROOT, what }), NOW)
    }

    fn load(n: u64) -> Output {
        Output::Load(Job::Block { root: ROOT, n })
    }

    fn sent(n: u64) -> Output {
        Output::Send(Message::Block(Block { root: ROOT, n, bytes: vec![1] }))
    }

    fn loaded(bob: &mut Serve) -> Vec<Output> {
        bob.handle(Input::Loaded(Some(vec![1])), NOW)
    }

    #[test]
    fn blocks_are_read_one_at_a_time_in_the_order_they_were_asked_for() {
        let (mut bob, _) = Serve::new(NOW);
        assert_eq!(asked(&mut bob, &[3..5, 9..10]), [load(3)]);
        assert_eq!(asked(&mut bob, &[0..1]), []);
        assert_eq!(loaded(&mut bob), [load(4), sent(3)]);
        assert_eq!(loaded(&mut bob), [load(9), sent(4)]);
        let missing = Message::Missing { root: ROOT, what: What::Blocks(vec![9..10]) };
        assert_eq!(bob.handle(Input::Loaded(None), NOW), [load(0), Output::Send(missing)]);
        assert_eq!(loaded(&mut bob), [sent(0)]);
        assert!(bob.is_idle());
    }

    #[test]
    #[allow(clippy::cloned_ref_to_slice_refs)]
    fn manifests_wait_in_the_same_queue() {
        let (mut bob, _) = Serve::new(NOW);
        let hash = Hash([1; 32]);
        let want = Message::Want { root: ROOT, what: What::Manifest(hash) };
        let job = Output::Load(Job::Manifest { root: ROOT, hash });
        assert_eq!(bob.handle(Input::Message(want.clone()), NOW), [job.clone()]);
        assert_eq!(bob.handle(Input::Message(want), NOW), []);
        assert_eq!(bob.handle(Input::Loaded(Some(vec![1])), NOW), [job, Output::Send(Message::Manifest(vec![1]))]);
        let missing = Message::Missing { root: ROOT, what: What::Manifest(hash) };
        assert_eq!(bob.handle(Input::Loaded(None), NOW), [Output::Send(missing)]);
    }

    #[test]
    fn eve_who_asks_for_more_than_the_window_is_refused_and_then_put_out() {
        let (mut bob, _) = Serve::new(NOW);
        assert_eq!(asked(&mut bob, &[0..WANTED_BLOCKS_MAX]), [load(0)]);
        assert_eq!(asked(&mut bob, &[100..101]), [Output::Send(Message::Busy)]);
        // What was being read is not sent either: busy means all of it.
        assert_eq!(loaded(&mut bob), []);
        assert!(bob.is_idle());
        for _ in 1..REFUSALS_MAX {
            let _out = asked(&mut bob, &[0..WANTED_BLOCKS_MAX]);
            assert_eq!(asked(&mut bob, &[0..1]), [Output::Send(Message::Busy)]);
            let _out = loaded(&mut bob);
        }
        let _out = asked(&mut bob, &[0..WANTED_BLOCKS_MAX]);
        let closed = Output::Close(Closed::Violation("asks for more than the window"));
        assert_eq!(asked(&mut bob, &[0..1]), [Output::Send(Message::Bye), closed]);
        assert_eq!(asked(&mut bob, &[0..1]), []);
    }

    #[test]
    fn whoever_answers_instead_of_asking_is_put_out() {
        let answers = [
            Message::Manifest(vec![1]),
            Message::Busy,
            Message::Missing { root: ROOT, what: What::Manifest(ROOT) },
            Message::Block(Block { root: ROOT, n: 1, bytes: vec![1] }),
        ];
        for message in answers {
            let (mut bob, _) = Serve::new(NOW);
            let out = bob.handle(Input::Message(message), NOW);
            assert_eq!(out.last(), Some(&Output::Close(Closed::Violation("an answer to nothing"))));
        }
    }

    #[test]
    fn kinds_of_a_newer_version_are_read_over_until_they_are_too_many() {
        let (mut bob, _) = Serve::new(NOW);
        for _ in 0..UNKNOWN_MAX {
            assert_eq!(bob.handle(Input::Message(Message::Unknown(9)), NOW), []);
        }
        let out = bob.handle(Input::Message(Message::Unknown(9)), NOW);
        assert_eq!(out.last(), Some(&Output::Close(Closed::Violation("too many unknown messages"))));
    }

    #[test]
    fn a_stream_on_which_nothing_is_asked_ends_and_one_that_is_slow_does_not() {
        let (mut bob, first) = Serve::new(NOW);
        let later = NOW.after(IDLE_MS);
        assert_eq!(first, Output::WakeAt(later));
        let _out = asked(&mut bob, &[0..2]);
        assert_eq!(bob.handle(Input::Wake, later), [Output::WakeAt(later.after(IDLE_MS))]);
        let _out = loaded(&mut bob);
        let _out = loaded(&mut bob);
        let closed = Output::Close(Closed::Idle(IDLE_MS));
        assert_eq!(bob.handle(Input::Wake, later.after(IDLE_MS)), [Output::Send(Message::Bye), closed]);
        let (mut bob, _) = Serve::new(NOW);
        assert_eq!(bob.handle(Input::Message(Message::Bye), NOW), [Output::Close(Closed::Bye)]);
        let (mut bob, _) = Serve::new(NOW);
        assert_eq!(bob.handle(Input::Close, NOW).last(), Some(&Output::Close(Closed::Asked)));
    }
}
