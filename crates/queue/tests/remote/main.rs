//! Probes for what is known to break in apalis-redis 1.0: each holds the queue to going on regardless.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

use std::sync::mpsc as blocking;
use std::time::Duration;

use ortolan_domain::route::QueueName;
use ortolan_queue::{Consumer, Delivered, JobQueue, RedisConnection, RedisSettings};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use support::{Inbox, jobs, redis_url, settings, within};
use tokio_util::sync::CancellationToken;

/// A queue of its own, and a connection to look behind it.
struct Bench {
    connection: RedisConnection,
    queue: JobQueue<u32>,
    raw: MultiplexedConnection,
    prefix: String,
}

impl Bench {
    async fn new(test: &str, database: u8) -> Self {
        let settings = RedisSettings { heartbeat_interval: Duration::from_secs(1), ..settings(test) };
        let prefix = settings.prefix.clone();
        let connection = RedisConnection::open_with(&redis_url(database), settings).await.unwrap();
        let queue = JobQueue::redis(&connection, QueueName::CpuJobs);
        let client = redis::Client::open(redis_url(database)).unwrap();
        let raw = client.get_multiplexed_async_connection().await.unwrap();
        Self { connection, queue, raw, prefix }
    }

    fn key(&self, suffix: &str) -> String {
        format!("{{{}:cpu_jobs}}:{suffix}", self.prefix)
    }

    /// All keys of the queue but one, a list of one element that stays for ever.
    async fn keys(&mut self) -> Vec<String> {
        let mut keys: Vec<String> = self.raw.keys(self.key("*")).await.unwrap();
        keys.retain(|key| *key != self.key("signal"));
        keys.sort();
        keys
    }
}

#[tokio::test]
async fn a_job_that_cannot_be_read_is_dropped_and_the_queue_goes_on() {
    let bench = Bench::new("unreadable", 0).await;
    let words = JobQueue::<String>::redis(&bench.connection, QueueName::CpuJobs);
    words.push(vec![("word".to_owned(), "not a number".to_owned())]).await.unwrap();
    bench.queue.push(jobs(0..3)).await.unwrap();
    let mut inbox = Inbox::open(&bench.queue, 1);
    assert_eq!(inbox.take(3).await, [0, 1, 2]);
    inbox.close().await;
    assert_eq!(bench.queue.depth().await.unwrap(), 0);
}

#[tokio::test]
async fn ten_thousand_jobs_that_are_due_do_not_wedge_the_queue() {
    let mut bench = Bench::new("backlog", 0).await;
    assert_eq!(bench.queue.push(jobs(0..10_000)).await.unwrap(), 10_000);
    // As if the pusher had died before it promoted any of them: this is where apalis' own fetch fails for good.
    let ids: Vec<String> = bench.raw.lrange(bench.key("active"), 0, -1).await.unwrap();
    let scores: Vec<(i64, String)> = ids.into_iter().map(|id| (1, id)).collect();
    let _: () = bench.raw.del(bench.key("active")).await.unwrap();
    let _: () = bench.raw.zadd_multiple(bench.key("scheduled"), &scores).await.unwrap();
    let mut inbox = Inbox::open(&bench.queue, 64);
    let mut seen = inbox.take(10_000).await;
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 10_000);
    inbox.close().await;
}

#[tokio::test]
async fn what_a_killed_consumer_had_not_acknowledged_comes_again() {
    let mut bench = Bench::new("killed", 0).await;
    bench.queue.push(jobs(0..1)).await.unwrap();
    let (entered, delivered) = blocking::channel::<u32>();
    let (_never, release) = blocking::channel::<()>();
    let release = std::sync::Arc::new(std::sync::Mutex::new(release));
    let settings =
        RedisSettings { prefix: bench.prefix.clone(), heartbeat_interval: Duration::from_secs(1), ..settings("") };
    let victim = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    victim.spawn(async move {
        let connection = RedisConnection::open_with(&redis_url(0), settings).await.unwrap();
        let queue = JobQueue::<u32>::redis(&connection, QueueName::CpuJobs);
        let handler = move |delivery: Delivered<u32>| {
            entered.send(delivery.job).unwrap();
            let _ = release.lock().unwrap().recv();
        };
        let consumer = Consumer { name: "victim".to_owned(), slots: 1 };
        queue.consume(consumer, CancellationToken::new(), handler).await.unwrap();
    });
    let held = tokio::task::spawn_blocking(move || delivered.recv().unwrap());
    assert_eq!(within(held).await.unwrap(), 0);
    // Its only thread sits in the handler: no acknowledgement, no heartbeat, no farewell.
    victim.shutdown_background();

    let mut inbox = Inbox::open(&bench.queue, 1);
    bench.queue.push(jobs(1..2)).await.unwrap();
    assert_eq!(inbox.take(2).await, [1, 0], "the queue goes on at once, and the lost delivery follows");
    inbox.close().await;
    assert!(bench.keys().await.iter().any(|key| key.contains("victim")));
    bench.queue.clean().await.unwrap();
    assert_eq!(bench.keys().await, Vec::<String>::new(), "nothing is left of jobs or workers");
}

