//! Workers and an ML service over a house, as an installation has them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ortolan_blobs::Blobs;
use ortolan_dispatch::Dispatcher;
use ortolan_domain::job::{Attempt, delivery_id};
use ortolan_domain::route::QueueName;
use ortolan_domain::{Task, TaskId, TaskStatus};
use ortolan_ml_service::{MlService, MlServiceParts, MlServiceSettings};
use ortolan_queue::{Consumer, Job, JobQueue, Queues, RedisConnection, RedisSettings};
use ortolan_results::{Number, Redis, ResultStore, Signals};
use ortolan_runner::{DevicePolicy, Isolation, RunnerPool, RunnerSettings};
use ortolan_worker::{Backoff, Worker, WorkerParts, WorkerSettings};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{House, LIMITS};

/// A house with queues and results.
pub struct Bench {
    /// The database.
    pub house: House,
    /// The queues.
    pub queues: Queues,
    /// The results.
    pub results: ResultStore,
    /// The signals.
    pub signals: Signals,
}

impl Bench {
    /// With queues and results inside of this process.
    pub async fn open() -> Result<Self> {
        let house = House::open().await?;
        let (queues, results) = (Queues::in_memory(), ResultStore::in_process(house.clock.clone()));
        Ok(Self { house, queues, results, signals: Signals::in_process() })
    }

    /// With queues and results on the Redis server for tests.
    pub async fn on_redis() -> Result<Self> {
        let house = House::open().await?;
        let redis = Redis::connect(ortolan_results::RedisSettings::at(redis_url()?)).await?;
        let queues = Queues::over(&redis_connection().await?);
        let results = ResultStore::redis(&redis, house.clock.clone());
        Ok(Self { house, queues, results, signals: Signals::redis(&redis) })
    }

    /// The dispatcher.
    pub fn dispatcher(&self) -> Dispatcher {
        Dispatcher::new(self.house.stores.tasks.clone(), self.queues.clone(), self.house.clock.clone(), LIMITS)
    }

    /// A worker, not yet running.
    pub fn worker(&self, id: &str, settings: WorkerSettings) -> Worker {
        Worker::new(WorkerParts {
            id: id.to_owned(),
            tasks: self.house.stores.tasks.clone(),
            quarantine: self.house.stores.quarantine.clone(),
            queues: self.queues.clone(),
            results: self.results.clone(),
            signals: self.signals.clone(),
            clock: self.house.clock.clone(),
            settings,
        })
    }

    /// Starts a worker.
    pub fn start_worker(&self, id: &str, settings: WorkerSettings) -> Running {
        let worker = self.worker(id, settings);
        Running::start(|stop| async move { drop(worker.run(stop).await) })
    }

    /// Starts the ML service, whose runners are `program`.
    pub async fn start_ml_service(&self, program: &str) -> Result<Running> {
        let folder = tempfile::tempdir()?;
        let service = ml_service(program, &folder, self.results.clone(), self.signals.clone()).await?;
        let queue = self.queues.ml.clone();
        Ok(Running::start(|stop| async move {
            drop(service.run(queue, stop).await);
            drop(folder);
        }))
    }

    /// Dispatches and delivers everything that is pending; gives how many there were.
    pub async fn dispatch_all(&self) -> Result<usize> {
        let dispatcher = self.dispatcher();
        let mut count = 0;
        for queue in QueueName::TASKS {
            count += dispatcher.dispatch_once(queue).await?;
        }
        Ok(count)
    }

    /// Delivers an attempt, as a broker would again.
    pub async fn push(&self, attempt: Attempt) -> Result<()> {
        let queue = self.house.task(attempt.task_id).await?.spec.queue;
        self.queues.tasks(queue).push(vec![(delivery_id(attempt), attempt)]).await?;
        Ok(())
    }

    /// Waits until a task has ended.
    pub async fn ended(&self, id: TaskId) -> Result<Task> {
        self.house.until(id, |task| task.status.is_terminal()).await
    }

