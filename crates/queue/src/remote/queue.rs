//! One queue on Redis.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apalis::prelude::BackendExt;
use apalis::prelude::WorkerBuilder;
use apalis::prelude::WorkerContext;
use apalis::prelude::WorkerError;
use apalis_core::backend::ext::poll_strategy::PollWith;
use apalis_core::backend::ext::with_codec::WithCodec;
use apalis_redis::{Config, RedisStorage};
use ortolan_domain::route::QueueName;
use redis::AsyncCommands;
use redis::aio::ConnectionManager;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::connection::{InFlight, ObservedConnection, RedisConnection};
use super::poll::AlwaysArmed;
use super::push::{PushLane, Pusher, encode};
use super::scripts::{DROP_GHOSTS, FORGET, MISSING, RETIRE};
use super::{BATCH, wake};
use crate::deliver::{Delivered, Handover};
use crate::error::QueueError;
use crate::payload::{ForgivingJson, Payload};
use crate::queue::Job;

type Storage<T> = PollWith<WithCodec<RedisStorage<Payload<T>, ObservedConnection>, ForgivingJson>, AlwaysArmed>;

/// A queue on Redis.
pub(crate) struct RedisQueue {
    connection: RedisConnection,
    config: Config,
    pusher: Pusher,
    lane: PushLane,
}

impl RedisQueue {
    pub(crate) fn new(connection: &RedisConnection, name: QueueName) -> Self {
        let (config, wake_channel) = (connection.config(name), connection.wake_channel(name));
        let pusher = Pusher { manager: connection.manager.clone(), config: config.clone(), wake_channel };
        Self { connection: connection.clone(), config, lane: PushLane::start(pusher.clone()), pusher }
    }

    /// Pushes in batches and wakes consumers after each; returns how many ids were new.
    pub(crate) async fn push<T: Job>(&self, jobs: Vec<(String, T)>) -> Result<usize, QueueError> {
        self.pusher.push(&jobs.into_iter().map(encode).collect::<Result<Vec<_>, _>>()?).await
    }

    /// Pushes with what else is pushed one at a time.
    pub(crate) async fn push_one<T: Job>(&self, id: String, job: T) -> Result<(), QueueError> {
        self.lane.push(encode((id, job))?).await
    }

    /// Runs one worker to its end.
    pub(crate) async fn work<T, H>(&self, context: WorkerContext, handover: Handover<H, T>) -> Result<(), WorkerError>
    where
        T: Job,
        H: Fn(Delivered<T>) + Send + Sync + Clone + 'static,
    {
        // A push that died half-way leaves jobs behind that nobody promoted.
        let prepared = async { tokio::try_join!(self.pusher.promote_all(), self.enrol(context.name())) };
        prepared.await.map_err(|error| WorkerError::BackendError(error.into()))?;
        let (wake, signals) = mpsc::channel(1);
        let listener = wake::listen(self.connection.client.clone(), self.pusher.wake_channel.clone(), wake);
        let _listener = AbortOnDropHandle::new(tokio::spawn(listener));
        let storage = self.storage(signals, &handover);
        let worker = WorkerBuilder::new(&context).backend(storage).build::<_, Handover<H, T>, _>(handover);
        let ended = worker.run().await;
        if let Err(error) = self.retire(context.name()).await {
            tracing::debug!(worker = context.name(), %error, "worker could not be struck off; it will be once it is overdue");
        }
        ended
    }

    fn storage<T: Job, H>(&self, signals: mpsc::Receiver<()>, handover: &Handover<H, T>) -> Storage<T>
    where
        H: Fn(Delivered<T>),
    {
        let in_flight = InFlight::default();
        let connection = ObservedConnection::new(self.manager(), in_flight.clone(), handover.fetched());
        RedisStorage::new(connection)
            .with_config(self.config.clone().batch_size(handover.batch()))
            .with_codec(ForgivingJson)
            .poll_with_strategy(AlwaysArmed::new(signals, self.connection.settings.poll_interval, in_flight))
    }

    pub(crate) async fn depth(&self) -> Result<u64, QueueError> {
        let depths: Result<(u64, u64), _> = redis::pipe()
            .llen(self.config.active_jobs_list())
            .zcard(self.config.scheduled_jobs_set())
            .query_async(&mut self.manager())
            .await;
        let (active, scheduled) = depths.map_err(QueueError::redis("count jobs"))?;
        Ok(active + scheduled)
    }

