//! Waiting for a task to change: woken by signals, and looking by itself from time to time in case one is lost.

use std::time::Duration;

use ortolan_domain::{Task, TaskId, TaskStatus, TenantId};
use ortolan_results::TaskWatch;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use crate::error::ApiError;
use crate::state::ApiState;

/// A client's view of one task, which takes one of the places for waiting clients.
pub struct Watcher {
    state: ApiState,
    tenant: TenantId,
    task: TaskId,
    signals: TaskWatch,
    _place: OwnedSemaphorePermit,
}

/// Why a watcher stops waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// The task has this status now.
    Changed(TaskStatus),
    /// No signal came for a while; the task may have changed all the same.
    Look,
    /// The time is up, or the service stops.
    TimeUp,
}

impl Watcher {
    /// Watches from now on: what is read after this misses no change.
    pub fn new(state: &ApiState, tenant: TenantId, task: TaskId) -> Result<Self, ApiError> {
        let place = state.limits.watcher()?;
        let signals = state.signals.watch_task(task);
        Ok(Self { state: state.clone(), tenant, task, signals, _place: place })
    }

    /// The task as it is now.
    pub async fn look(&self) -> Result<Option<Task>, ApiError> {
        Ok(self.state.stores.tasks.get(self.tenant, self.task).await?)
    }

    /// Waits for the end of a task that had not ended when the watch began, for at most `wait`; returns it as it is then.
    /// What a signal says already is not read again.
    pub async fn ended(mut self, wait: Duration) -> Result<Option<Task>, ApiError> {
        let until = Instant::now() + wait;
        loop {
            let woken = self.woken(Some(until)).await;
            if matches!(woken, Woken::Changed(status) if !status.is_terminal()) {
                continue;
            }
            let task = self.look().await?;
            if woken == Woken::TimeUp || task.as_ref().is_none_or(|task| task.status.is_terminal()) {
                return Ok(task);
            }
        }
    }

    /// Waits until something is heard of the task, at most until then.
    pub async fn woken(&mut self, until: Option<Instant>) -> Woken {
        let next_look = Instant::now() + self.state.settings().watch_interval;
        let turn = until.map_or(next_look, |until| until.min(next_look));
        tokio::select! {
            () = self.state.stop.cancelled() => Woken::TimeUp,
            signal = self.signals.changed() => Woken::Changed(signal.status),
            () = sleep_until(turn) => if until == Some(turn) { Woken::TimeUp } else { Woken::Look },
        }
    }
}

/// Waits for the end of a task for at most `wait`; returns it as it is then, or `None` when the tenant has no such task.
pub async fn wait_until_ended(
    state: &ApiState,
    tenant: TenantId,
    task: TaskId,
    wait: Duration,
) -> Result<Option<Task>, ApiError> {
    let watcher = Watcher::new(state, tenant, task)?;
    match watcher.look().await? {
        Some(task) if !task.status.is_terminal() => watcher.ended(wait).await,
        other => Ok(other),
    }
}
