//! Which queue a task goes to, and which queues a worker takes from.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::task::TaskType;

/// The three queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueName {
    /// Tasks for workers beside an accelerator.
    GpuJobs,
    /// Tasks for the other workers.
    CpuJobs,
    /// Inference that workers hand to the ML service.
    MlJobs,
}

impl QueueName {
    /// The queues that tasks are dispatched to.
    pub const TASKS: [Self; 2] = [Self::GpuJobs, Self::CpuJobs];

    /// The name in the broker and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GpuJobs => "gpu_jobs",
            Self::CpuJobs => "cpu_jobs",
            Self::MlJobs => "ml_jobs",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::GpuJobs, Self::CpuJobs, Self::MlJobs].into_iter().find(|queue| queue.as_str() == text)
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which queue each type of task goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RouteTable(BTreeMap<TaskType, QueueName>);

impl Default for RouteTable {
    fn default() -> Self {
        let queue = |kind| {
            if matches!(kind, TaskType::Inference | TaskType::Noop) { QueueName::CpuJobs } else { QueueName::GpuJobs }
        };
        Self(TaskType::ALL.into_iter().map(|kind| (kind, queue(kind))).collect())
    }
}

/// A route that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tasks of type {0} cannot be routed to {1}: only gpu_jobs and cpu_jobs carry tasks")]
pub struct BadRoute(pub TaskType, pub QueueName);

impl RouteTable {
    /// The default table with some types sent elsewhere.
    pub fn with(overrides: &BTreeMap<TaskType, QueueName>) -> Result<Self, BadRoute> {
        let mut table = Self::default();
        for (kind, queue) in overrides {
            if !QueueName::TASKS.contains(queue) {
                return Err(BadRoute(*kind, *queue));
            }
            table.0.insert(*kind, *queue);
        }
        Ok(table)
    }

    /// The queue of a task; its own wish (`use_gpu` in its configuration) goes before the table.
    pub fn queue(&self, kind: TaskType, use_gpu: Option<bool>) -> QueueName {
        match use_gpu {
            Some(true) => QueueName::GpuJobs,
            Some(false) => QueueName::CpuJobs,
            None => self.0.get(&kind).copied().unwrap_or(QueueName::CpuJobs),
        }
    }
}

/// What a worker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GpuMode {
    /// Only `gpu_jobs`.
    Gpu,
    /// Only `cpu_jobs`.
    Cpu,
    /// Both.
    #[default]
    Auto,
}

impl GpuMode {
    /// The queues that a worker consumes. What its own machine has does not matter: it only waits for ML services, which run models on
    /// whatever they find. A worker in mode `auto` that left `gpu_jobs` to others would let tasks wait for ever where there is no GPU.
    pub fn queues(self) -> &'static [QueueName] {
        match self {
            Self::Gpu => &[QueueName::GpuJobs],
            Self::Cpu => &[QueueName::CpuJobs],
            Self::Auto => &QueueName::TASKS,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cpu_worker_never_takes_gpu_jobs() {
        assert_eq!(GpuMode::Cpu.queues(), [QueueName::CpuJobs]);
        assert_eq!(GpuMode::Gpu.queues(), [QueueName::GpuJobs]);
        assert_eq!(GpuMode::Auto.queues(), QueueName::TASKS);
    }

    #[test]
    fn a_wish_goes_before_the_table_and_ml_jobs_carries_no_tasks() {
        let table = RouteTable::with(&[(TaskType::Classification, QueueName::CpuJobs)].into()).unwrap();
        assert_eq!(table.queue(TaskType::Classification, None), QueueName::CpuJobs);
        assert_eq!(table.queue(TaskType::Classification, Some(true)), QueueName::GpuJobs);
        assert_eq!(table.queue(TaskType::ObjectDetection, None), QueueName::GpuJobs);
        assert!(RouteTable::with(&[(TaskType::Noop, QueueName::MlJobs)].into()).is_err());
    }
}
