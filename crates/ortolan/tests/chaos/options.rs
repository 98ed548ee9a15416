//! The command line: that of a test program, and what a long run takes.

use std::fmt;
use std::time::Duration;

/// How long, how much, and from which seed.
#[derive(Debug, Clone)]
pub struct Options {
    /// For how long faults are injected; without it each fault comes once.
    pub time: Option<Duration>,
    /// Where all that is random comes from.
    pub seed: u64,
    /// Tasks that are submitted in a second.
    pub tasks_per_second: f64,
}

impl Options {
    /// Reads `--minutes N --seed S --tasks-per-second R`; `None` when a filter leaves the test out.
    pub fn parse(arguments: impl Iterator<Item = String>, test: &str) -> Option<Self> {
        let mut options = Self { time: None, seed: rand::random::<u32>().into(), tasks_per_second: 12.0 };
        let (mut filters, mut arguments) = (Vec::new(), arguments);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|value| value.parse::<f64>().ok());
            match argument.as_str() {
                "--minutes" => options.time = number().map(|minutes| Duration::from_secs_f64(minutes * 60.0)),
                "--seed" => options.seed = number().map_or(options.seed, |seed| seed as u64),
                "--tasks-per-second" => options.tasks_per_second = number().unwrap_or(options.tasks_per_second),
                "--test-threads" | "--format" | "--color" | "--skip" => drop(number()),
                option if option.starts_with('-') => {}
                filter => filters.push(filter.to_owned()),
            }
        }
        (filters.is_empty() || filters.iter().any(|filter| test.contains(filter.as_str()))).then_some(options)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.time {
            Some(time) => write!(f, "faults for {} s", time.as_secs())?,
            None => write!(f, "each fault once")?,
        }
        write!(f, ", {} tasks a second", self.tasks_per_second)
    }
}
