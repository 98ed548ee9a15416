//! The three queues together.

use ortolan_domain::job::{Delivery, MlJob};
use ortolan_domain::route::QueueName;

use crate::error::QueueError;
use crate::queue::JobQueue;
use crate::remote::RedisConnection;

/// `gpu_jobs`, `cpu_jobs` and `ml_jobs`. Cheap to clone.
#[derive(Clone)]
pub struct Queues {
    /// Deliveries of tasks for workers beside an accelerator.
    pub gpu: JobQueue<Delivery>,
    /// Deliveries of tasks for the other workers.
    pub cpu: JobQueue<Delivery>,
    /// Inference that workers hand to the ML service.
    pub ml: JobQueue<MlJob>,
}

impl Queues {
    /// Queues inside of this process, empty.
    pub fn in_memory() -> Self {
        Self {
            gpu: JobQueue::in_memory(QueueName::GpuJobs),
            cpu: JobQueue::in_memory(QueueName::CpuJobs),
            ml: JobQueue::in_memory(QueueName::MlJobs),
        }
    }

    /// The queues on the Redis at `url`; fails only when that is no address.
    pub async fn redis(url: &str) -> Result<Self, QueueError> {
        Ok(Self::over(&RedisConnection::open(url).await?))
    }

    /// The queues over a connection to Redis.
    pub fn over(connection: &RedisConnection) -> Self {
        Self {
            gpu: JobQueue::redis(connection, QueueName::GpuJobs),
            cpu: JobQueue::redis(connection, QueueName::CpuJobs),
            ml: JobQueue::redis(connection, QueueName::MlJobs),
        }
    }

    /// The queue that carries tasks under this name. `ml_jobs` carries none (a route table refuses it), so it stands for
    /// `cpu_jobs` here.
    pub fn tasks(&self, name: QueueName) -> &JobQueue<Delivery> {
        match name {
            QueueName::GpuJobs => &self.gpu,
            QueueName::CpuJobs | QueueName::MlJobs => &self.cpu,
        }
    }
}
