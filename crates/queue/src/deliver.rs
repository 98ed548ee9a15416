//! The last step of a delivery: a place is taken before anything is fetched, and handed over with the job.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use apalis::prelude::Task;
use ortolan_domain::route::QueueName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;
use tower::Service;

use crate::payload::Payload;

/// A job that came out of a queue, and the place it takes.
#[derive(Debug)]
pub struct Delivered<T> {
    /// The id it was pushed with.
    pub id: String,
    /// The job.
    pub job: T,
    /// Its place among the consumer's slots; dropping it makes room for the next delivery.
    pub slot: OwnedSemaphorePermit,
}

/// How many fetched jobs have not been handed over yet. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fetched(Arc<AtomicUsize>);

impl Fetched {
    pub(crate) fn add(&self, jobs: usize) {
        self.0.fetch_add(jobs, Ordering::SeqCst);
    }

    fn is_zero(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }

    fn take_one(&self) {
        // A broker without batches counts nothing.
        let _none_were_counted = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1));
    }
}

/// The service that apalis calls. Before a fetch it is ready only while it holds a free place for each job that the fetch may bring, and
/// apalis asks whether it is ready before it fetches: so no more deliveries are ever out than there are places, and nothing is fetched that
/// cannot be handed over at once. (Jobs that wait in apalis' buffer would keep it from showing that the worker lives.)
pub(crate) struct Handover<H, T> {
    queue: QueueName,
    slots: PollSemaphore,
    batch: usize,
    held: Vec<OwnedSemaphorePermit>,
    fetched: Fetched,
    handler: H,
    jobs: PhantomData<fn(T)>,
}

impl<H, T> Handover<H, T> {
    /// A service whose backend fetches no more than `batch` jobs at a time.
    pub(crate) fn new(queue: QueueName, slots: Arc<Semaphore>, batch: usize, handler: H) -> Self {
        let held = Vec::with_capacity(batch);
        let slots = PollSemaphore::new(slots);
        Self { queue, slots, batch, held, fetched: Fetched::default(), handler, jobs: PhantomData }
    }

    /// The most jobs that a fetch may bring.
    pub(crate) fn batch(&self) -> usize {
        self.batch
    }

    /// Where the backend counts what it fetched.
    pub(crate) fn fetched(&self) -> Fetched {
        self.fetched.clone()
    }
}

impl<H: Fn(Delivered<T>), T> Service<Task<Payload<T>>> for Handover<H, T> {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        while self.held.len() < self.batch {
            match self.slots.poll_acquire(cx) {
                Poll::Ready(Some(slot)) => self.held.push(slot),
                // Closed: never, as the consumer holds the semaphore.
                Poll::Ready(None) => break,
                // What is fetched already has its places.
                Poll::Pending if self.fetched.is_zero() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Payload<T>>) -> Self::Future {
        let id = task.task_id().map(ToString::to_string).unwrap_or_default();
        self.fetched.take_one();
        match (task.args, self.held.pop()) {
            (Payload::Job(job), Some(slot)) => (self.handler)(Delivered { id, job, slot }),
            (Payload::Job(_), None) => {
                tracing::error!(queue = %self.queue, %id, "delivery without a place was dropped")
            }
            (Payload::Unreadable(reason), slot) => {
                self.held.extend(slot);
                tracing::error!(queue = %self.queue, %id, reason, "delivery cannot be read and was dropped");
                metrics::counter!("ortolan_queue_unreadable_total", "queue" => self.queue.as_str()).increment(1);
            }
        }
        // Always Ok: the outcome of the work goes to the database, and apalis must neither retry nor end the worker.
        ready(Ok(()))
    }
}
