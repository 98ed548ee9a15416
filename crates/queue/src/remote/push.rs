//! Pushing: many jobs in one request, also where callers bring them one at a time.

use apalis::prelude::{TaskBuilder, TaskId};
use apalis_redis::{Config, RedisTask, queries};
use redis::aio::ConnectionManager;
use tokio::sync::{mpsc, oneshot};

use super::BATCH;
use super::scripts::PROMOTE;
use crate::error::QueueError;
use crate::queue::Job;

/// How many single jobs may wait for the next request before their callers have to wait to be let in.
const WAITING: usize = 4_096;

/// Puts jobs into one queue. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pusher {
    pub(super) manager: ConnectionManager,
    pub(super) config: Config,
    pub(super) wake_channel: String,
}

impl Pusher {
    /// Pushes in batches and wakes consumers after each; returns how many ids were new.
    pub(super) async fn push(&self, tasks: &[RedisTask]) -> Result<usize, QueueError> {
        let mut manager = self.manager.clone();
        let mut accepted = 0;
        for batch in tasks.chunks(BATCH) {
            // Redis serves one connection in the order in which it is asked, so the second need not wait for the first's answer.
            let (pushed, promoted) = tokio::join!(
                queries::push_tasks(&mut manager, &self.config, batch),
                self.promote_some(&self.wake_channel)
            );
            let (active, scheduled) = pushed.map_err(QueueError::broker("push"))?;
            accepted += (active + scheduled) as usize;
            // Fewer when others took ours along, and when the push came after, because Redis had to be told its script first.
            if promoted.map_err(QueueError::redis("push"))? < scheduled as usize {
                self.promote(&self.wake_channel).await.map_err(QueueError::redis("push"))?;
            }
        }
        Ok(accepted)
    }

    /// Moves what waits in the scheduled set to where consumers look, without waking any.
    pub(super) async fn promote_all(&self) -> redis::RedisResult<()> {
        self.promote("").await
    }

    async fn promote(&self, wake_channel: &str) -> redis::RedisResult<()> {
        while self.promote_some(wake_channel).await? == BATCH {}
        Ok(())
    }

    /// Moves as many as one script may; says how many those were.
    async fn promote_some(&self, wake_channel: &str) -> redis::RedisResult<usize> {
        let mut promote = PROMOTE.key(self.config.scheduled_jobs_set());
        let promote = promote.key(self.config.active_jobs_list()).arg(BATCH).arg(wake_channel);
        promote.invoke_async(&mut self.manager.clone()).await
    }
}

/// Where single jobs wait while a request is under way, to share the next one.
pub(super) struct PushLane(mpsc::Sender<Waiting>);

type Waiting = (RedisTask, oneshot::Sender<Result<(), QueueError>>);

impl PushLane {
    /// Starts a lane that ends when it is dropped.
    pub(super) fn start(pusher: Pusher) -> Self {
        let (inbox, waiting) = mpsc::channel(WAITING);
        tokio::spawn(serve(waiting, pusher));
        Self(inbox)
    }

    /// Pushes a job with those that wait; it is pushed even if the caller stops waiting.
    pub(super) async fn push(&self, task: RedisTask) -> Result<(), QueueError> {
        let (answer, answered) = oneshot::channel();
        self.0.send((task, answer)).await.map_err(|_| QueueError::Closed)?;
        answered.await.map_err(|_| QueueError::Closed)?
    }
}

async fn serve(mut inbox: mpsc::Receiver<Waiting>, pusher: Pusher) {
    let mut waiting = Vec::with_capacity(BATCH);
    while inbox.recv_many(&mut waiting, BATCH).await > 0 {
        let (tasks, answers): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        let pushed = pusher.push(&tasks).await.map(drop);
        for answer in answers {
            // A caller that has gone does not need it.
            let _ = answer.send(pushed.clone());
        }
    }
}

/// A job as it travels.
pub(super) fn encode<T: Job>((id, job): (String, T)) -> Result<RedisTask, QueueError> {
    let bytes = serde_json::to_vec(&job).map_err(QueueError::encode(&id))?;
    Ok(TaskBuilder::new(bytes).task_id(TaskId::from_string(id)).build())
}
