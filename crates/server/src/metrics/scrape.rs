//! One scrape.

use antiphon_node::{Error, Handle};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::family::Families;
use super::{agents, content, dht, node, outbox, peers, process, replication, trust};
use crate::error::{Code, Problem};
use crate::mcp::CallTimes;

/// What the names of the node's metrics begin with.
const PREFIX: &str = "antiphon";

/// Asks the node for everything, and writes it down.
pub(crate) async fn scrape(handle: &Handle, times: &CallTimes) -> Result<String, Problem> {
    let (mut families, started) = gather(handle).await?;
    families.0.extend(agents::families(times));
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(process::families(started))));
    registry.sub_registry_with_prefix(PREFIX).register_collector(Box::new(families));
    let mut text = String::new();
    // Writing into a text fails only where a metric is put together wrongly.
    encode(&mut text, &registry).map_err(|error| Problem::new(Code::Failed, format!("metrics: {error}")))?;
    Ok(text)
}

/// Every family, and when the node started.
async fn gather(handle: &Handle) -> Result<(Families, antiphon_core::time::UnixMillis), Error> {
    let status = handle.status().await?;
    let members = handle.members().await?;
    let mut families = node::families(&status, &members);
    families.extend(peers::families(&status.peers, &members));
    families.extend(peers::traffic(handle.sync_traffic(), handle.blocks_traffic(), handle.blocks_served()));
    families.extend(node::held(&handle.counts().await?));
    families.extend(node::disk(handle));
    families.extend(outbox::families(&handle.outbox_stats().await?, &handle.outbox_levels()));
    families.push(outbox::by_level(&handle.outbox_by_level().await?));
    families.extend(content::families(&handle.content_metrics().await?));
    families.extend(content::storage(&handle.storage_offer().await?));
    families.extend(replication::families(&handle.replication_metrics().await?));
    families.extend(dht::families(&handle.dht_status().await?));
    families.extend(trust::families(&handle.peer_stats().await?, &handle.counters().await?));
    families.push(trust::turned_away(handle.turned_away()));
    families.extend(trust::lines(handle).await?);
    Ok((Families(families), status.started))
}
