//! Processor time from /proc: of one process, of a process with all its descendants, and of the whole machine.

use std::collections::BTreeMap;

/// Clock ticks in a second, as /proc counts them; 100 on every Linux that Ortolan is built for.
const TICKS_PER_S: f64 = 100.0;

/// Processor time of this process so far, in seconds.
pub fn own_s() -> f64 {
    stat_of("self").map_or(0.0, |stat| stat.own_s)
}

/// Processor time so far of the process, its living descendants, and the dead ones that were waited for, in seconds.
pub fn tree_s(pid: u32) -> f64 {
    let stats = all_stats();
    let mut total = 0.0;
    let mut waiting = vec![pid];
    while let Some(parent) = waiting.pop() {
        total += stats.get(&parent).map_or(0.0, |stat| stat.own_s + stat.waited_for_s);
        waiting.extend(stats.iter().filter(|(_, stat)| stat.parent == parent).map(|(child, _)| *child));
    }
    total
}

/// Processor time so far of everything on this machine, in seconds.
pub fn machine_s() -> f64 {
    std::fs::read_to_string("/proc/stat").ok().and_then(|stat| parse_machine(&stat)).unwrap_or(0.0)
}

/// The first line of /proc/stat: user, nice, system, idle, waiting for the disk, interrupts twice, stolen.
fn parse_machine(stat: &str) -> Option<f64> {
    let ticks: Vec<f64> =
        stat.lines().next()?.split_whitespace().skip(1).filter_map(|ticks| ticks.parse().ok()).collect();
    let [user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen, ..] = ticks[..] else { return None };
    Some((user + nice + system + interrupts + soft_interrupts + stolen) / TICKS_PER_S)
}

#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    own_s: f64,
    waited_for_s: f64,
}

fn all_stats() -> BTreeMap<u32, Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return BTreeMap::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, stat_of(&pid.to_string())?))).collect()
}

fn stat_of(process: &str) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// Fields by proc(5): 4 parent, 14 and 15 own user and system time, 16 and 17 those of waited-for children. The second field is a name
/// in brackets that may hold spaces and brackets.
fn parse(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line.rsplit_once(") ")?.1.split(' ').collect();
    let seconds = |number: usize| fields.get(number - 3)?.parse::<f64>().ok().map(|ticks| ticks / TICKS_PER_S);
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own_s: seconds(14)? + seconds(15)?,
        waited_for_s: seconds(16)? + seconds(17)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_a_strange_name() {
        let line = "12 (a) b) S 7 12 12 0 -1 4194304 100 0 0 0 150 50 25 25 20 0 1 0 100 0 0";
        assert_eq!(parse(line), Some(Stat { parent: 7, own_s: 2.0, waited_for_s: 0.5 }));
    }

    #[test]
    fn a_machine_is_busy_when_it_neither_idles_nor_waits() {
        let stat = "cpu  100 10 50 9999 8888 20 15 5 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(parse_machine(stat), Some(2.0));
        assert!(machine_s() >= own_s());
    }

    #[test]
    fn this_process_has_a_parent_that_counts_it() {
        let busy: u64 = (0..20_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
        assert!(std::hint::black_box(busy) < u64::MAX);
        let own = own_s();
        assert!(tree_s(std::os::unix::process::parent_id()) >= own);
    }
}
