//! When an idle worker looks for jobs.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use apalis::prelude::{PollSnapshot, PollStrategy};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};

use super::connection::InFlight;

/// Wakes a worker at each signal and at each tick.
///
/// apalis' own strategies fall asleep when they fire while a fetch is under way: the fetch may have looked before the job
/// was there, and nobody looks again. This one keeps its timer and its channel armed at all times, and remembers a signal
/// until a fetch has begun after it.
pub(crate) struct AlwaysArmed {
    signals: mpsc::Receiver<()>,
    tick: Interval,
    in_flight: InFlight,
    wanted: bool,
    waker: Option<Waker>,
}

impl AlwaysArmed {
    pub(super) fn new(signals: mpsc::Receiver<()>, interval: Duration, in_flight: InFlight) -> Self {
        let mut tick = tokio::time::interval(interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { signals, tick, in_flight, wanted: false, waker: None }
    }
}

impl PollStrategy for AlwaysArmed {
    /// Called right before the worker fetches, or waits on for the fetch that is under way.
    fn poll_drive(&mut self, cx: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        // Each is polled until it is pending: only then will it wake the worker again.
        while self.tick.poll_tick(cx).is_ready() {
            self.wanted = true;
        }
        while let Poll::Ready(Some(())) = self.signals.poll_recv(cx) {
            self.wanted = true;
        }
        if self.in_flight.is_zero() {
            self.wanted = false;
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Called right after. A signal that came during a fetch that has now ended asks for another one.
    fn on_poll(&mut self, _: &PollSnapshot) {
        if let Some(waker) = self.waker.as_ref().filter(|_| self.wanted && self.in_flight.is_zero()) {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Woken {
        fn take(&self) -> usize {
            self.0.swap(0, Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn a_signal_during_a_fetch_is_not_lost() {
        let (sender, signals) = mpsc::channel(1);
        let in_flight = InFlight::default();
        let mut strategy = AlwaysArmed::new(signals, HOUR, in_flight.clone());
        let woken = Arc::new(Woken::default());
        let (waker, snapshot) = (Waker::from(Arc::clone(&woken)), PollSnapshot::new());
        let mut cx = Context::from_waker(&waker);

        let _ = strategy.poll_drive(&mut cx, &snapshot);
        let fetch = in_flight.begin();
        strategy.on_poll(&snapshot);
        woken.take();

        sender.try_send(()).unwrap();
        assert_eq!(woken.take(), 1, "the channel is armed");
        let _ = strategy.poll_drive(&mut cx, &snapshot);
        strategy.on_poll(&snapshot);
        assert_eq!(woken.take(), 0, "no spinning while the fetch is under way");

        let _ = strategy.poll_drive(&mut cx, &snapshot);
        drop(fetch);
        strategy.on_poll(&snapshot);
        assert_eq!(woken.take(), 1, "the fetch ended and another one is due");

        let _ = strategy.poll_drive(&mut cx, &snapshot);
        let fetch = in_flight.begin();
        strategy.on_poll(&snapshot);
        drop(fetch);
        strategy.on_poll(&snapshot);
        assert_eq!(woken.take(), 0, "that one began after the signal");
    }
}
