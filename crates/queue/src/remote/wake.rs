//! Hears of pushes.

use std::io::ErrorKind::TimedOut;
use std::time::Duration;

use futures::StreamExt;
use redis::{Client, RedisResult};
use tokio::sync::mpsc;

/// How long the channel may be silent before the connection is asked whether it lives.
const SILENCE: Duration = Duration::from_secs(15);
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_secs(1);

/// Forwards what is published on `channel`, for ever. A lost connection is made again; the polls of the worker stand in for
/// what was missed meanwhile.
pub(super) async fn listen(client: Client, channel: String, wake: mpsc::Sender<()>) {
    loop {
        if let Err(error) = follow(&client, &channel, &wake).await {
            tracing::debug!(channel, %error, "wake-ups are missed until the connection is back");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow(client: &Client, channel: &str, wake: &mpsc::Sender<()>) -> RedisResult<()> {
    let (mut requests, mut messages) = in_time(client.get_async_pubsub()).await?.split();
    in_time(requests.subscribe(channel)).await?;
    // Something may have been pushed before the subscription held.
    let _ = wake.try_send(());
    loop {
        match tokio::time::timeout(SILENCE, messages.next()).await {
            // A full channel holds a signal already.
            Ok(Some(_)) => drop(wake.try_send(())),
            Ok(None) => return Ok(()),
            Err(_) => drop(in_time(requests.ping::<redis::Value>()).await?),
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    tokio::time::timeout(ANSWER_LIMIT, answer).await.unwrap_or_else(|_| Err(std::io::Error::from(TimedOut).into()))
}
