//! A worker as a process: put together out of the configuration.

mod callbacks;

use anyhow::Result;
use ortolan_assembly::presence::{Presence, Who};
use ortolan_assembly::program::Process;
use ortolan_assembly::published::Publisher;
use ortolan_assembly::{Ports, Truth, storage};
use ortolan_results::Hears;
use ortolan_service::config::Config;

use crate::{Backoff, Worker, WorkerParts, WorkerSettings};

pub use callbacks::callbacks;

/// What the register of processes calls it.
pub const SERVICE: &str = "worker";

/// Runs wait for their results here.
const HEARS: Hears = Hears { changes: false, results: true };

/// Works off queues until the process is told to stop.
pub async fn serve(process: &Process) -> Result<()> {
    let Process { config, metrics, shutdown } = process;
    let ports = Ports::shared(config, HEARS).await?;
    let truth = Truth::open(config, &ports, config.database.worker_max_connections, shutdown).await?;
    let Some(truth) = truth else { return Ok(()) };
    let worker = worker(config, &ports, &truth);
    let callbacks = callbacks(config, &ports, &storage::blobs(config)?, &truth)?;
    let presence = presence(&worker, &ports, &truth, Some(Publisher::new(&ports, metrics)));
    let stop_callbacks = shutdown.token().child_token();
    let working = async {
        let outcome = worker.run(shutdown.token()).await;
        stop_callbacks.cancel();
        outcome
    };
    let (outcome, ()) = tokio::join!(working, callbacks.run(stop_callbacks.clone()));
    presence.end().await;
    truth.stores.close().await;
    Ok(outcome?)
}

/// A worker.
pub fn worker(config: &Config, ports: &Ports, truth: &Truth) -> Worker {
    Worker::new(WorkerParts {
        id: ports.process_id(),
        tasks: truth.stores.tasks.clone(),
        quarantine: truth.stores.quarantine.clone(),
        queues: ports.queues.clone(),
        results: ports.results.clone(),
        signals: ports.signals.clone(),
        clock: ports.clock.clone(),
        settings: settings(config),
    })
}

/// Says in the register of processes that the worker lives, and publishes its metrics unless somebody else shows them.
pub fn presence(worker: &Worker, ports: &Ports, truth: &Truth, publisher: Option<Publisher>) -> Presence {
    let queues: Vec<_> = worker.queues().iter().map(|queue| queue.as_str()).collect();
    let who = Who { id: worker.id(), service: SERVICE, queues: queues.join(",") };
    let counted = worker.clone();
    Presence::begin(truth, ports, who, publisher, move || counted.under_way() as u64)
}

fn settings(config: &Config) -> WorkerSettings {
    let worker = &config.worker;
    WorkerSettings {
        queues: worker.gpu_mode.queues().to_vec(),
        concurrency: worker.concurrency,
        lease: worker.lease,
        job_timeout: worker.job_timeout,
        soft_limit: worker.soft_limit,
        hard_limit: worker.hard_limit,
        max_tries: i32::try_from(worker.max_tries).unwrap_or(i32::MAX),
        backoff: Backoff { base: worker.retry_base, cap: worker.retry_cap },
        drain: config.server.drain_timeout,
    }
}
