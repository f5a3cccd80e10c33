//! Files that people write for the program, and files of other programs that it edits.

use std::collections::BTreeSet;

use antiphon::outside::{self, FILE, Written};
use antiphon_core::genome::Genome;

use crate::laws::choice;
use crate::signed::alice;

/// `antiphon.toml`: what one setting becomes leaves all others as they were.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let set = match outside::config(text) {
        Ok(set) => set,
        Err(told) => return names_a_line(text, &told),
    };
    for (name, _) in &set {
        let again = outside::config_set_again(text, name).expect("what was read can be edited");
        assert_eq!(outside::config(&again).as_ref(), Ok(&set), "{name} was set to what it is: {again}");
        let without = outside::config_without(text, name).expect("what was read can be edited");
        // Some settings make no sense without others, which a person is told.
        if let Ok(left) = outside::config(&without) {
            let rest: Vec<_> = set.iter().filter(|(other, _)| other != name).cloned().collect();
            assert_eq!(left, rest, "{name} was taken out: {without}");
        }
    }
}

/// A founding file: each gene is in the genome as it was asked for.
pub fn founding(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let genes = match outside::founding(text) {
        Ok(genes) => genes,
        Err(told) => return names_a_line(text, &told),
    };
    let ids: BTreeSet<&String> = genes.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), genes.len(), "one gene is asked for twice");
    // What makes sense line by line may not make sense together, which a person is told.
    let Ok(genome) = Genome::found_with("choir", &[1; 32], &alice().node_id(), genes.clone()) else { return };
    for (id, text) in &genes {
        assert!(genome.genes().any(|gene| gene == (id.as_str(), text.as_str())), "{id} is another");
    }
}

/// The file of a client in which the server is entered: the entry comes and goes, and everything else stays.
pub fn client_file(bytes: &[u8]) {
    let Some((which, rest)) = choice(bytes) else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let written = if which % 2 == 0 { Written::Json } else { Written::Toml };
    let Some(new) = outside::with_entry(text, written) else { return };
    assert_eq!(outside::has_entry(&new, written), Some(true), "{new}");
    assert_eq!(outside::with_entry(&new, written).as_ref(), Some(&new), "once is enough");
    assert!(outside::has_entry(text, written) != Some(true) || new == text, "it was there: {new}");
    let gone = outside::without_entry(&new, written).expect("what was written can be read");
    if let Some(others) = others(text, written) {
        assert_eq!(self::others(&new, written).as_ref(), Some(&others), "{new}");
        assert_eq!(self::others(&gone, written).as_ref(), Some(&others), "{gone}");
    }
}

/// Everything in the file but the entry, as JSON; `None` where the file is not what the standard says.
fn others(text: &str, written: Written) -> Option<String> {
    match written {
        Written::Json => {
            let mut value: serde_json::Value = serde_json::from_str(text).ok()?;
            if let Some(servers) = value.get_mut("servers").and_then(serde_json::Value::as_object_mut) {
                servers.remove("antiphon");
                if servers.is_empty() {
                    value.as_object_mut()?.remove("servers");
                }
            }
            Some(value.to_string())
        }
        Written::Toml => {
            let mut table: toml::Table = text.parse().ok()?;
            if let Some(servers) = table.get_mut("servers").and_then(toml::Value::as_table_mut) {
                servers.remove("antiphon");
                if servers.is_empty() {
                    table.remove("servers");
                }
            }
            // Not a comparison of the tables: what is no number is not equal to itself.
            Some(format!("{table:?}"))
        }
    }
}

/// A line that is to blame is a line of the file.
fn names_a_line(text: &str, told: &str) {
    assert!(!told.is_empty());
    let Some(rest) = told.strip_prefix(FILE).and_then(|rest| rest.strip_prefix(':')) else { return };
    let line: Option<usize> = rest.split_once(':').and_then(|(line, _)| line.parse().ok());
    let lines = 1 + text.bytes().filter(|byte| *byte == b'\n').count();
    assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "{told}");
}
