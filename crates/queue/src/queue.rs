//! One queue, whichever broker is behind it.

use std::sync::Arc;

use apalis::prelude::WorkerBuilder;
use apalis::prelude::WorkerContext;
use ortolan_domain::route::QueueName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::deliver::{Delivered, Handover};
use crate::error::QueueError;
use crate::memory::MemoryQueue;
use crate::remote::{RedisConnection, RedisQueue};
use crate::supervise::supervise;

/// What can travel through a queue.
pub trait Job: Serialize + DeserializeOwned + Clone + Send + Sync + Unpin + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + Unpin + 'static> Job for T {}

/// Who consumes, and how much at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// A name for people; workers are registered under it with something unique appended.
    pub name: String,
    /// At most this many deliveries are out at a time.
    pub slots: usize,
}

impl Consumer {
    /// How many jobs are fetched at a time where a fetch is a request: few enough that waiting for so many free places keeps hardly
    /// any of them idle.
    fn batch(&self) -> usize {
        (self.slots / 8).clamp(1, 32)
    }
}

/// A queue of jobs of type `T`. Cheap to clone.
pub struct JobQueue<T> {
    name: QueueName,
    broker: Broker<T>,
}

enum Broker<T> {
    Memory(Arc<MemoryQueue<T>>),
    Redis(Arc<RedisQueue>),
}

impl<T> Clone for JobQueue<T> {
    fn clone(&self) -> Self {
        let broker = match &self.broker {
            Broker::Memory(queue) => Broker::Memory(Arc::clone(queue)),
            Broker::Redis(queue) => Broker::Redis(Arc::clone(queue)),
        };
        Self { name: self.name, broker }
    }
}

impl<T: Job> JobQueue<T> {
    /// A queue inside of this process, empty.
    pub fn in_memory(name: QueueName) -> Self {
        Self { name, broker: Broker::Memory(MemoryQueue::new()) }
    }

    /// The queue of that name on Redis.
    pub fn redis(connection: &RedisConnection, name: QueueName) -> Self {
        Self { name, broker: Broker::Redis(Arc::new(RedisQueue::new(connection, name))) }
    }

    /// Its name.
    pub fn name(&self) -> QueueName {
        self.name
    }

    /// Appends jobs under their ids and wakes consumers. A job whose id is queued already is dropped. Returns how many were
    /// accepted; after an error, some may have been.
    pub async fn push(&self, jobs: Vec<(String, T)>) -> Result<usize, QueueError> {
        match &self.broker {
            Broker::Memory(queue) => Ok(queue.push(jobs)),
            Broker::Redis(queue) => queue.push(jobs).await,
        }
    }

    /// The same for a single job. Those that are pushed while a request is under way share the next one.
    pub async fn push_one(&self, id: String, job: T) -> Result<(), QueueError> {
        match &self.broker {
            Broker::Memory(queue) => {
                queue.push(vec![(id, job)]);
                Ok(())
            }
            Broker::Redis(queue) => queue.push_one(id, job).await,
        }
    }

    /// Hands each delivery to `handler` until `stop`. At least once: a delivery may come again after a crash or a lost
    /// connection. A place out of `consumer.slots` is taken before anything is fetched and goes with the delivery, so that
    /// what cannot be worked on stays in the broker. The handler must return at once; it spawns the work. A broker that
    /// fails is tried again, with pauses, for as long as it takes; the only error is a consumer without slots.
    pub async fn consume<H>(&self, consumer: Consumer, stop: CancellationToken, handler: H) -> Result<(), QueueError>
    where
        H: Fn(Delivered<T>) + Send + Sync + Clone + 'static,
    {
        if consumer.slots == 0 {
            return Err(QueueError::NoSlots(consumer.name));
        }
        let slots = Arc::new(Semaphore::new(consumer.slots));
        let handover = |batch| Handover::<H, T>::new(self.name, Arc::clone(&slots), batch, handler.clone());
        match &self.broker {
            Broker::Memory(queue) => {
                let start = |context: WorkerContext| {
                    let worker = WorkerBuilder::new(&context).backend(queue.storage());
                    worker.build::<_, Handover<H, T>, _>(handover(1)).run()
                };
                supervise(self.name, &consumer.name, &stop, start).await;
            }
            Broker::Redis(queue) => {
                let start = |context| queue.work(context, handover(consumer.batch()));
                supervise(self.name, &consumer.name, &stop, start).await;
            }
        }
        Ok(())
    }

    /// How many jobs wait to be delivered.
    pub async fn depth(&self) -> Result<u64, QueueError> {
        match &self.broker {
            Broker::Memory(queue) => Ok(queue.depth() as u64),
            Broker::Redis(queue) => queue.depth().await,
        }
    }

    /// The job that has waited longest, which is the next to be delivered; it is not taken. None when nothing waits, or nothing that
    /// can be read.
    pub async fn peek(&self) -> Result<Option<T>, QueueError> {
        match &self.broker {
            Broker::Memory(queue) => Ok(queue.peek()),
            Broker::Redis(queue) => queue.peek().await,
        }
    }

    /// Which of these ids do not wait in the broker: it never had them, lost them, or gave them to a consumer, which takes
    /// them in within moments unless it is gone.
    pub async fn missing(&self, ids: &[String]) -> Result<Vec<String>, QueueError> {
        match &self.broker {
            Broker::Memory(queue) => Ok(queue.missing(ids)),
            Broker::Redis(queue) => queue.missing(ids).await,
        }
    }

    /// Asks the broker for a sign of life.
    pub async fn ping(&self) -> Result<(), QueueError> {
        match &self.broker {
            Broker::Memory(_) => Ok(()),
            Broker::Redis(queue) => queue.ping().await,
        }
    }

    /// Removes what delivered jobs and dead workers leave behind in the broker; returns how many things were removed.
    pub async fn clean(&self) -> Result<u64, QueueError> {
        match &self.broker {
            Broker::Memory(_) => Ok(0),
            Broker::Redis(queue) => queue.clean().await,
        }
    }
}
