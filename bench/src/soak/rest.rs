//! When the load has ended: waiting until all machines are equal and owe nothing, and holding them against the ledgers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use antiphon_server::client::{Client, ClientError};
use antiphon_server::dto::{ContentAskDto, MessageFilterDto};

use super::ledger::Ledger;
use super::machine::Machine;
use crate::Outcome;

/// Longest wait until all have come to rest.
const REST_MAX: Duration = Duration::from_secs(300);

/// Waits until all have one state hash and empty outboxes, and says how long that took.
pub async fn wait(machines: &[Machine]) -> Outcome<Duration> {
    let begun = Instant::now();
    loop {
        let (mut hashes, mut waiting) = (BTreeSet::new(), 0);
        for machine in machines {
            hashes.insert(machine.client().state_hash().await?.state_hash);
            waiting += machine.client().status().await?.outbox.pending;
        }
        if hashes.len() == 1 && waiting == 0 {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > REST_MAX {
            return Err(
                format!("{} state hashes and {waiting} items that wait, after {REST_MAX:?}", hashes.len()).into()
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Everything that is not as it was acknowledged, in words.
pub async fn judge(machines: &[Machine], ledgers: &[Ledger]) -> Outcome<Vec<String>> {
    let mut found: Vec<String> = ledgers.iter().flat_map(|ledger| ledger.refused.clone()).collect();
    for machine in machines {
        let client = machine.client();
        let verified = client.verify().await?;
        found.extend(verified.problems.into_iter().map(|problem| format!("{}: {problem}", machine.name)));
        let facts = ledgers.iter().flat_map(|ledger| &ledger.facts);
        for (id, may) in facts {
            let content = client.fact(id).await?.content;
            if !may.contains(&content) {
                found.push(format!("fact {id} says {content:?} on {}, and was {may:?}", machine.name));
            }
        }
        found.extend(documents(&client, &machine.name, ledgers).await?);
        found.extend(messages(&client, &machine.name, ledgers).await?);
    }
    Ok(found)
}

async fn documents(client: &Client, name: &str, ledgers: &[Ledger]) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for (address, may) in ledgers.iter().flat_map(|ledger| &ledger.documents) {
        let mut bytes = Vec::new();
        let ask = ContentAskDto { address: address.clone(), ..ContentAskDto::default() };
        match client.get_content(&ask, &mut bytes, |_| (), |_| ()).await {
            Ok(_) if may.contains(&Some(bytes)) => (),
            Ok(_) => found.push(format!("{address} has other bytes on {name}")),
            // Where no answer ever came, it may never have been stored.
            Err(ClientError::Problem(_)) if may.contains(&None) => (),
            Err(error) => found.push(format!("{address} cannot be read on {name}: {error}")),
        }
    }
    Ok(found)
}

async fn messages(client: &Client, name: &str, ledgers: &[Ledger]) -> Outcome<Vec<String>> {
    let mut came: BTreeMap<String, u64> = BTreeMap::new();
    let mut filter = MessageFilterDto { limit: Some(100), ..MessageFilterDto::default() };
    loop {
        let page = client.messages(&filter).await?;
        for message in page.messages {
            *came.entry(message.text.unwrap_or_default()).or_default() += 1;
        }
        filter.before = page.next;
        if filter.before.is_none() {
            break;
        }
    }
    let sent = ledgers.iter().flat_map(|ledger| &ledger.messages).filter(|(to, _)| to == name);
    Ok(sent
        .filter_map(|(_, text)| match came.get(text) {
            Some(1) => None,
            times => Some(format!("the message {text:?} came {} times to {name}", times.unwrap_or(&0))),
        })
        .collect())
}
