//! Which sockets a process has, as the kernel tells.

use std::collections::BTreeSet;

/// A socket's local port, remote port, and state.
type Socket = (u16, u16, String);

const ESTABLISHED: &str = "01";
const LISTENING: &str = "0A";

fn sockets(pid: u32) -> Vec<Socket> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let links = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let mine: BTreeSet<String> = links
        .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']').map(str::to_owned))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let port = |address: &str| u16::from_str_radix(address.split(':').next_back().unwrap(), 16).unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| mine.contains(row[9])).map(|row| (port(row[1]), port(row[2]), row[3].to_owned())).collect()
}

/// True when the process accepts connections anywhere.
pub fn listens(pid: u32) -> bool {
    sockets(pid).iter().any(|(_, _, state)| state == LISTENING)
}

/// How many connections to that port the process has.
pub fn connections_to(pid: u32, port: u16) -> usize {
    sockets(pid).iter().filter(|(_, remote, state)| *remote == port && state == ESTABLISHED).count()
}
