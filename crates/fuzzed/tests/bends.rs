//! Inputs of the corpora bent at random, for whoever has no fuzzer: a number draws what is changed.
//!
//! `ANTIPHON_TEST_BENDS` says how many each target gets, `ANTIPHON_TEST_BENDS_FROM` the number of the first.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use antiphon_fuzzed::TARGETS;

/// How many inputs a target gets unless somebody wants more.
const BENDS_DEFAULT: u64 = 200;
/// Longest input, in bytes; those of the corpora are shorter.
const INPUT_BYTES_MAX: usize = 1 << 16;
/// Bytes that mean something in one of the formats, or are the last of their kind.
const TELLING: &[u8] = b"\0\x01\x7f\x80\xff\"'\\\n\r\t {}[]()<>:;,.=#/-_*`09azAZ\xc3\xe2\xef\x1a\x1b\x5f\x9f\xbf\xd8";

/// Numbers from a seed (SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    /// A part of `bytes`, mostly a short one.
    fn part<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let from = self.below(bytes.len());
        let longest = if self.below(4) == 0 { bytes.len() } else { 16 };
        let length = self.below(longest.min(bytes.len() - from) + 1);
        &bytes[from..from + length]
    }
}

/// One of the inputs, changed in up to four places.
fn bent(draw: &mut Draw, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = inputs[draw.below(inputs.len())].clone();
    for _ in 0..=draw.below(4) {
        let at = draw.below(bytes.len() + 1);
        let telling = TELLING[draw.below(TELLING.len())];
        match draw.below(7) {
            0 => drop(bytes.get_mut(at).map(|byte| *byte ^= 1 << draw.below(8))),
            1 => drop(bytes.get_mut(at).map(|byte| *byte = telling)),
            2 => bytes.insert(at, telling),
            3 => {
                let length = draw.part(&bytes[at..]).len();
                drop(bytes.drain(at..at + length));
            }
            4 => {
                let part = draw.part(&bytes).to_vec();
                drop(bytes.splice(at..at, part));
            }
            5 => {
                let other = &inputs[draw.below(inputs.len())];
                let part = draw.part(other).to_vec();
                drop(bytes.splice(at..at, part));
            }
            _ => bytes.truncate(at),
        }
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[test]
fn every_corpus_bent_at_random_keeps_its_property() {
    let (from, many) = (number("ANTIPHON_TEST_BENDS_FROM", 0), number("ANTIPHON_TEST_BENDS", BENDS_DEFAULT));
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, property) in TARGETS {
        let files = fs::read_dir(corpora.join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        let inputs: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
        for seed in from..from + many {
            let input = bent(&mut Draw(seed), &inputs);
            let text = String::from_utf8_lossy(&input);
            assert!(catch_unwind(|| property(&input)).is_ok(), "{target}, number {seed}: {input:?}\n{text}");
        }
    }
}
