//! Whether the ports that are set can be used, and who has those that cannot.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

use antiphon_server::dto::{DoctorCheckDto, DoctorFindingDto, SettingsDto, StatusDto};

use super::{check, finding, listens};
use crate::config_file::Resolved;

/// A place where something listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    at: SocketAddr,
    udp: bool,
}

/// What was set, and what is to be said of it.
struct Wish {
    place: Place,
    setting: &'static str,
    other: &'static str,
}

/// Ports that the running node was to have and has not.
pub(super) fn while_running(settings: &SettingsDto, status: &StatusDto) -> DoctorCheckDto {
    let value = |key: &str| {
        let setting = settings.settings.iter().find(|setting| setting.key == key);
        setting.and_then(|setting| setting.value.clone()).unwrap_or_default()
    };
    let listen: Vec<String> = value("node.listen").split(',').map(str::to_owned).collect();
    let http = (value("http.enabled") == "true").then(|| value("http.listen"));
    let has = |wish: &Wish| match wish.setting {
        "http.listen" => status.http.is_some(),
        _ => status
            .listen
            .iter()
            .filter_map(|address| place_of(address))
            .any(|place| (place.udp, place.at.port()) == (wish.place.udp, wish.place.at.port())),
    };
    let lacking = wishes(&listen, http.as_deref()).into_iter().filter(|wish| !has(wish));
    check("ports", "the node has those that are set", lacking.map(|wish| taken(&wish, None)).collect())
}

/// Ports that a node which is started now would not get.
pub(super) fn of_start(holds: &Resolved, home: &Path) -> DoctorCheckDto {
    if !home.exists() {
        return check("ports", "nothing listens yet", Vec::new());
    }
    let (listen, http) = listens(holds);
    let tried = wishes(&listen, http.as_deref()).into_iter().map(|wish| (try_bind(wish.place), wish));
    let failed = tried.filter_map(|(tried, wish)| Some(taken(&wish, Some(tried.err()?))));
    check("ports", "those that are set are free", failed.collect())
}

fn wishes(listen: &[String], http: Option<&str>) -> Vec<Wish> {
    let node = listen.iter().filter_map(|address| place_of(address));
    let node = node.map(|place| Wish {
        place,
        setting: "node.listen",
        other: "/ip4/0.0.0.0/tcp/0,/ip4/0.0.0.0/udp/0/quic-v1",
    });
    let http = http.and_then(|text| text.replace("localhost:", "127.0.0.1:").parse().ok());
    let http = http.map(|at| Wish { place: Place { at, udp: false }, setting: "http.listen", other: "127.0.0.1:0" });
    node.chain(http).filter(|wish| wish.place.at.port() != 0).collect()
}

/// The port of a multiaddress as it is set.
fn place_of(address: &str) -> Option<Place> {
    let parts: Vec<&str> = address.split('/').collect();
    let (ip, kind, port) = match parts.as_slice() {
        ["", "ip4" | "ip6", ip, kind, port, ..] => (ip.parse::<IpAddr>().ok()?, *kind, port.parse().ok()?),
        _ => return None,
    };
    Some(Place { at: SocketAddr::new(ip, port), udp: kind == "udp" })
}

fn try_bind(place: Place) -> io::Result<()> {
    if place.udp { UdpSocket::bind(place.at).map(drop) } else { TcpListener::bind(place.at).map(drop) }
}

fn taken(wish: &Wish, error: Option<io::Error>) -> DoctorFindingDto {
    let Wish { place, setting, other } = wish;
    let kind = if place.udp { "UDP" } else { "TCP" };
    let what = format!("{kind} port {} of {setting} cannot be used", place.at.port());
    let why = match (holder(*place), error) {
        (Some(holder), _) => holder,
        (None, Some(error)) if error.kind() != io::ErrorKind::AddrInUse => error.to_string(),
        _ => "another program, of another user, has it".to_owned(),
    };
    let fix = format!("antiphon config set {setting} {other}, then antiphon down && antiphon up --detach");
    finding("error", &what, &why, &fix)
}

/// Who has a port, where the system shows it.
fn holder(place: Place) -> Option<String> {
    let tables = if place.udp { ["udp", "udp6"] } else { ["tcp", "tcp6"] };
    let inodes: Vec<String> = tables.iter().flat_map(|table| inodes(&format!("/proc/net/{table}"), place)).collect();
    for process in fs::read_dir("/proc").ok()?.filter_map(Result::ok) {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let mut links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        if links.any(|link| inodes.iter().any(|inode| link.as_os_str() == format!("socket:[{inode}]").as_str())) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("process {pid} ({}) has it", name.trim()));
        }
    }
    None
}

/// Inodes of the sockets that listen at a port, from one of the system's tables.
fn inodes(table: &str, place: Place) -> Vec<String> {
    // 0A is a TCP socket that listens, 07 a UDP socket.
    let (port, state) = (format!("{:04X}", place.at.port()), if place.udp { "07" } else { "0A" });
    let text = fs::read_to_string(table).unwrap_or_default();
    let line = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let local = columns.get(1)?.rsplit_once(':')?.1;
        (local == port && *columns.get(3)? == state).then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
    };
    text.lines().skip(1).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_another_program_has_is_named_with_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let wishes = wishes(&[format!("/ip4/127.0.0.1/tcp/{}", at.port())], Some("127.0.0.1:0"));
        assert_eq!(wishes.len(), 1, "any port will do for the other one");
        let error = try_bind(wishes[0].place).unwrap_err();
        let found = taken(&wishes[0], Some(error));
        assert!(found.why.contains(&format!("process {} ", std::process::id())), "{found:?}");
        assert!(found.fix.contains("antiphon config set node.listen"), "{found:?}");
        drop(listener);
        assert!(try_bind(wishes[0].place).is_ok());
    }

    #[test]
    fn a_multiaddress_has_a_port() {
        let place = |text| place_of(text).map(|place| (place.at.port(), place.udp));
        assert_eq!(place("/ip4/0.0.0.0/udp/7/quic-v1"), Some((7, true)));
        assert_eq!(place("/ip6/::1/tcp/8/p2p/X"), Some((8, false)));
        assert_eq!(place("/dns4/a/tcp/8"), None);
    }
}
