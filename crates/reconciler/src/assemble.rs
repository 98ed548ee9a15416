//! A reconciler as a process: put together out of the configuration.

use std::future::Future;
use std::time::Duration;

use anyhow::Result;
use ortolan_assembly::presence::{Presence, Who};
use ortolan_assembly::program::Process;
use ortolan_assembly::published::Publisher;
use ortolan_assembly::settings::max_crashes;
use ortolan_assembly::{Ports, Truth, storage};
use ortolan_blobs::Blobs;
use ortolan_results::Hears;
use ortolan_service::config::Config;
use tokio::signal::unix::{SignalKind, signal};

use crate::{OrphanSweep, Reconciler, ReconcilerParts, ReconcilerSettings};

/// What the register of processes calls it.
pub const SERVICE: &str = "reconciler";

/// Time between two quick passes, as a share of the lease.
const QUICK_PASSES_PER_LEASE: u32 = 3;
/// A delivery that has not been claimed for so long is looked for in the broker.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// Compares and repairs until the process is told to stop.
pub async fn serve(process: &Process) -> Result<()> {
    let Process { config, metrics, shutdown } = process;
    let (ports, blobs) = (Ports::shared(config, Hears::NONE).await?, storage::blobs(config)?);
    let truth = Truth::open(config, &ports, config.database.worker_max_connections, shutdown).await?;
    let Some(truth) = truth else { return Ok(()) };
    let reconciler = reconciler(config, &ports, &blobs, &truth);
    let ear = tokio::spawn(nudge_at_sighup(reconciler.clone())?);
    let who = Who { id: reconciler.id(), service: SERVICE, queues: String::new() };
    let presence = Presence::begin(&truth, &ports, who, Some(Publisher::new(&ports, metrics)), || 0);
    reconciler.run(shutdown.token()).await;
    presence.end().await;
    ear.abort();
    truth.stores.close().await;
    Ok(())
}

/// A reconciler.
pub fn reconciler(config: &Config, ports: &Ports, blobs: &Blobs, truth: &Truth) -> Reconciler {
    Reconciler::new(ReconcilerParts {
        id: ports.process_id(),
        tasks: truth.stores.tasks.clone(),
        processes: truth.stores.processes.clone(),
        predictions: truth.stores.predictions.clone(),
        quarantine: truth.stores.quarantine.clone(),
        queues: ports.queues.clone(),
        results: ports.results.clone(),
        signals: ports.signals.clone(),
        dispatcher: truth.dispatcher.clone(),
        orphans: Some(OrphanSweep::new(blobs.clone(), &truth.stores, config.reconcile.orphan_grace)),
        clock: ports.clock.clone(),
        settings: settings(config),
    })
}

/// Asks for a whole pass at each SIGHUP, until it is aborted.
fn nudge_at_sighup(reconciler: Reconciler) -> Result<impl Future<Output = ()>> {
    let mut hangups = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangups.recv().await.is_some() {
            reconciler.nudge();
        }
    })
}

fn settings(config: &Config) -> ReconcilerSettings {
    ReconcilerSettings {
        interval: config.reconcile.interval,
        quick_interval: config.worker.lease / QUICK_PASSES_PER_LEASE,
        lost_after: LOST_AFTER,
        long_running_after: config.reconcile.long_running,
        retention: config.retention.jobs,
        max_crashes: max_crashes(config),
    }
}
