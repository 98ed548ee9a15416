//! The queue inside of one process, over apalis' `MemoryStorage`.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use apalis::prelude::Task;
use apalis::prelude::TaskBuilder;
use apalis::prelude::TaskId;
use apalis::prelude::{MemorySink, MemoryStorage, MemoryStorageError};
use futures::{Sink, StreamExt, stream};
use tokio::sync::Notify;

use crate::payload::Payload;

/// Jobs that wait, in the order in which they were pushed.
struct Waiting<T> {
    jobs: VecDeque<(String, T)>,
    ids: HashSet<String>,
}

/// The shared end of a queue. `MemoryStorage` by itself has one receiver, which dies with its worker; here every worker gets
/// a storage of its own over the same jobs.
pub(crate) struct MemoryQueue<T> {
    waiting: Mutex<Waiting<T>>,
    pushed: Notify,
}

impl<T: Send + Unpin + 'static> MemoryQueue<T> {
    pub(crate) fn new() -> Arc<Self> {
        let waiting = Waiting { jobs: VecDeque::new(), ids: HashSet::new() };
        Arc::new(Self { waiting: Mutex::new(waiting), pushed: Notify::new() })
    }

    /// Appends the jobs whose ids are not waiting yet; returns how many those were.
    pub(crate) fn push(&self, jobs: impl IntoIterator<Item = (String, T)>) -> usize {
        let mut waiting = self.lock();
        let before = waiting.jobs.len();
        for (id, job) in jobs {
            if waiting.ids.insert(id.clone()) {
                waiting.jobs.push_back((id, job));
            }
        }
        let accepted = waiting.jobs.len() - before;
        drop(waiting);
        if accepted > 0 {
            self.pushed.notify_one();
        }
        accepted
    }

    /// Which of these ids do not wait here.
    pub(crate) fn missing(&self, ids: &[String]) -> Vec<String> {
        let waiting = self.lock();
        ids.iter().filter(|id| !waiting.ids.contains(*id)).cloned().collect()
    }

    pub(crate) fn depth(&self) -> usize {
        self.lock().jobs.len()
    }

    pub(crate) fn peek(&self) -> Option<T>
    where
        T: Clone,
    {
        self.lock().jobs.front().map(|(_, job)| job.clone())
    }

    /// A storage for one worker.
    pub(crate) fn storage(self: &Arc<Self>) -> MemoryStorage<Payload<T>> {
        let intake: Box<dyn Sink<Task<Payload<T>>, Error = MemoryStorageError> + Send + Sync + Unpin> =
            Box::new(Intake(Arc::clone(self)));
        let jobs = stream::unfold(Arc::clone(self), |queue| async move { Some((queue.next().await, queue)) });
        MemoryStorage::new_with(MemorySink::new(Arc::new(futures::lock::Mutex::new(intake))), jobs.boxed())
    }

    /// Waits for the next job.
    async fn next(&self) -> Task<Payload<T>> {
        loop {
            // A notification that comes between a look at the queue and the wait is kept by `Notify`.
            let pushed = self.pushed.notified();
            if let Some((id, job)) = self.pop() {
                return TaskBuilder::new(Payload::Job(job)).task_id(TaskId::from_string(id)).build();
            }
            pushed.await;
        }
    }

    fn pop(&self) -> Option<(String, T)> {
        let mut waiting = self.lock();
        let (id, job) = waiting.jobs.pop_front()?;
        waiting.ids.remove(&id);
        if !waiting.jobs.is_empty() {
            // One notification stands for a whole push: each worker that takes a job passes it on to the next worker.
            self.pushed.notify_one();
        }
        Some((id, job))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way in that apalis sees. Closing it closes nothing: the queue outlives each of its workers.
struct Intake<T>(Arc<MemoryQueue<T>>);

impl<T: Send + Unpin + 'static> Sink<Task<Payload<T>>> for Intake<T> {
    type Error = MemoryStorageError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, task: Task<Payload<T>>) -> Result<(), Self::Error> {
        let id = task.task_id().map(ToString::to_string).unwrap_or_default();
        if let Payload::Job(job) = task.args {
            self.0.push([(id, job)]);
        }
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
}
