//! Signals over pub/sub.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fred::clients::{Client, SubscriberClient};
use fred::interfaces::PubsubInterface;
use fred::types::Message;
use fred::types::config::Server;
use ortolan_domain::job::Attempt;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;

use super::connection::within;
use crate::signals::{Hub, Signal};
use crate::watchers::Watchers;

/// Where signals between services travel that everyone hears.
const SIGNALS: &str = "ortolan:signals";
/// Where changes of tasks travel.
const CHANGES: &str = "ortolan:changes";
/// Where the attempts travel whose results are there.
pub(super) const RESULTS: &str = "ortolan:results";
/// How many signals may wait to be published; what does not fit is lost.
const OUTGOING: usize = 4_096;
/// How many travel in one message.
const BATCH: usize = 256;
/// Least time between two rounds of messages of a process. Under load many signals share a message, as each wakes all who hear its
/// channel; a lone signal waits for nothing.
const PAUSE: Duration = Duration::from_millis(1);
/// Between the number of the process that speaks and its signals.
const SEPARATOR: u8 = b'\n';

/// Which frequent signals a process hears. Each message wakes everyone who hears it, and under load there are thousands a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hears {
    /// Changes of tasks, for those who follow tasks.
    pub changes: bool,
    /// That a result is there, for those who wait for results.
    pub results: bool,
}

impl Hears {
    /// All of them.
    pub const ALL: Self = Self { changes: true, results: true };
    /// None of them.
    pub const NONE: Self = Self { changes: false, results: false };

    fn channels(self) -> Vec<&'static str> {
        let frequent = [(self.changes, CHANGES), (self.results, RESULTS)];
        let frequent = frequent.into_iter().filter_map(|(is_heard, channel)| is_heard.then_some(channel));
        std::iter::once(SIGNALS).chain(frequent).collect()
    }
}

/// Where signals wait to be published.
pub(crate) struct Outbox {
    origin: u64,
    sender: mpsc::Sender<Signal>,
}

impl Outbox {
    pub(super) fn new() -> (Self, mpsc::Receiver<Signal>) {
        let (sender, outgoing) = mpsc::channel(OUTGOING);
        (Self { origin: rand::random(), sender }, outgoing)
    }

    /// The number by which this process knows its own signals again.
    pub(super) fn origin(&self) -> u64 {
        self.origin
    }

    /// Leaves a signal to be published; returns at once.
    pub(crate) fn publish(&self, signal: Signal) {
        if self.sender.try_send(signal).is_err() {
            metrics::counter!("ortolan_signals_lost_total").increment(1);
        }
    }
}

/// Publishes what is left in the outbox, for ever.
pub(super) async fn send(client: Client, origin: u64, mut outgoing: mpsc::Receiver<Signal>, limit: Duration) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut next = Instant::now();
    while let Some(first) = outgoing.recv().await {
        tokio::time::sleep_until(next).await;
        next = Instant::now() + PAUSE;
        batch.push(first);
        while batch.len() < BATCH
            && let Ok(another) = outgoing.try_recv()
        {
            batch.push(another);
        }
        let (changes, others): (Vec<_>, Vec<_>) =
            batch.drain(..).partition(|signal| matches!(signal, Signal::Changes(_)));
        for (channel, signals) in [(SIGNALS, others), (CHANGES, changes)] {
            if !signals.is_empty() {
                publish(&client, channel, origin, &signals, limit).await;
            }
        }
    }
}

async fn publish(client: &Client, channel: &str, origin: u64, signals: &[Signal], limit: Duration) {
    let count = signals.len() as u64;
    let published = client.publish::<(), _, _>(channel, written(origin, signals));
    if let Err(error) = within(limit, published).await {
        metrics::counter!("ortolan_signals_lost_total").increment(count);
        tracing::debug!(%error, count, channel, "signals were lost");
    }
}

/// A message: who speaks, then its signals.
fn written(origin: u64, signals: &[Signal]) -> Bytes {
    let mut message = origin.to_string().into_bytes();
    message.push(SEPARATOR);
    // Writing such values into memory cannot fail.
    drop(serde_json::to_writer(&mut message, signals));
    message.into()
}

/// The signals of a message, unless this process wrote it: it has heard of them already.
fn read(message: &[u8], origin: u64) -> Option<Vec<Signal>> {
    let mut parts = message.splitn(2, |byte| *byte == SEPARATOR);
    if parts.next()? == origin.to_string().as_bytes() {
        return None;
    }
    // Another version of the service may send what this one does not know.
    serde_json::from_slice(parts.next()?)
        .inspect_err(|error| tracing::debug!(%error, "a signal could not be read"))
        .ok()
}

