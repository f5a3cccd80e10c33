//! `[network]`: how this node is reachable where no address leads to it.

use super::setting::Setting;
use super::value::{Kind, Value};

/// A switch of the network.
macro_rules! switch {
    ($name:literal, $field:ident, $what:literal) => {
        Setting::new(
            $name,
            Kind::Flag,
            $what,
            |wanted| Value::Flag(wanted.network.$field),
            |wanted, value| {
                if let Value::Flag(on) = value {
                    wanted.network.$field = *on;
                }
                Ok(())
            },
        )
    };
}

/// The table.
pub(super) const SETTINGS: &[Setting] = &[
    switch!("network.autonat", autonat, "whether members check which of each other's addresses lead there"),
    switch!(
        "network.hole_punching",
        hole_punching,
        "whether to try for a direct connection with whom one was met through a relay"
    ),
    switch!("network.relay", relay, "whether to relay for members that cannot be dialled; it costs traffic"),
    switch!("network.upnp", upnp, "whether to ask the router to forward a port"),
    switch!("network.use_relays", use_relays, "whether to be reachable through members that relay"),
];
