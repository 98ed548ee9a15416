//! The way to Redis.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, Pool};
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::Builder;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, TcpConfig, UnresponsiveConfig,
};
use ortolan_domain::job::Attempt;
use tokio::task::JoinSet;

use super::breaker::{Breaker, mend};
use super::signals::{self, Hears, Outbox};
use crate::ResultsError;
use crate::signals::Hub;
use crate::watchers::Watchers;

/// After this long without an answer a connection counts as lost.
const UNRESPONSIVE: Duration = Duration::from_secs(10);
/// After so long without the kernel of the other side having taken what was sent, a connection is lost: a container that comes back to
/// its network has another address, and nobody answers to the old one. [`UNRESPONSIVE`] alone does not see it, as it counts from
/// the latest request.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
const FIRST_RECONNECT_MS: u32 = 100;
const LONGEST_RECONNECT_MS: u32 = 2_000;
/// How many messages may wait between the socket and the one task that reads them.
const INBOUND: usize = 4_096;

/// How Redis is used.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// Its address, for instance `redis://127.0.0.1:6379/0` or `rediss://…` for TLS.
    pub url: String,
    /// How long anyone waits for a connection or an answer.
    pub answer_limit: Duration,
    /// Connections of this process, one of them for hearing signals; at least two.
    pub connections: usize,
    /// Begin of every key of the cache.
    pub cache_prefix: String,
    /// Which signals this process hears.
    pub hears: Hears,
}

impl RedisSettings {
    /// The usual ones for an address.
    pub fn at(url: impl Into<String>) -> Self {
        let (answer_limit, cache_prefix) = (Duration::from_secs(2), "ortolan:".to_owned());
        Self { url: url.into(), answer_limit, connections: 10, cache_prefix, hears: Hears::ALL }
    }
}

/// The clients that results, signals and caches share. Cheap to clone.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    settings: RedisSettings,
    pool: Pool,
    breaker: Arc<Breaker>,
    hub: Arc<Hub>,
    waiters: Arc<Watchers<Attempt, ()>>,
    outbox: Outbox,
    /// End with the last clone.
    _background: JoinSet<()>,
}

impl Redis {
    /// Connects in the background and for ever; fails only when the address is none.
    pub async fn connect(settings: RedisSettings) -> Result<Self, ResultsError> {
        // Refused when the service has chosen its provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let limit = settings.answer_limit;
        let builder = builder(&settings)?;
        let pool = builder.build_pool(settings.connections.max(2) - 1).map_err(ResultsError::Address)?;
        let subscriber = builder.build_subscriber_client().map_err(ResultsError::Address)?;
        let (hub, waiters, (outbox, outgoing)) = (Hub::new(), Watchers::new(), Outbox::new());
        let breaker = Arc::new(Breaker::default());
        let mut background = JoinSet::new();
        // Both listen before there is a connection, so that they miss nothing of it.
        let (connections, messages) = (subscriber.reconnect_rx(), subscriber.message_rx());
        background.spawn(signals::subscribe(
            subscriber.clone(),
            settings.hears,
            connections,
            limit,
            Arc::clone(&waiters),
        ));
        background.spawn(signals::receive(messages, outbox.origin(), Arc::clone(&hub), Arc::clone(&waiters)));
        background.spawn(signals::send(pool.next().clone(), outbox.origin(), outgoing, limit));
        let asked = pool.clone();
        background.spawn(mend(Arc::clone(&breaker), move || is_alive(asked.clone(), limit)));
        for client in pool.clients() {
            background.spawn(stay_connected(client.clone()));
        }
        background.spawn(stay_connected(subscriber));
        background.spawn(tell_of_connection(pool.next().clone()));
        Ok(Self(Arc::new(Inner { settings, pool, breaker, hub, waiters, outbox, _background: background })))
    }

    /// Asks the server for a sign of life.
    pub async fn ping(&self) -> Result<(), ResultsError> {
        self.in_time(self.client().ping(None)).await.map_err(ResultsError::store("answer"))
    }

    /// Waits for an answer, but not longer than anyone may.
    ///
    /// A command of fred's is a future of some twenty kilobytes. On the heap it takes them while Redis is asked; as a part of this
    /// future it would make every one that may ask Redis, each request of the API among them, as large at all times.
    pub(super) fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> impl Future<Output = Result<T, Error>> {
        within(self.0.settings.answer_limit, Box::pin(answer))
    }

    pub(super) fn settings(&self) -> &RedisSettings {
        &self.0.settings
    }

    pub(super) fn breaker(&self) -> &Breaker {
        &self.0.breaker
    }

    /// A connected client, if there is any.
    pub(super) fn client(&self) -> &Client {
        self.0.pool.next_connected()
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

fn builder(settings: &RedisSettings) -> Result<Builder, ResultsError> {
    let (url, limit) = (&settings.url, settings.answer_limit);
    let config = Config { fail_fast: false, ..Config::from_url(url).map_err(ResultsError::Address)? };
    let mut builder = Builder::from_config(config);
    builder
        .set_policy(ReconnectPolicy::new_exponential(0, FIRST_RECONNECT_MS, LONGEST_RECONNECT_MS, 2))
        .set_performance_config(PerformanceConfig {
            default_command_timeout: limit,
            broadcast_channel_capacity: INBOUND,
            ..PerformanceConfig::default()
        })
        .set_connection_config(ConnectionConfig {
            connection_timeout: limit,
            internal_command_timeout: limit,
            tcp: TcpConfig { user_timeout: Some(UNACKNOWLEDGED), ..TcpConfig::default() },
            unresponsive: UnresponsiveConfig { max_timeout: Some(UNRESPONSIVE), ..UnresponsiveConfig::default() },
            ..ConnectionConfig::default()
        });
    Ok(builder)
}

impl Drop for Inner {
    fn drop(&mut self) {
        tracing::info!("Redis connection closed");
    }
}

/// Says once that the server was reached.
async fn tell_of_connection(client: Client) {
    if client.wait_for_connect().await.is_ok() {
        tracing::info!("Redis connection established");
    }
}

/// Runs a client's connection until it is dropped, and closes it then.
async fn stay_connected<C: ClientLike>(client: C) {
    let _connection = tokio_util::task::AbortOnDropHandle::new(client.connect());
    std::future::pending().await
}

/// Asks a connected client for a sign of life.
async fn is_alive(pool: Pool, limit: Duration) -> bool {
    let client = pool.next_connected();
    client.is_connected() && within(limit, client.ping::<()>(None)).await.is_ok()
}

/// Waits for an answer, but not longer than `limit`.
pub(super) async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Err(Error::new(ErrorKind::Timeout, "no answer in time"));
    tokio::time::timeout(limit, answer).await.unwrap_or_else(late)
}
