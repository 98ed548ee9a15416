//! Signals over pub/sub.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, SubscriberClient};
use fred::interfaces::PubsubInterface;
use fred::types::Message;
use fred::types::config::Server;
use ortolan_domain::job::Attempt;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};

use super::connection::within;
use crate::signals::{Hub, Signal};
use crate::watchers::Watchers;

/// Where signals between services travel.
const SIGNALS: &str = "ortolan:signals";
/// Where the attempts travel whose results are there.
pub(super) const RESULTS: &str = "ortolan:results";
/// How many signals may wait to be published; what does not fit is lost.
const OUTGOING: usize = 4_096;
/// How many are published in one go.
const BATCH: usize = 64;

/// A signal, and the process it comes from, which has heard of it already.
#[derive(Serialize, Deserialize)]
struct Envelope {
    origin: u64,
    signal: Signal,
}

/// Where signals wait to be published.
pub(crate) struct Outbox {
    origin: u64,
    sender: mpsc::Sender<String>,
}

impl Outbox {
    pub(super) fn new() -> (Self, mpsc::Receiver<String>) {
        let (sender, outgoing) = mpsc::channel(OUTGOING);
        (Self { origin: rand::random(), sender }, outgoing)
    }

    /// The number by which this process knows its own signals again.
    pub(super) fn origin(&self) -> u64 {
        self.origin
    }

    /// Leaves a signal to be published; returns at once.
    pub(crate) fn publish(&self, signal: Signal) {
        let envelope = serde_json::to_string(&Envelope { origin: self.origin, signal });
        if envelope.is_ok_and(|text| self.sender.try_send(text).is_err()) {
            metrics::counter!("ortolan_signals_lost_total").increment(1);
        }
    }
}

/// Publishes what is left in the outbox, for ever.
pub(super) async fn send(client: Client, mut outgoing: mpsc::Receiver<String>, limit: Duration) {
    let mut batch = Vec::with_capacity(BATCH);
    while outgoing.recv_many(&mut batch, BATCH).await > 0 {
        let count = batch.len() as u64;
        if let Err(error) = publish_all(&client, &mut batch, limit).await {
            metrics::counter!("ortolan_signals_lost_total").increment(count);
            tracing::debug!(%error, count, "signals were lost");
        }
    }
}

async fn publish_all(client: &Client, batch: &mut Vec<String>, limit: Duration) -> Result<(), fred::error::Error> {
    let pipeline = client.pipeline();
    for text in batch.drain(..) {
        let _: () = pipeline.publish(SIGNALS, text).await?;
    }
    within(limit, pipeline.last()).await
}

/// Subscribes whenever the connection is there anew. Results may have come while it was not: those who wait look again.
pub(super) async fn subscribe(
    subscriber: SubscriberClient,
    mut connections: broadcast::Receiver<Server>,
    limit: Duration,
    waiters: Arc<Watchers<Attempt, ()>>,
) {
    while !matches!(connections.recv().await, Err(RecvError::Closed)) {
        if let Err(error) = within(limit, subscriber.subscribe(vec![SIGNALS, RESULTS])).await {
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
    match serde_json::from_slice::<Envelope>(text) {
        Ok(envelope) if envelope.origin == origin => {}
        Ok(envelope) => hub.deliver(&envelope.signal),
        // Another version of the service may send what this one does not know.
        Err(error) => tracing::debug!(%error, "a signal could not be read"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use bytes::Bytes;
    use ortolan_domain::TaskId;

    use crate::redis::{Redis, RedisSettings};
    use crate::results::Kept;

    #[tokio::test]
    async fn a_result_wakes_the_waiter_in_another_process() {
        let url = std::env::var("ORTOLAN_TEST_REDIS_URL")
            .expect("ORTOLAN_TEST_REDIS_URL is not set: run the tests with `./dev test`, which starts a Redis server");
        let connect = || Redis::connect(RedisSettings::at(&url));
        let (here, there) = (connect().await.unwrap(), connect().await.unwrap());
        // The first signal may be that of the connection itself; the others can only be those of results.
        for round in 0..5 {
            let attempt = ortolan_domain::job::Attempt { task_id: TaskId::generate(), attempt: round };
            let mut watch = there.waiters().watch(attempt);
            let minute = Duration::from_secs(60);
            here.put_result(attempt, Bytes::new(), Kept { result: minute, done: minute }).await.unwrap();
            tokio::time::timeout(Duration::from_secs(30), watch.changed()).await.expect("no signal came");
        }
    }
}
