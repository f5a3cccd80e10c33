//! The trace: everything that happens in a world, folded into one number.
//!
//! Two runs of one seed must have the same trace; where they have not, something outside of the seed has decided,
//! and no failing seed could be replayed.

use std::io::Write;

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    digest: u64,
    steps: u64,
    /// Whether every step is written to standard error as well.
    verbose: bool,
}

impl Trace {
    pub(crate) fn new(verbose: bool) -> Self {
        Self { digest: FNV_BASIS, steps: 0, verbose }
    }

    /// Notes a step of `node`; `words` are only put together when somebody reads them.
    pub(crate) fn note(&mut self, at: u64, node: usize, what: &str, bytes: &[u8], words: impl FnOnce() -> String) {
        self.steps += 1;
        self.fold(&at.to_le_bytes());
        self.fold(&node.to_le_bytes());
        self.fold(what.as_bytes());
        self.fold(bytes);
        if self.verbose {
            let line = format!("{:>9} ms  n{node}  {what:<10} {}", at, words());
            // Nobody to read it is no reason to stop a world.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    fn fold(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    }

    /// The number.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// How many steps it covers.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }
}
