//! Where the node listens: checked before anything is made, so that a slip of the pen leaves nothing behind.

use std::net::IpAddr;

use crate::outcome::{Code, Problem};

/// The address, if it is one.
///
/// # Errors
/// A problem that says how one is written.
pub(crate) fn check(address: &str) -> Result<String, Problem> {
    let parts = address.split('/').collect::<Vec<_>>();
    let good = match parts.as_slice() {
        ["", version, ip, "tcp", port] | ["", version, ip, "udp", port, "quic-v1"] => {
            ip_fits(version, ip) && port.parse::<u16>().is_ok()
        }
        _ => false,
    };
    if good {
        return Ok(address.to_owned());
    }
    Err(Problem::new(Code::Invalid, format!("{address:?} is not an address to listen at"))
        .why("it is written /ip4/ADDRESS/tcp/PORT or /ip4/ADDRESS/udp/PORT/quic-v1; port 0 picks a free one")
        .hint("antiphon up --listen /ip4/0.0.0.0/tcp/0"))
}

fn ip_fits(version: &str, ip: &str) -> bool {
    matches!((version, ip.parse()), ("ip4", Ok(IpAddr::V4(_))) | ("ip6", Ok(IpAddr::V6(_))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses_are_checked_before_the_start() {
        let check_one = |address: &str, good: bool| {
            assert_eq!(check(address).is_ok(), good, "{address}");
        };
        check_one("/ip4/127.0.0.1/tcp/0", true);
        check_one("/ip4/0.0.0.0/udp/7412/quic-v1", true);
        check_one("/ip6/::1/tcp/1", true);
        check_one("/ip6/127.0.0.1/tcp/1", false);
        check_one("/ip4/127.0.0.1/tcp/70000", false);
        check_one("/ip4/127.0.0.1/udp/1", false);
        check_one("127.0.0.1:7412", false);
        check_one("", false);
    }
}
