//! How a process stops: the first signal starts draining, the second one ends it at once.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tells all parts of a process to stop, and waits for the work that they have under way. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    work: TaskTracker,
}

/// How waiting for the work under way ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// All of it ended.
    Completely,
    /// So many tasks had not ended when the time was up.
    Left(usize),
}

impl Shutdown {
    /// A process that runs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts to listen for SIGTERM and SIGINT: the first one starts draining, the second one exits with 143 or 130.
    pub fn listen_for_signals(&self) -> io::Result<()> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let shutdown = self.clone();
        tokio::spawn(async move {
            let (name, _) = next(&mut terminate, &mut interrupt).await;
            tracing::info!(signal = name, "stopping: new work is refused, work under way is finished");
            shutdown.begin();
            let (name, code) = next(&mut terminate, &mut interrupt).await;
            tracing::warn!(signal = name, "stopping at once: work under way is left to others");
            std::process::exit(code);
        });
        Ok(())
    }

    /// Starts draining.
    pub fn begin(&self) {
        self.draining.cancel();
    }

    /// True once draining started.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Waits until draining starts.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// A token that is cancelled when draining starts. Cancelling it does not stop the process.
    pub fn token(&self) -> CancellationToken {
        self.draining.child_token()
    }

    /// Runs `work`, which [`wait_for_drain`](Self::wait_for_drain) waits for.
    pub fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.work.spawn(work)
    }

    /// Waits until draining has started and then, for at most `limit`, until all spawned work has ended.
    pub async fn wait_for_drain(&self, limit: Duration) -> Drained {
        self.draining().await;
        self.work.close();
        match tokio::time::timeout(limit, self.work.wait()).await {
            Ok(()) => Drained::Completely,
            Err(_) => Drained::Left(self.work.len()),
        }
    }
}

/// The next signal's name and the exit status that stands for it.
async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        _ = terminate.recv() => ("SIGTERM", 143),
        _ = interrupt.recv() => ("SIGINT", 130),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_under_way_is_waited_for_and_what_hangs_is_counted() {
        let shutdown = Shutdown::new();
        shutdown.spawn(tokio::time::sleep(Duration::from_secs(5)));
        shutdown.begin();
        assert_eq!(shutdown.wait_for_drain(Duration::from_secs(10)).await, Drained::Completely);

        let shutdown = Shutdown::new();
        shutdown.spawn(std::future::pending::<()>());
        shutdown.spawn(async {});
        shutdown.begin();
        assert_eq!(shutdown.wait_for_drain(Duration::from_secs(10)).await, Drained::Left(1));
    }

    #[tokio::test]
    async fn a_part_that_stops_by_itself_stops_nothing_else() {
        let shutdown = Shutdown::new();
        shutdown.token().cancel();
        assert!(!shutdown.is_draining());
        let token = shutdown.token();
        shutdown.begin();
        assert!(token.is_cancelled() && shutdown.is_draining());
    }
}