#[tokio::test]
async fn losing_all_of_redis_leaves_the_consumer_alive() {
    let mut bench = Bench::new("flush", 5).await;
    let mut inbox = Inbox::open(&bench.queue, 2);
    bench.queue.push(jobs(0..2)).await.unwrap();
    let held = (inbox.next().await, inbox.next().await);
    let _: () = redis::cmd("FLUSHDB").query_async(&mut bench.raw).await.unwrap();
    drop(held);
    bench.queue.push(jobs(2..4)).await.unwrap();
    let mut seen = inbox.take(2).await;
    seen.sort_unstable();
    assert_eq!(seen, [2, 3]);
    inbox.close().await;
}

#[tokio::test]
async fn losing_every_connection_is_survived() {
    let mut bench = Bench::new("kill", 6).await;
    let mut inbox = Inbox::open(&bench.queue, 1);
    bench.queue.push(jobs(0..1)).await.unwrap();
    inbox.take(1).await;
    let own: i64 = redis::cmd("CLIENT").arg("ID").query_async(&mut bench.raw).await.unwrap();
    let clients: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut bench.raw).await.unwrap();
    let others: Vec<&str> = clients
        .lines()
        .filter(|line| line.contains(" db=6 "))
        .filter_map(|line| line.strip_prefix("id=")?.split(' ').next())
        .filter(|id| *id != own.to_string())
        .collect();
    assert!(others.len() >= 2, "one for commands and one for signals: {clients}");
    for id in others {
        let _: i64 = redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query_async(&mut bench.raw).await.unwrap();
    }
    // The first request after that may be the one that finds the connection gone.
    while bench.queue.push(jobs(1..2)).await.is_err() {}
    assert_eq!(inbox.take(1).await, [1]);
    inbox.close().await;
}

#[tokio::test]
async fn an_id_without_a_job_does_not_stop_the_queue() {
    let mut bench = Bench::new("ghost", 0).await;
    let _: () = bench.raw.rpush(bench.key("active"), "ghost").await.unwrap();
    let mut inbox = Inbox::open(&bench.queue, 1);
    bench.queue.push(jobs(0..2)).await.unwrap();
    assert_eq!(inbox.take(2).await, [0, 1]);
    inbox.close().await;
    assert_eq!(bench.queue.depth().await.unwrap(), 0, "it does not come back for the next worker");
    let _: () = bench.raw.rpush(bench.key("active"), "ghost").await.unwrap();
    bench.queue.clean().await.unwrap();
    assert_eq!(bench.queue.depth().await.unwrap(), 0);
}

#[tokio::test]
async fn cleaning_leaves_nothing_of_what_is_finished_and_all_of_what_is_not() {
    let mut bench = Bench::new("clean", 0).await;
    let mut inbox = Inbox::open(&bench.queue, 8);
    bench.queue.push(jobs(0..1_200)).await.unwrap();
    inbox.take(1_200).await;
    inbox.close().await;
    bench.queue.push(jobs(5_000..5_003)).await.unwrap();
    assert!(bench.queue.clean().await.unwrap() >= 1_200);
    let metas = (5_000..5_003).map(|number| bench.key(&format!("meta:job-{number:06}")));
    let left: Vec<String> = [bench.key("active"), bench.key("data")].into_iter().chain(metas).collect();
    assert_eq!(bench.keys().await, left);

    let mut inbox = Inbox::open(&bench.queue, 1);
    assert_eq!(inbox.take(3).await, [5_000, 5_001, 5_002]);
    inbox.close().await;
    bench.queue.clean().await.unwrap();
    assert_eq!(bench.queue.push(jobs(0..1)).await.unwrap(), 1, "a finished id may come again");
}
