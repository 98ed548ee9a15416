//! From a seed to a script, to its end, and when it fails to the shortest one that fails too.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use proptest::collection::vec;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::action::{Action, any_action, any_submit};
use super::world::World;

/// How many scripts are tried on the way to a shorter one.
const SHORTENINGS: usize = 150;

/// Which database is under the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// SQLite in a temporary folder.
    Sqlite,
    /// PostgreSQL at `ORTOLAN_TEST_POSTGRES_URL`, in a database of its own.
    Postgres,
}

/// What is wrong with the world from the start; nothing by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// The reconciler's clock is ahead of all others by so much and stands still.
    pub reconciler_ahead: Duration,
}

/// A script that broke something.
#[derive(Debug)]
pub struct Failed {
    /// The seed it came from.
    pub seed: u64,
    /// The shortest script found that breaks something.
    pub script: Vec<Action>,
    /// What broke, with that script.
    pub why: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.why)?;
        for (number, action) in self.script.iter().enumerate() {
            writeln!(f, "{number:>4}  {action:?}")?;
        }
        write!(f, "replay it with ORTOLAN_SIM_SEED={}", self.seed)
    }
}

/// Plays the script of a seed; gives its log, line by line.
pub fn replay(seed: u64, place: Place, terms: &Terms) -> Result<Vec<String>, Box<Failed>> {
    let script = script_of(seed);
    let first = match play(&script, place, terms) {
        Ok(log) => return Ok(log),
        Err(why) => why,
    };
    let (script, why) = shorten(script, first, place, terms);
    Err(Box::new(Failed { seed, script, why: format!("{why:#}") }))
}

/// Plays a script in a new world and settles it; gives its log, line by line.
pub fn play(script: &[Action], place: Place, terms: &Terms) -> Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut world = World::open(place, terms).await?;
        let mut log = Vec::with_capacity(script.len());
        for (number, action) in script.iter().enumerate() {
            log.push(world.play(*action).await.with_context(|| format!("action {number}"))?);
        }
        let rounds = world.settle().await.context("while everything was mended")?;
        log.push(format!("settled in {rounds} rounds: {}", world.summary()));
        world.close().await;
        Ok(log)
    })
}

/// The seed that a user wants replayed, from `ORTOLAN_SIM_SEED`.
pub fn seed_of(environment: Option<String>) -> Result<Option<u64>> {
    environment.map(|seed| seed.parse().context("ORTOLAN_SIM_SEED must be a number")).transpose()
}

fn script_of(seed: u64) -> Vec<Action> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let parts = (vec(any_submit(), 1..4), vec(any_action(), 40..200));
    // Nothing is filtered, so every seed has a script.
    #[expect(clippy::expect_used, reason = "a strategy without filters rejects nothing")]
    let (first, then) = parts.new_tree(&mut runner).expect("a script").current();
    [first, then].concat()
}

/// Leaves out what the failure does not need: halves, then quarters, down to single actions.
fn shorten(script: Vec<Action>, why: anyhow::Error, place: Place, terms: &Terms) -> (Vec<Action>, anyhow::Error) {
    let (mut best, mut why, mut tries) = (script, why, 0);
    let mut length = best.len() / 2;
    while length > 0 {
        let mut at = 0;
        while at < best.len() && tries < SHORTENINGS {
            let shorter = [&best[..at], best.get(at + length..).unwrap_or_default()].concat();
            tries += 1;
            match play(&shorter, place, terms) {
                Ok(_) => at += length,
                Err(still) => (best, why) = (shorter, still),
            }
        }
        length /= 2;
    }
    (best, why)
}
