//! The simulator's scripts: none breaks an invariant, and each does the same every time.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use ortolan_proptests::simulator::{Place, Terms, replay, seed_of};

/// Seeds that found something once: 137, that a lease may be renewed to an earlier end when clocks were turned back, and nobody be told;
/// 357, that two ML services may each answer an attempt, when the first was away for longer than its lock.
const FOUND: [u64; 2] = [137, 357];
/// How many seeds are tried when `ORTOLAN_SIM_SEEDS` says nothing.
const SEEDS: u64 = 40;
/// How many over PostgreSQL, which is slower.
const SEEDS_OVER_POSTGRES: u64 = 6;

fn hold(seeds: impl IntoIterator<Item = u64>, place: Place) {
    for seed in seeds {
        if let Err(failed) = replay(seed, place, &Terms::default()) {
            panic!("seed {seed} over {place:?}: {failed}");
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().unwrap())
}

#[test]
fn no_script_breaks_an_invariant() {
    if let Some(seed) = seed_of(std::env::var("ORTOLAN_SIM_SEED").ok()).unwrap() {
        match replay(seed, Place::Sqlite, &Terms::default()) {
            Ok(log) => eprintln!("{}", log.join("\n")),
            Err(failed) => panic!("{failed}"),
        }
        return;
    }
    let first = number("ORTOLAN_SIM_FIRST").unwrap_or(1);
    hold(first..first + number("ORTOLAN_SIM_SEEDS").unwrap_or(SEEDS), Place::Sqlite);
}

#[test]
fn what_was_found_once_stays_mended() {
    hold(FOUND, Place::Sqlite);
}

#[test]
fn no_script_breaks_an_invariant_over_postgres() {
    hold(1..=SEEDS_OVER_POSTGRES, Place::Postgres);
}

#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in [3, 1_000_003] {
        let log = || replay(seed, Place::Sqlite, &Terms::default()).unwrap();
        assert_eq!(log(), log());
    }
    let logs = [3, 4].map(|seed| replay(seed, Place::Sqlite, &Terms::default()).unwrap());
    assert_ne!(logs[0], logs[1]);
}

#[test]
fn a_broken_world_is_found_and_told_in_few_words() {
    let terms = Terms { reconciler_ahead: Duration::from_secs(10 * 365 * 24 * 3600) };
    let failed = (1..100).find_map(|seed| replay(seed, Place::Sqlite, &terms).err()).unwrap();
    assert!(failed.why.contains("was taken away") || failed.why.contains("was given up"), "{failed}");
    assert!(failed.script.len() < 20, "{failed}");
}
