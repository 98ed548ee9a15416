//! The way to Redis.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::Builder;
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, UnresponsiveConfig};
use ortolan_domain::job::Attempt;
use tokio::task::JoinSet;

use super::signals::{self, Outbox};
use crate::ResultsError;
use crate::signals::Hub;
use crate::watchers::Watchers;

/// How long anyone waits for an answer.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// After this long without an answer a connection counts as lost.
const UNRESPONSIVE: Duration = Duration::from_secs(10);
const FIRST_RECONNECT_MS: u32 = 100;
const LONGEST_RECONNECT_MS: u32 = 2_000;
/// How many messages may wait between the socket and the one task that reads them.
const INBOUND: usize = 4_096;

/// The clients that results, signals and caches share. Cheap to clone.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    client: Client,
    hub: Arc<Hub>,
    waiters: Arc<Watchers<Attempt, ()>>,
    outbox: Outbox,
    /// End with the last clone.
    _background: JoinSet<()>,
}

impl Redis {
    /// Takes the address, for instance `redis://127.0.0.1:6379/0` or `rediss://…` for TLS, and connects in the background;
    /// fails only when it is no address.
    pub async fn connect(url: &str) -> Result<Self, ResultsError> {
        // Refused when the service has chosen its provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = builder(url)?;
        let client = builder.build().map_err(ResultsError::Address)?;
        let subscriber = builder.build_subscriber_client().map_err(ResultsError::Address)?;
        let (hub, waiters, (outbox, outgoing)) = (Hub::new(), Watchers::new(), Outbox::new());
        let mut background = JoinSet::new();
        // Both listen before there is a connection, so that they miss nothing of it.
        let (connections, messages) = (subscriber.reconnect_rx(), subscriber.message_rx());
        background.spawn(signals::subscribe(subscriber.clone(), connections, Arc::clone(&waiters)));
        background.spawn(signals::receive(messages, outbox.origin(), Arc::clone(&hub), Arc::clone(&waiters)));
        background.spawn(signals::send(client.clone(), outgoing));
        background.spawn(stay_connected(client.clone()));
        background.spawn(stay_connected(subscriber));
        Ok(Self(Arc::new(Inner { client, hub, waiters, outbox, _background: background })))
    }

    /// Asks the server for a sign of life.
    pub async fn ping(&self) -> Result<(), ResultsError> {
        in_time(self.client().ping(None)).await.map_err(ResultsError::store("answer"))
    }

    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    pub(crate) fn waiters(&self) -> &Arc<Watchers<Attempt, ()>> {
        &self.0.waiters
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }
}

fn builder(url: &str) -> Result<Builder, ResultsError> {
    let config = Config { fail_fast: false, ..Config::from_url(url).map_err(ResultsError::Address)? };
    let mut builder = Builder::from_config(config);
    builder
        .set_policy(ReconnectPolicy::new_exponential(0, FIRST_RECONNECT_MS, LONGEST_RECONNECT_MS, 2))
        .set_performance_config(PerformanceConfig {
            default_command_timeout: ANSWER_LIMIT,
            broadcast_channel_capacity: INBOUND,
            ..PerformanceConfig::default()
        })
        .set_connection_config(ConnectionConfig {
            connection_timeout: ANSWER_LIMIT,
            internal_command_timeout: ANSWER_LIMIT,
            unresponsive: UnresponsiveConfig { max_timeout: Some(UNRESPONSIVE), ..UnresponsiveConfig::default() },
            ..ConnectionConfig::default()
        });
    Ok(builder)
}

/// Runs a client's connection until it is dropped, and closes it then.
async fn stay_connected<C: ClientLike>(client: C) {
    let _connection = tokio_util::task::AbortOnDropHandle::new(client.connect());
    std::future::pending().await
}

/// Waits for an answer, but not longer than [`ANSWER_LIMIT`].
pub(super) async fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Err(Error::new(ErrorKind::Timeout, "no answer in time"));
    tokio::time::timeout(ANSWER_LIMIT, answer).await.unwrap_or_else(late)
}