/// Subscribes whenever the connection is there anew. Results may have come while it was not: those who wait look again.
pub(super) async fn subscribe(
    subscriber: SubscriberClient,
    hears: Hears,
    mut connections: broadcast::Receiver<Server>,
    limit: Duration,
    waiters: Arc<Watchers<Attempt, ()>>,
) {
    while !matches!(connections.recv().await, Err(RecvError::Closed)) {
        if let Err(error) = within(limit, subscriber.subscribe(hears.channels())).await {
            tracing::warn!(%error, "signals are missed until the next connection");
        }
        waiters.notify_all(());
    }
}

/// Passes on what comes in, for ever.
pub(super) async fn receive(
    mut messages: broadcast::Receiver<Message>,
    origin: u64,
    hub: Arc<Hub>,
    waiters: Arc<Watchers<Attempt, ()>>,
) {
    loop {
        match messages.recv().await {
            Ok(message) => pass_on(&message, origin, &hub, &waiters),
            Err(RecvError::Lagged(count)) => {
                metrics::counter!("ortolan_signals_lost_total").increment(count);
                waiters.notify_all(());
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn pass_on(message: &Message, origin: u64, hub: &Hub, waiters: &Watchers<Attempt, ()>) {
    let Some(text) = message.value.as_bytes() else { return };
    if message.channel == RESULTS {
        waiters.notify(serde_json::from_slice(text).ok().map(|attempt| (attempt, ())));
        return;
    }
    for signal in read(text, origin).unwrap_or_default() {
        hub.deliver(&signal);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ortolan_domain::route::QueueName;
    use ortolan_domain::{TaskId, TaskStatus, TenantId};

    use super::*;
    use crate::redis::{Redis, RedisSettings};
    use crate::results::Kept;
    use crate::signals::{Signals, TaskSignal};

    #[test]
    fn a_process_hears_the_others_and_not_itself() {
        let signals =
            vec![Signal::KeysChanged, Signal::Progress(Attempt { task_id: TaskId::generate(), attempt: 2 }, 0.5)];
        let message = written(7, &signals);
        assert_eq!(read(&message, 8), Some(signals));
        assert_eq!(read(&message, 7), None);
        for broken in [&b""[..], b"8", b"8\n", b"8\n[{\"tomorrow\":1}]", b"\xff\n[]x"] {
            assert_eq!(read(broken, 7), None, "{broken:?}");
        }
    }

    #[tokio::test]
    async fn a_result_wakes_the_waiter_in_another_process() {
        let url = std::env::var("ORTOLAN_TEST_REDIS_URL")
            .expect("ORTOLAN_TEST_REDIS_URL is not set: run the tests with `./dev test`, which starts a Redis server");
        let connect = || Redis::connect(RedisSettings::at(&url));
        let (here, there) = (connect().await.unwrap(), connect().await.unwrap());
        // The first signal may be that of the connection itself; the others can only be those of results.
        for round in 0..5 {
            let attempt = Attempt { task_id: TaskId::generate(), attempt: round };
            let mut watch = there.waiters().watch(attempt);
            let minute = Duration::from_secs(60);
            here.put_result(attempt, Bytes::new(), Kept { result: minute, done: minute }).await.unwrap();
            tokio::time::timeout(Duration::from_secs(30), watch.changed()).await.expect("no signal came");
        }
    }

    #[tokio::test]
    async fn only_who_wants_to_is_told_of_every_change() {
        let url = std::env::var("ORTOLAN_TEST_REDIS_URL")
            .expect("ORTOLAN_TEST_REDIS_URL is not set: run the tests with `./dev test`, which starts a Redis server");
        let connect = async |hears| {
            let redis = Redis::connect(RedisSettings { hears, ..RedisSettings::at(&url) }).await.unwrap();
            Signals::redis(&redis)
        };
        let (speaker, api, worker) = (
            connect(Hears::NONE).await,
            connect(Hears::ALL).await,
            connect(Hears { changes: false, results: true }).await,
        );
        let change = TaskSignal {
            attempt: Attempt { task_id: TaskId::generate(), attempt: 1 },
            tenant_id: TenantId::generate(),
            queue: QueueName::CpuJobs,
            status: TaskStatus::Running,
            version: 3,
        };
        let [mut followed, mut unheard] = [&api, &worker].map(|signals| signals.watch_task(change.attempt.task_id));
        let mut keys = worker.keys_changes();
        let told = async {
            assert_eq!(followed.changed().await, change);
            keys.recv().await.unwrap();
        };
        // Again and again, as what is said before they listen is lost.
        let speaking = async {
            loop {
                speaker.publish_changes(std::slice::from_ref(&change));
                speaker.publish_keys_changed();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            told = tokio::time::timeout(Duration::from_secs(30), told) => told.expect("signals come"),
            () = speaking => unreachable!(),
        }
        assert!(tokio::time::timeout(Duration::from_millis(50), unheard.changed()).await.is_err());
    }
}
