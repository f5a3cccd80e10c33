//! `[network]`: how this node is reachable where no address leads to it.

use antiphon_node::ReachConfig;

use crate::outcome::Problem;
use crate::toml_reader::Entry;

/// Reads the table.
///
/// # Errors
/// Where it is wrong.
pub(super) fn read(entry: &Entry<'_>) -> Result<ReachConfig, Problem> {
    let table = entry.table(&["relay", "use_relays", "hole_punching", "autonat", "upnp"])?;
    let mut config = ReachConfig::default();
    let settings = [
        ("relay", &mut config.relay),
        ("use_relays", &mut config.use_relays),
        ("hole_punching", &mut config.hole_punching),
        ("autonat", &mut config.autonat),
        ("upnp", &mut config.upnp),
    ];
    for (name, setting) in settings {
        if let Some(given) = table.get(name) {
            *setting = given.flag()?;
        }
    }
    Ok(config)
}
