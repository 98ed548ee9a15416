//! The way to Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apalis_redis::Config;
use futures::FutureExt;
use ortolan_domain::route::QueueName;
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, Cmd, IntoConnectionInfo, Pipeline, RedisFuture, RedisResult, Value};

use crate::deliver::Fetched;
use crate::error::QueueError;

/// redis-rs gives up after 500 ms by default, and apalis ends a worker for it; a stall of seconds is ordinary.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3);
/// After so long without the kernel of the other side having taken what was sent, a connection is lost: a container that comes back to
/// its network has another address, and nobody answers to the old one. A response that is late does not end a connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// Few, because everything that uses the connection tries again by itself and should hear early that the broker is down.
const RETRIES: usize = 2;

/// How queues behave on Redis. The defaults are right unless something is being tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// Goes before the names of all keys and channels, so that installations can share a server.
    pub prefix: String,
    /// How often a worker shows that it lives.
    pub heartbeat_interval: Duration,
    /// After how many missed heartbeats its deliveries go to others.
    pub missed_heartbeats: usize,
    /// How often an idle worker looks for jobs in case a wake-up was lost.
    pub poll_interval: Duration,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            prefix: "ortolan".to_owned(),
            heartbeat_interval: Duration::from_secs(5),
            missed_heartbeats: 6,
            poll_interval: Duration::from_secs(1),
        }
    }
}

/// One connection for any number of queues. Cheap to clone. It is made when it is first used and made again when it is
/// lost, so a broker that is down keeps no service from starting.
#[derive(Clone)]
pub struct RedisConnection {
    pub(super) client: Client,
    pub(super) manager: ConnectionManager,
    pub(super) settings: RedisSettings,
}

impl RedisConnection {
    /// Takes the address, for instance `redis://127.0.0.1:6379/0` or `rediss://…` for TLS; fails only when it is none.
    pub async fn open(url: &str) -> Result<Self, QueueError> {
        Self::open_with(url, RedisSettings::default()).await
    }

    /// The same with other settings.
    pub async fn open_with(url: &str, settings: RedisSettings) -> Result<Self, QueueError> {
        let address = url.into_connection_info().map_err(QueueError::address)?;
        let tcp = TcpSettings::default().set_user_timeout(UNACKNOWLEDGED);
        let client = Client::open(address.set_tcp_settings(tcp)).map_err(QueueError::address)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_number_of_retries(RETRIES);
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config).map_err(QueueError::address)?;
        Ok(Self { client, manager, settings })
    }

    /// apalis' settings for a queue without the size of a batch, which is the consumer's. The braces keep its keys on one node where
    /// a proxy shards by hash tag.
    pub(super) fn config(&self, queue: QueueName) -> Config {
        Config::default()
            .queue(format!("{{{}:{queue}}}", self.settings.prefix))
            .lock_tasks(false)
            .emit_events(false)
            .persist_results(true)
            .heartbeat_interval(self.settings.heartbeat_interval)
            .missed_heartbeats(self.settings.missed_heartbeats)
    }

    /// The channel on which a push wakes the queue's consumers.
    pub(super) fn wake_channel(&self, queue: QueueName) -> String {
        format!("{}:wake:{queue}", self.settings.prefix)
    }
}

/// How many requests of a worker are under way.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    pub(super) fn is_zero(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }

    pub(super) fn begin(&self) -> Request {
        self.0.fetch_add(1, Ordering::SeqCst);
        Request(self.clone())
    }
}

/// One request that is under way.
pub(super) struct Request(InFlight);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A worker's connection, which lets its poll strategy see whether a request is under way, and its service how many jobs were fetched.
#[derive(Clone)]
pub(crate) struct ObservedConnection {
    manager: ConnectionManager,
    in_flight: InFlight,
    fetched: Fetched,
}

impl ObservedConnection {
    pub(super) fn new(manager: ConnectionManager, in_flight: InFlight, fetched: Fetched) -> Self {
        Self { manager, in_flight, fetched }
    }
}

/// How many jobs an answer brings. Of all that a worker asks, only a fetch is answered by two lists: the jobs and what is known of each.
fn jobs_in(answer: &RedisResult<Value>) -> usize {
    match answer {
        Ok(Value::Array(parts)) => match &parts[..] {
            [Value::Array(jobs), Value::Array(_)] => jobs.len(),
            _ => 0,
        },
        _ => 0,
    }
}

impl ConnectionLike for ObservedConnection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        let request = self.in_flight.begin();
        let answer = self.manager.req_packed_command(cmd);
        let fetched = self.fetched.clone();
        let seen = move |answer: &RedisResult<Value>| {
            fetched.add(jobs_in(answer));
            drop(request);
        };
        answer.inspect(seen).boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let request = self.in_flight.begin();
        let answer = self.manager.req_packed_commands(pipeline, offset, count);
        answer.inspect(move |_| drop(request)).boxed()
    }

    fn get_db(&self) -> i64 {
        self.manager.get_db()
    }
}
