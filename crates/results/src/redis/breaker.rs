//! Keeps callers from waiting for a server that did not answer a moment ago.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Closed while the server answers. Whoever finds that it does not opens it; from then on nobody waits, and [`mend`] closes it
/// at the first sign of life.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    is_open: AtomicBool,
    opened: Notify,
}

impl Breaker {
    /// True while the server should not be waited for.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Notes that the server did not answer.
    pub(super) fn open(&self) {
        if !self.is_open.swap(true, Ordering::AcqRel) {
            tracing::warn!("the shared cache does not answer; requests go on without it until it does");
            metrics::gauge!("ortolan_cache_passed_over").set(1.0);
        }
        self.opened.notify_one();
    }

    fn close(&self) {
        if self.is_open.swap(false, Ordering::AcqRel) {
            tracing::info!("the shared cache answers again");
            metrics::gauge!("ortolan_cache_passed_over").set(0.0);
        }
    }
}

/// Closes the breaker after each time that it was opened, once there is a sign of life; for ever.
pub(super) async fn mend<Answer>(breaker: Arc<Breaker>, is_alive: impl Fn() -> Answer)
where
    Answer: Future<Output = bool>,
{
    loop {
        breaker.opened.notified().await;
        let mut pause = FIRST_PAUSE;
        while !is_alive().await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        breaker.close();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_open_until_the_first_sign_of_life_each_time() {
        let (breaker, asked) = (Arc::new(Breaker::default()), Arc::new(AtomicUsize::new(0)));
        let answers = Arc::clone(&asked);
        // Every third question is answered.
        let is_alive = move || std::future::ready(answers.fetch_add(1, Ordering::SeqCst) % 3 == 2);
        let mending = tokio::spawn(mend(Arc::clone(&breaker), is_alive));
        for round in 1..=2 {
            assert!(!breaker.is_open());
            breaker.open();
            assert!(breaker.is_open());
            while breaker.is_open() {
                tokio::time::sleep(FIRST_PAUSE).await;
            }
            assert_eq!(asked.load(Ordering::SeqCst), 3 * round);
        }
        mending.abort();
    }
}