    /// Waits until so many of these tasks run; gives those.
    pub async fn until_running(&self, ids: &[TaskId], count: usize) -> Result<Vec<Task>> {
        loop {
            let mut running = Vec::new();
            for id in ids {
                running.push(self.house.task(*id).await?);
            }
            running.retain(|task| task.status == TaskStatus::Running);
            if running.len() == count {
                return Ok(running);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// How many of these tasks have this status.
    pub async fn count(&self, ids: &[TaskId], status: TaskStatus) -> Result<usize> {
        let mut count = 0;
        for id in ids {
            count += usize::from(self.house.task(*id).await?.status == status);
        }
        Ok(count)
    }

    /// Waits until all queues are empty and no result waits to be fetched.
    pub async fn until_all_is_acknowledged(&self, ids: &[TaskId]) -> Result<()> {
        loop {
            let queues =
                [self.queues.gpu.depth().await?, self.queues.cpu.depth().await?, self.queues.ml.depth().await?];
            let waiting = self.results.waiting(100_000).await?;
            if queues == [0; 3] && !waiting.iter().any(|attempt| ids.contains(&attempt.task_id)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Something that runs until it is told to stop; forgotten when this is dropped.
pub struct Running {
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Running {
    fn start<F: Future<Output = ()> + Send + 'static>(run: impl FnOnce(CancellationToken) -> F) -> Self {
        let stop = CancellationToken::new();
        let ended = tokio::spawn(run(stop.clone()));
        Self { stop, ended }
    }

    /// Asks it to stop.
    pub fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    /// True when it has stopped.
    pub fn has_stopped(&self) -> bool {
        self.ended.is_finished()
    }

    /// Asks it to stop and waits for its end.
    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.ended.await.context("it ended badly")
    }
}

/// What a worker of a property does, unless it says otherwise.
pub fn worker_settings(concurrency: usize) -> WorkerSettings {
    WorkerSettings {
        queues: QueueName::TASKS.to_vec(),
        concurrency,
        lease: Duration::from_secs(30),
        job_timeout: Duration::from_secs(60),
        soft_limit: Duration::from_secs(60),
        hard_limit: Duration::from_secs(60),
        max_tries: 3,
        backoff: Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(1) },
        drain: Duration::from_secs(30),
    }
}

/// An ML service with its models in `folder`, which runs them all in one process of `program`.
pub async fn ml_service(program: &str, folder: &TempDir, results: ResultStore, signals: Signals) -> Result<MlService> {
    let library = std::env::var_os("ORT_DYLIB_PATH").context("ORT_DYLIB_PATH is not set; `./dev test` sets it")?;
    let settings = RunnerSettings {
        program: Some(program.into()),
        arguments: Vec::new(),
        isolation: Isolation::Shared,
        devices: DevicePolicy::Cpu,
        ..RunnerSettings::new(library.into())
    };
    let clock = ortolan_domain::SystemClock::shared();
    let parts = MlServiceParts {
        pool: RunnerPool::start(settings, clock.clone()).await?,
        blobs: Blobs::local(folder.path())?,
        results,
        signals,
        number: Number::fixed(0),
        clock,
        gpus: None,
        settings: MlServiceSettings {
            batching: ortolan_ml_service::BatchPolicy::OFF,
            concurrency: 2,
            most_jobs: 64,
            max_media_bytes: 1 << 20,
            max_model_bytes: 64 << 20,
            revalidate_models: None,
            drain: Duration::from_secs(30),
            question_timeout: Duration::from_secs(30),
            models_folder: None,
            isolation: "shared".to_owned(),
            runtime_version: String::new(),
            gpu_memory_limit_bytes: 0,
        },
    };
    Ok(MlService::new(parts)?)
}

/// Takes exactly `count` jobs out of a queue and sees that it is empty then.
pub async fn take_all<T: Job>(queue: &JobQueue<T>, count: usize) -> Result<Vec<(String, T)>> {
    let (sender, mut deliveries) = tokio::sync::mpsc::unbounded_channel();
    let (consumed, slots) = (queue.clone(), count + 10);
    let consuming = Running::start(|stop| async move {
        let consumer = Consumer { name: "property".to_owned(), slots };
        drop(consumed.consume(consumer, stop, move |delivered| drop(sender.send(delivered))).await);
    });
    let mut jobs = Vec::with_capacity(count);
    while jobs.len() < count {
        let delivered = deliveries.recv().await.context("the consumer ended")?;
        jobs.push((delivered.id, delivered.job));
    }
    ensure!(queue.depth().await? == 0, "there is more in the queue than was expected");
    consuming.stop().await?;
    ensure!(deliveries.recv().await.is_none(), "more was delivered than was expected");
    Ok(jobs)
}

/// Queues of a property's own on the Redis server for tests.
pub async fn redis_connection() -> Result<RedisConnection> {
    let prefix = format!("property-{}", TaskId::generate());
    let poll_interval = Duration::from_millis(200);
    let settings = RedisSettings { prefix, poll_interval, ..RedisSettings::default() };
    Ok(RedisConnection::open_with(&redis_url()?, settings).await?)
}

fn redis_url() -> Result<String> {
    std::env::var("ORTOLAN_TEST_REDIS_URL").context("ORTOLAN_TEST_REDIS_URL is not set; `./dev test` sets it")
}

/// The attempt that a claimed task is in.
pub fn attempt_of(task: &Task) -> Attempt {
    Attempt { task_id: task.spec.id, attempt: task.attempt }
}
