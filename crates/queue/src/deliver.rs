//! The last step of a delivery: a place is taken before anything is fetched, and handed over with the job.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;
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

/// The service that apalis calls. It is ready only while it holds a free place, and apalis asks whether it is ready before
/// it fetches: so no more than that many deliveries are ever out, and nothing is fetched that cannot be handed over.
pub(crate) struct Handover<H, T> {
    queue: QueueName,
    slots: PollSemaphore,
    held: Option<OwnedSemaphorePermit>,
    handler: H,
    jobs: PhantomData<fn(T)>,
}

impl<H, T> Handover<H, T> {
    pub(crate) fn new(queue: QueueName, slots: Arc<Semaphore>, handler: H) -> Self {
        Self { queue, slots: PollSemaphore::new(slots), held: None, handler, jobs: PhantomData }
    }
}

impl<H: Fn(Delivered<T>), T> Service<Task<Payload<T>>> for Handover<H, T> {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.held.is_none() {
            self.held = std::task::ready!(self.slots.poll_acquire(cx));
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Payload<T>>) -> Self::Future {
        let id = task.task_id().map(ToString::to_string).unwrap_or_default();
        match (task.args, self.held.take()) {
            (Payload::Job(job), Some(slot)) => (self.handler)(Delivered { id, job, slot }),
            (Payload::Job(_), None) => {
                tracing::error!(queue = %self.queue, %id, "delivery without a place was dropped")
            }
            (Payload::Unreadable(reason), slot) => {
                self.held = slot;
                tracing::error!(queue = %self.queue, %id, reason, "delivery cannot be read and was dropped");
                metrics::counter!("ortolan_queue_unreadable_total", "queue" => self.queue.as_str()).increment(1);
            }
        }
        // Always Ok: the outcome of the work goes to the database, and apalis must neither retry nor end the worker.
        ready(Ok(()))
    }
}
