//! Every input that the fuzzer found worth keeping, once more, on any toolchain: `fuzz/corpus/TARGET/*`.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use antiphon::outside::{self as files, Written};
use antiphon_fuzzed::{Property, TARGETS};
use antiphon_server::{outside, proof};

/// Most bytes of all corpora together: they are kept in the repository.
const CORPORA_BYTES_MAX: u64 = 2 * 1024 * 1024;

fn targets() -> Vec<(&'static str, Property)> {
    TARGETS.to_vec()
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(fuzz().join("corpus").join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_input_of_every_corpus_keeps_its_property() {
    let (mut failed, mut bytes) = (Vec::new(), 0);
    for (target, property) in targets() {
        let files = inputs(target);
        assert!(!files.is_empty(), "{target} has no seed");
        for file in files {
            let input = fs::read(&file).unwrap();
            bytes += input.len() as u64;
            if catch_unwind(|| property(&input)).is_err() {
                failed.push(file);
            }
        }
    }
    assert!(failed.is_empty(), "these break what they are tried for: {failed:#?}");
    assert!(bytes <= CORPORA_BYTES_MAX, "{bytes} bytes of corpora; `cargo fuzz cmin` makes them smaller");
}

/// A target whose seeds are all refused tries nothing.
#[test]
fn what_the_seeds_of_the_doors_hold_is_taken() {
    let bytes = |target: &str| -> Vec<Vec<u8>> {
        let seeds = inputs(target).into_iter().filter(|file| file.to_string_lossy().contains("/seed-"));
        seeds.map(|file| fs::read(file).unwrap()).collect()
    };
    assert!(bytes("bundle").iter().all(|seed| outside::bundle(seed).is_some()));
    for seed in bytes("gene_proof") {
        let value: serde_json::Value = serde_json::from_slice(&seed).unwrap();
        assert!(proof::check(&seed, value["root"].as_str().unwrap()).is_ok());
    }
    for seed in bytes("request") {
        assert!(outside::request(seed[0], &seed[1..]), "{}", String::from_utf8_lossy(&seed));
    }
    for seed in bytes("mcp") {
        let text = String::from_utf8_lossy(&seed);
        let memory = outside::memory_tool("create_entities", &seed).is_ok();
        assert!(outside::mcp_message(&seed).is_some() || outside::tool_arguments(&seed) > 0 || memory, "{text}");
    }
}

/// The same for files; those that are to be refused say so.
#[test]
fn what_the_seeds_of_files_hold_is_taken() {
    let texts = |target: &str| -> Vec<(bool, String)> {
        let seeds = inputs(target).into_iter().filter(|file| file.to_string_lossy().contains("/seed-"));
        seeds.map(|file| (!file.ends_with("seed-wrong"), fs::read_to_string(&file).unwrap())).collect()
    };
    for (good, text) in texts("config") {
        assert_eq!(files::config(&text).is_ok_and(|set| !set.is_empty()), good, "{text}");
    }
    for (good, text) in texts("founding") {
        assert_eq!(files::founding(&text).is_ok_and(|genes| !genes.is_empty()), good, "{text}");
    }
    for (_, text) in texts("client_file") {
        let written = if text.starts_with('0') { Written::Json } else { Written::Toml };
        assert!(files::with_entry(&text[1..], written).is_some(), "{text}");
    }
}

#[test]
fn whatever_is_short_keeps_every_property() {
    for (target, property) in targets() {
        let short = (0..=255).map(|byte| vec![byte]).chain([vec![], vec![0; 64], vec![0xFF; 64]]);
        for input in short {
            assert!(catch_unwind(|| property(&input)).is_ok(), "{target}: {input:?}");
        }
    }
}

#[test]
fn every_seed_that_is_cut_short_or_changed_keeps_its_property() {
    for (target, property) in targets() {
        for file in inputs(target).into_iter().take(20) {
            let input = fs::read(&file).unwrap();
            for step in 0..16 {
                let at = input.len() * step / 16;
                let mut bent = input.clone();
                if let Some(byte) = bent.get_mut(at) {
                    *byte ^= 1 << (step % 8);
                }
                let good = |input: &[u8]| catch_unwind(|| property(input)).is_ok();
                assert!(good(&input[..at]), "{}: the first {at} bytes", file.display());
                assert!(good(&bent), "{}: byte {at} changed", file.display());
            }
        }
    }
}

#[test]
fn programs_corpora_and_the_list_name_the_same_targets() {
    let names = |files: fs::ReadDir| -> BTreeSet<String> {
        let name = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
        files.map(|file| name(file.unwrap().path())).collect()
    };
    let listed: BTreeSet<String> = targets().iter().map(|(name, _)| (*name).to_owned()).collect();
    let programs = names(fs::read_dir(fuzz().join("fuzz_targets")).unwrap());
    let corpora = names(fs::read_dir(fuzz().join("corpus")).unwrap());
    let (manifest, page) =
        (fs::read_to_string(fuzz().join("Cargo.toml")).unwrap(), fs::read_to_string(fuzz().join("README.md")).unwrap());
    for name in &listed {
        assert!(programs.contains(name), "{name} has no program");
        assert!(corpora.contains(name), "{name} has no corpus");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
        assert!(page.contains(&format!("`{name}`")), "{name} is not in fuzz/README.md");
    }
    assert_eq!(programs, listed);
}
