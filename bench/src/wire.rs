//! Bytes on the wire, the same way for everybody: what the loopback interface carried.
//!
//! The benchmark runs itself again in a network of its own where nothing else speaks, so that every packet counted is
//! one of the two processes', and nothing can leave the machine.

use std::fs;
use std::process::Command;

use crate::Outcome;

/// Set for the run inside.
const INSIDE: &str = "ANTIPHON_BENCH_ALONE";
/// Ethernet, IPv4 and TCP headers of one packet, with time stamps, in bytes.
const TCP_HEADERS: f64 = 14.0 + 20.0 + 32.0;
/// Ethernet, IPv4 and UDP headers of one packet, in bytes.
const UDP_HEADERS: f64 = 14.0 + 20.0 + 8.0;

/// Runs the program again in a network of its own, if that is possible here; says whether it did.
pub fn alone() -> Outcome<bool> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(false);
    }
    let script = "ip link set lo up && exec \"$0\" \"$@\"";
    let program = std::env::current_exe()?;
    let inside = |what: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c", script]).args(what);
        command
    };
    if !inside(&["true"]).output().is_ok_and(|output| output.status.success()) {
        eprintln!("no network of its own here (unshare): whatever else uses the loopback interface is counted too");
        return Ok(false);
    }
    let path = program.to_str().ok_or("the program's path is not text")?;
    let status = inside(&[path]).args(std::env::args_os().skip(1)).env(INSIDE, "1").status()?;
    if status.success() { Ok(true) } else { Err(format!("the run inside ended with {status}").into()) }
}

/// What the interface has carried.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Wire {
    bytes: f64,
    packets: f64,
}

impl Wire {
    /// What it has carried until now.
    pub fn now() -> Outcome<Self> {
        let text = fs::read_to_string("/proc/net/dev")?;
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix("lo:")).ok_or("no loopback")?;
        let mut fields = line.split_whitespace();
        let (bytes, packets) = (fields.next().ok_or("no bytes")?.parse()?, fields.next().ok_or("no packets")?.parse()?);
        Ok(Self { bytes, packets })
    }

    /// What came since `before`.
    pub fn since(before: Self) -> Outcome<Self> {
        let now = Self::now()?;
        Ok(Self { bytes: now.bytes - before.bytes, packets: now.packets - before.packets })
    }

    /// Bytes that the protocols put into packets, without the headers of the packets.
    pub fn carried(self, over_udp: bool) -> f64 {
        (self.bytes - self.packets * if over_udp { UDP_HEADERS } else { TCP_HEADERS }).max(0.0)
    }
}
