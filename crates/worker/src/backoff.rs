//! How long to wait before the next try.

use std::time::Duration;

/// Exponential back-off with jitter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Before the second try.
    pub base: Duration,
    /// At most.
    pub cap: Duration,
}

impl Backoff {
    /// The wait after `failures` failures (at least 1): base * 2^(failures - 1), at most the cap, of which the upper half
    /// is random. `random` is a number in 0..1.
    pub fn after(&self, failures: u32, random: f64) -> Duration {
        let doubled = self.base.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let most = doubled.min(self.cap);
        most.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_secs(2), cap: Duration::from_secs(600) };

    #[test]
    fn it_doubles_up_to_the_cap() {
        let waits: Vec<_> = [1, 2, 3, 9, 10, 40, u32::MAX].map(|n| BACKOFF.after(n, 1.0).as_secs()).into();
        assert_eq!(waits, [2, 4, 8, 512, 600, 600, 600]);
    }

    #[test]
    fn jitter_takes_at_most_half() {
        for random in [0.0, 0.3, 0.999] {
            let wait = BACKOFF.after(3, random);
            assert!(wait >= Duration::from_secs(4) && wait <= Duration::from_secs(8), "{wait:?}");
        }
    }
}
