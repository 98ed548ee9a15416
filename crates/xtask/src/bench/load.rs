//! Closed loops: each of N threads does one thing after the other, for a while, and the good ones are counted.

use std::time::{Duration, Instant};

use anyhow::Result;

/// The part of a loop that is left out, so that connections, caches and threads are warm.
const WARM_UP: Duration = Duration::from_millis(300);

/// What a loop, or a loop's thread, saw between the warm-up and its end.
#[derive(Debug, Default)]
pub struct Count {
    /// How long each good one took, in seconds.
    pub latencies_s: Vec<f64>,
    /// How many went wrong.
    pub errors: u64,
    /// What was wrong with the first of them.
    pub first_error: Option<String>,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.latencies_s.extend(other.latencies_s);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// Runs a loop on each of so many threads for the length of time; `make` gives each thread the thing that it repeats. `at_start` is
/// called when the warm-up is over, `at_end` when the time is.
pub fn closed_loop<Step>(
    threads: usize,
    length: Duration,
    make: impl Fn() -> Step + Sync,
    at_start: impl FnOnce(),
    at_end: impl FnOnce(),
) -> Count
where
    Step: FnMut() -> Result<()>,
{
    let start = Instant::now() + WARM_UP;
    let end = start + length;
    std::thread::scope(|scope| {
        let loops: Vec<_> = (0..threads).map(|_| scope.spawn(|| repeat(make(), start, end))).collect();
        std::thread::sleep(start.saturating_duration_since(Instant::now()));
        at_start();
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
        at_end();
        let mut count = Count::default();
        for thread in loops {
            match thread.join() {
                Ok(part) => count.add(part),
                Err(_) => count.errors += 1,
            }
        }
        count
    })
}

fn repeat(mut step: impl FnMut() -> Result<()>, start: Instant, end: Instant) -> Count {
    let mut count = Count::default();
    loop {
        let began = Instant::now();
        if began >= end {
            return count;
        }
        let outcome = step();
        let ended = Instant::now();
        match outcome {
            Err(error) => {
                count.errors += 1;
                count.first_error.get_or_insert_with(|| format!("{error:#}"));
                // A server that refuses at once must not be drowned in new tries.
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(()) if ended >= start && ended < end => count.latencies_s.push((ended - began).as_secs_f64()),
            Ok(()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn good_ones_are_timed_and_bad_ones_named() {
        let calls = AtomicU64::new(0);
        let step = || {
            || match calls.fetch_add(1, Ordering::Relaxed) % 2 {
                0 => {
                    std::thread::sleep(Duration::from_millis(1));
                    Ok(())
                }
                _ => anyhow::bail!("every second one"),
            }
        };
        let count = closed_loop(2, Duration::from_millis(300), step, || {}, || {});
        assert!(!count.latencies_s.is_empty());
        assert!(count.latencies_s.iter().all(|latency| *latency >= 0.001));
        assert!(count.errors > 0);
        assert_eq!(count.first_error.as_deref(), Some("every second one"));
    }
}
