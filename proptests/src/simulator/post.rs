//! The post: takes everything out of a real queue at once and keeps it until the script says what becomes of it.

use anyhow::{Context, Result};
use ortolan_queue::{Consumer, Delivered, Job, JobQueue};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const MARK: &str = "mark";

/// One queue's post.
pub(super) struct Post<T> {
    queue: JobQueue<T>,
    arrivals: mpsc::UnboundedReceiver<Delivered<T>>,
    /// Pushed behind everything else, to see when all of it has come.
    mark: T,
    _stop: tokio_util::sync::DropGuard,
}

impl<T: Job> Post<T> {
    /// Starts to consume a queue; `mark` is a job that means nothing.
    pub(super) fn open(queue: &JobQueue<T>, mark: T) -> Self {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let (consumed, stopped) = (queue.clone(), stop.clone());
        tokio::spawn(async move {
            let consumer = Consumer { name: "post".to_owned(), slots: 1_000 };
            consumed.consume(consumer, stopped, move |delivered| drop(sender.send(delivered))).await
        });
        Self { queue: queue.clone(), arrivals, mark, _stop: stop.drop_guard() }
    }

    /// Everything that was pushed since the last time, in order.
    pub(super) async fn collect(&mut self) -> Result<Vec<T>> {
        self.queue.push(vec![(MARK.to_owned(), self.mark.clone())]).await?;
        let mut letters = Vec::new();
        loop {
            let delivered = self.arrivals.recv().await.context("the post has closed")?;
            if delivered.id == MARK {
                return Ok(letters);
            }
            letters.push(delivered.job);
        }
    }
}
