//! What the tests of the queue share.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::ops::Range;
use std::time::Duration;

use ortolan_domain::route::QueueName;
use ortolan_queue::{Consumer, Delivered, JobQueue, RedisConnection, RedisSettings};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Waits for something that must come; a guard against hanging, not a measurement.
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("nothing came")
}

/// The address of a Redis server for tests, with the number of a database.
pub fn redis_url(database: u8) -> String {
    let base = std::env::var("ORTOLAN_TEST_REDIS_URL")
        .expect("ORTOLAN_TEST_REDIS_URL is not set: run the tests with `./dev test`, which starts a Redis server");
    let server = base.trim_end_matches('/').rsplit_once('/').filter(|(_, last)| last.parse::<u8>().is_ok());
    format!("{}/{database}", server.map_or(base.trim_end_matches('/'), |(server, _)| server))
}

const HOUR: Duration = Duration::from_secs(3_600);

/// Settings that keep a test to itself, and let nothing but signals wake a consumer: a heartbeat would, too.
pub fn settings(test: &str) -> RedisSettings {
    let prefix = format!("test-{test}-{}", ortolan_domain::TaskId::generate());
    RedisSettings { prefix, poll_interval: HOUR, heartbeat_interval: HOUR, missed_heartbeats: 2 }
}

/// A queue of its own on the test server.
pub async fn redis_queue(test: &str) -> JobQueue<u32> {
    let connection = RedisConnection::open_with(&redis_url(0), settings(test)).await.unwrap();
    JobQueue::redis(&connection, QueueName::CpuJobs)
}

/// Jobs that are their own numbers.
pub fn jobs(numbers: Range<u32>) -> Vec<(String, u32)> {
    numbers.map(|number| (format!("job-{number:06}"), number)).collect()
}

/// A consumer that puts its deliveries where a test can take them.
pub struct Inbox {
    deliveries: mpsc::UnboundedReceiver<Delivered<u32>>,
    consuming: JoinHandle<()>,
    stop: CancellationToken,
}

impl Inbox {
    pub fn open(queue: &JobQueue<u32>, slots: usize) -> Self {
        let (sender, deliveries) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let (queue, token) = (queue.clone(), stop.clone());
        let consuming = tokio::spawn(async move {
            let consumer = Consumer { name: "inbox".to_owned(), slots };
            let deliver = move |delivered| drop(sender.send(delivered));
            queue.consume(consumer, token, deliver).await.unwrap();
        });
        Self { deliveries, consuming, stop }
    }

    /// The next delivery, which keeps its place until it is dropped.
    pub async fn next(&mut self) -> Delivered<u32> {
        within(self.deliveries.recv()).await.expect("the consumer ended")
    }

    /// The jobs of the next `count` deliveries.
    pub async fn take(&mut self, count: usize) -> Vec<u32> {
        let mut jobs = Vec::with_capacity(count);
        while jobs.len() < count {
            jobs.push(self.next().await.job);
        }
        jobs
    }

    /// True when nothing came while others had time to work.
    pub async fn is_empty_for_now(&mut self) -> bool {
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.deliveries.is_empty()
    }

    /// Stops the consumer and waits for its end.
    pub async fn close(self) {
        self.stop.cancel();
        within(self.consuming).await.unwrap();
    }
}