    pub(crate) async fn peek<T: Job>(&self) -> Result<Option<T>, QueueError> {
        let look = async {
            let next: Option<String> = self.manager().lindex(self.config.active_jobs_list(), 0).await?;
            let Some(id) = next else { return Ok(None) };
            self.manager().hget::<_, _, Option<Vec<u8>>>(self.config.job_data_hash(), id).await
        };
        let bytes = look.await.map_err(QueueError::redis("look for the next job"))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(crate) async fn missing(&self, ids: &[String]) -> Result<Vec<String>, QueueError> {
        let mut missing = Vec::new();
        for batch in ids.chunks(BATCH) {
            let mut look = MISSING.key(self.config.active_jobs_list());
            let look = look.key(self.config.scheduled_jobs_set()).arg(batch);
            let found = look.invoke_async::<Vec<String>>(&mut self.manager()).await;
            missing.extend(found.map_err(QueueError::redis("look for jobs"))?);
        }
        Ok(missing)
    }

    pub(crate) async fn ping(&self) -> Result<(), QueueError> {
        self.manager().ping().await.map_err(QueueError::redis("answer"))
    }

    /// Removes what finished jobs and dead workers leave behind; puts back what dead workers had fetched.
    pub(crate) async fn clean(&self) -> Result<u64, QueueError> {
        let failed = || QueueError::redis("clean up");
        self.pusher.promote_all().await.map_err(failed())?;
        let mut removed = self.drop_ghosts().await.map_err(failed())?;
        for finished in [self.config.done_jobs_set(), self.config.dead_jobs_set()] {
            removed += self.forget(&finished).await.map_err(failed())?;
        }
        for worker in self.dead_workers().await.map_err(failed())? {
            self.retire(&worker).await.map_err(failed())?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Remembers a worker's name: apalis forgets those it takes for dead, and leaves their metadata behind.
    async fn enrol(&self, worker: &str) -> redis::RedisResult<()> {
        self.manager().zadd(self.roll(), worker, unix_seconds()).await
    }

    async fn retire(&self, worker: &str) -> redis::RedisResult<u64> {
        let context = WorkerContext::new(worker);
        RETIRE
            .key(self.config.workers_set())
            .key(self.config.inflight_set_for(&context))
            .key(self.config.active_jobs_list())
            .key(self.config.job_data_hash())
            .key(self.config.worker_metadata_key(&context))
            .key(self.roll())
            .arg(worker)
            .arg(self.config.job_meta_hash())
            .invoke_async(&mut self.manager())
            .await
    }

    async fn forget(&self, finished: &str) -> redis::RedisResult<u64> {
        let mut forgotten = 0;
        loop {
            let mut forget = FORGET.key(finished);
            let forget = forget.key(self.config.job_data_hash()).arg(self.config.job_meta_hash()).arg(BATCH);
            match forget.invoke_async::<u64>(&mut self.manager()).await? {
                0 => return Ok(forgotten),
                count => forgotten += count,
            }
        }
    }

    async fn drop_ghosts(&self) -> redis::RedisResult<u64> {
        let mut drop_ghosts = DROP_GHOSTS.key(self.config.active_jobs_list());
        let drop_ghosts = drop_ghosts.key(self.config.job_data_hash()).arg(self.config.job_meta_hash()).arg(BATCH);
        drop_ghosts.invoke_async(&mut self.manager()).await
    }

    /// Workers that are overdue, and older ones that apalis has taken for dead already.
    async fn dead_workers(&self) -> redis::RedisResult<Vec<String>> {
        let mut manager = self.manager();
        let overdue = unix_seconds().saturating_sub(self.config.orphaned_duration().as_secs());
        let mut dead: Vec<String> = manager.zrangebyscore(self.config.workers_set(), 0, overdue).await?;
        let enrolled: Vec<String> = manager.zrangebyscore(self.roll(), 0, overdue).await?;
        for worker in enrolled {
            let heartbeat: Option<f64> = manager.zscore(self.config.workers_set(), &worker).await?;
            if heartbeat.is_none() {
                dead.push(worker);
            }
        }
        Ok(dead)
    }

    /// The key of the names of all workers by their start, until they are struck off.
    fn roll(&self) -> String {
        format!("{}:roll", self.config.queue)
    }

    fn manager(&self) -> ConnectionManager {
        self.connection.manager.clone()
    }
}

/// Seconds since 1970, as apalis counts heartbeats.
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
