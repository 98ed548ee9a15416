//! A lane takes writes in, gathers whatever waits into one batch, commits it, and answers. While one commit is
//! under way the next batch gathers, so that batches grow with the load and a lone write waits for nobody.

use futures::future::BoxFuture;
use sqlx::Connection as _;
use tokio::sync::{mpsc, oneshot};

use super::super::committer::Committer;
use super::Connection;
use super::batch::{Answer, Batch, Single, Write};
use super::dialect::{BEGIN, let_others_go_first};
use crate::{StoreError, TaskChange};

/// The most writes of one batch.
const MAX_BATCH: usize = 512;
/// How many writes may wait before callers have to wait to be let in.
const MAX_WAITING: usize = 4096;

/// The way into a lane.
pub(in super::super) struct Lane {
    inbox: mpsc::Sender<Write>,
}

impl Lane {
    /// Starts a lane that ends when it is closed, or when nobody can reach it any more.
    pub(in super::super) fn start(committer: Committer) -> Self {
        let (inbox, writes) = mpsc::channel(MAX_WAITING);
        tokio::spawn(serve(writes, committer));
        Self { inbox }
    }

    /// Has a write carried out. It is carried out even if the caller stops waiting.
    pub(super) async fn ask<T>(&self, write: impl FnOnce(Answer<T>) -> Write) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.inbox.send(write(answer)).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Has a write of a rare kind carried out; `work` may be called again when it failed in company.
    pub(super) async fn single<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut Connection, &'c mut Vec<TaskChange>) -> BoxFuture<'c, Result<T, StoreError>>
            + Send
            + 'static,
    {
        self.ask(|answer| Write::Single(Box::new(Single { work, done: None, answer }))).await
    }

    /// Waits until all writes so far are answered, and ends the lane.
    pub(in super::super) async fn close(&self) {
        // An error means that it has ended already.
        let _ = self.ask(Write::Close).await;
    }

    /// How many writes wait to be taken in.
    pub(in super::super) fn waiting(&self) -> usize {
        self.inbox.max_capacity() - self.inbox.capacity()
    }
}

async fn serve(mut inbox: mpsc::Receiver<Write>, mut committer: Committer) {
    let mut waiting = Vec::with_capacity(MAX_BATCH);
    let mut closers = Vec::new();
    while committer.receive(&mut inbox, &mut waiting, MAX_BATCH).await > 0 {
        gather(&mut inbox, &mut waiting, MAX_BATCH).await;
        let mut batch = Batch::of(waiting.drain(..));
        closers.extend(batch.take_closers());
        if !closers.is_empty() {
            inbox.close();
        }
        if batch.len() > 0 {
            commit(&mut committer, batch).await;
            committer.done(!inbox.is_empty());
        }
    }
    committer.close().await;
    for closer in closers {
        let _ = closer.send(Ok(()));
    }
}

/// Lets those in who are about to ask. What wakes several callers wakes them one after the other, and the first one's write would leave
/// without the others; where nobody else has anything to do, this takes no time.
pub(super) async fn gather<T>(inbox: &mut mpsc::Receiver<T>, waiting: &mut Vec<T>, most: usize) {
    let_others_go_first().await;
    while waiting.len() < most
        && let Ok(one) = inbox.try_recv()
    {
        waiting.push(one);
    }
}

/// Commits a batch. When one of its writes is at fault, each is tried alone, so that the others do not suffer.
async fn commit(committer: &mut Committer, mut batch: Batch) {
    match attempt(committer, &mut batch).await {
        Ok(changes) => committer.committed(batch, &changes).await,
        Err(error) if batch.len() > 1 && is_one_writes_fault(&error) => {
            for mut alone in batch.split() {
                match attempt(committer, &mut alone).await {
                    Ok(changes) => committer.committed(alone, &changes).await,
                    Err(error) => give_up(committer, alone, error),
                }
            }
        }
        Err(error) => give_up(committer, batch, error),
    }
}

fn give_up(committer: &mut Committer, batch: Batch, error: StoreError) {
    committer.failed();
    batch.refuse(error);
}

async fn attempt(committer: &mut Committer, batch: &mut Batch) -> Result<Vec<TaskChange>, StoreError> {
    let connection = committer.connection().await?;
    if batch.is_atomic() {
        return batch.run(connection).await;
    }
    let mut transaction = connection.begin_with(BEGIN).await?;
    match batch.run(&mut transaction).await {
        Ok(changes) => {
            transaction.commit().await?;
            Ok(changes)
        }
        Err(error) => {
            transaction.rollback().await?;
            Err(error)
        }
    }
}

/// False for what would befall each write alone just the same. A deadlock is between two transactions and passes.
fn is_one_writes_fault(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(sqlx::Error::Database(refusal)) => {
            refusal.code().is_some_and(|code| code.len() == 5 && code.starts_with("40"))
        }
        StoreError::Unavailable(_) | StoreError::Closed => false,
        _ => true,
    }
}
