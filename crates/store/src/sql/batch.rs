//! Writes, and batches of them that share one transaction, or need none.

use futures::future::BoxFuture;
use ortolan_domain::Task;
use ortolan_domain::job::Attempt;
use tokio::sync::oneshot;

use super::Connection;
use super::callbacks;
use super::dispatch::{self, Dispatch};
use super::runs::{self, Heartbeat};
use super::submit::{self, Submit};
use crate::{Claim, Completion, Failure, StoreError, Submission, TaskChange};

/// Where the answer to a write goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// A write and where its answer goes. The frequent kinds are carried out many at a time, the others one by one.
pub(in super::super) enum Write {
    Submit(Box<Submit>, Answer<Submission>),
    Dispatch(Dispatch, Answer<Vec<TaskChange>>),
    Undo(Vec<Attempt>, Answer<u64>),
    Claim(Claim, Answer<Option<Task>>),
    Heartbeat(Heartbeat, Answer<Vec<Attempt>>),
    Complete(Completion, Answer<bool>),
    Fail(Failure, Answer<bool>),
    Single(Box<dyn SingleWrite>),
    /// No write, but the wish that the lane ends; answered when all writes before it are.
    Close(Answer<()>),
}

/// Writes of one kind.
struct Many<I, O> {
    asked: Vec<I>,
    done: Vec<O>,
    answers: Vec<Answer<O>>,
}

impl<I, O> Default for Many<I, O> {
    fn default() -> Self {
        Self { asked: Vec::new(), done: Vec::new(), answers: Vec::new() }
    }
}

impl<I, O> Many<I, O> {
    fn push(&mut self, asked: I, answer: Answer<O>) {
        self.asked.push(asked);
        self.answers.push(answer);
    }

    /// Answers what was done. A caller that has gone away is no concern: its write is done all the same.
    fn answer(&mut self) {
        self.asked.clear();
        for (answer, done) in self.answers.drain(..).zip(self.done.drain(..)) {
            let _ = answer.send(Ok(done));
        }
    }

    fn refuse(self, error: &mut Refusal) {
        for answer in self.answers {
            let _ = answer.send(Err(error.next()));
        }
    }

    fn split(self) -> impl Iterator<Item = Self> {
        let pairs = self.asked.into_iter().zip(self.answers);
        pairs.map(|(asked, answer)| Self { asked: vec![asked], done: Vec::new(), answers: vec![answer] })
    }
}

/// Writes that share one transaction.
#[derive(Default)]
pub(in super::super) struct Batch {
    submits: Many<Submit, Submission>,
    dispatches: Many<Dispatch, Vec<TaskChange>>,
    undos: Many<Vec<Attempt>, u64>,
    claims: Many<Claim, Option<Task>>,
    heartbeats: Many<Heartbeat, Vec<Attempt>>,
    completions: Many<Completion, bool>,
    failures: Many<Failure, bool>,
    singles: Vec<Box<dyn SingleWrite>>,
    closers: Vec<Answer<()>>,
}

impl Batch {
    /// Gathers writes.
    pub(super) fn of(writes: impl Iterator<Item = Write>) -> Self {
        let mut batch = Self::default();
        for write in writes {
            match write {
                Write::Submit(asked, answer) => batch.submits.push(*asked, answer),
                Write::Dispatch(asked, answer) => batch.dispatches.push(asked, answer),
                Write::Undo(asked, answer) => batch.undos.push(asked, answer),
                Write::Claim(asked, answer) => batch.claims.push(asked, answer),
                Write::Heartbeat(asked, answer) => batch.heartbeats.push(asked, answer),
                Write::Complete(asked, answer) => batch.completions.push(asked, answer),
                Write::Fail(asked, answer) => batch.failures.push(asked, answer),
                Write::Single(single) => batch.singles.push(single),
                Write::Close(answer) => batch.closers.push(answer),
            }
        }
        batch
    }

    /// Takes out the wishes that the lane ends.
    pub(super) fn take_closers(&mut self) -> Vec<Answer<()>> {
        std::mem::take(&mut self.closers)
    }

    /// How many writes there are.
    pub(super) fn len(&self) -> usize {
        self.light() + self.durable()
    }

    fn light(&self) -> usize {
        self.dispatches.asked.len() + self.undos.asked.len() + self.claims.asked.len() + self.heartbeats.asked.len()
    }

    fn durable(&self) -> usize {
        self.submits.asked.len() + self.completions.asked.len() + self.failures.asked.len() + self.singles.len()
    }

    /// True when no transaction is needed: all there is to do is done by one statement, or by some of which each may take effect
    /// without the others. Most batches of a server with little to do are such, and opening and ending a transaction would cost them
    /// twice as much again.
    pub(super) fn is_atomic(&self) -> bool {
        let [submits, claims, heartbeats, dispatches] = [
            self.submits.asked.len(),
            self.claims.asked.len(),
            self.heartbeats.asked.len(),
            self.dispatches.asked.len(),
        ];
        if self.len() != submits + claims + heartbeats + dispatches {
            return false;
        }
        match (submits, claims, heartbeats, dispatches) {
            (1, 0, 0, 0) => self.submits.asked[0].is_one_row(),
            (0, _, 0, 0) => runs::is_one_statement(&self.claims.asked),
            // Leases are kept one by one.
            (0, 0, _, 0) => true,
            // Looks again at what it moves.
            (0, 0, 0, _) => true,
            _ => false,
        }
    }

    /// Carries all writes out; gives the changes in the order in which they were made. New rows come before dispatch, so
    /// that a task that is submitted and dispatched at the same time goes at once.
    pub(super) async fn run(&mut self, connection: &mut Connection) -> Result<Vec<TaskChange>, StoreError> {
        let mut heard = Vec::new();
        self.undos.done = dispatch::undo(connection, &self.undos.asked, &mut heard).await?;
        self.submits.done = submit::submit(connection, &self.submits.asked, &mut heard).await?;
        let is_alone = self.is_atomic();
        self.dispatches.done = dispatch::dispatch(connection, &self.dispatches.asked, is_alone, &mut heard).await?;
        self.claims.done = runs::claim(connection, &self.claims.asked, &mut heard).await?;
        self.heartbeats.done = runs::heartbeat(connection, &self.heartbeats.asked).await?;
        self.completions.done = runs::complete(connection, &self.completions.asked, &mut heard).await?;
        self.failures.done = runs::fail(connection, &self.failures.asked, &mut heard).await?;
        callbacks::arm(connection, &heard).await?;
        for single in &mut self.singles {
            let known = heard.len();
            single.run(connection, &mut heard).await?;
            // At once, because the next one may take a task out of its end again.
            callbacks::arm(connection, &heard[known..]).await?;
        }
        Ok(heard)
    }

    /// Answers the writes that may be lost by a power cut without harm, because what they moved is taken back and moved
    /// again; true when others are left.
    pub(in super::super) fn answer_light(&mut self) -> bool {
        self.dispatches.answer();
        self.undos.answer();
        self.claims.answer();
        self.heartbeats.answer();
        self.durable() > 0
    }

    /// Answers all writes that have no answer yet.
    pub(in super::super) fn answer(mut self) {
        self.answer_light();
        self.submits.answer();
        self.completions.answer();
        self.failures.answer();
        for single in self.singles {
            single.answer();
        }
    }

    /// Tells all writes that have no answer yet that they failed.
    pub(in super::super) fn refuse(self, error: StoreError) {
        let mut error = Refusal::new(error);
        self.submits.refuse(&mut error);
        self.dispatches.refuse(&mut error);
        self.undos.refuse(&mut error);
        self.claims.refuse(&mut error);
        self.heartbeats.refuse(&mut error);
        self.completions.refuse(&mut error);
        self.failures.refuse(&mut error);
        for single in self.singles {
            single.refuse(error.next());
        }
    }

    /// Gives each write a batch of its own.
    pub(super) fn split(self) -> Vec<Self> {
        let mut alone = Vec::new();
        alone.extend(self.undos.split().map(|undos| Self { undos, ..Self::default() }));
        alone.extend(self.submits.split().map(|submits| Self { submits, ..Self::default() }));
        alone.extend(self.dispatches.split().map(|dispatches| Self { dispatches, ..Self::default() }));
        alone.extend(self.claims.split().map(|claims| Self { claims, ..Self::default() }));
        alone.extend(self.heartbeats.split().map(|heartbeats| Self { heartbeats, ..Self::default() }));
        alone.extend(self.completions.split().map(|completions| Self { completions, ..Self::default() }));
        alone.extend(self.failures.split().map(|failures| Self { failures, ..Self::default() }));
        alone.extend(self.singles.into_iter().map(|single| Self { singles: vec![single], ..Self::default() }));
        alone
    }
}

/// An error that all writes of a batch are told: the first gets it whole, the others its text.
pub(super) struct Refusal {
    whole: Option<StoreError>,
    text: String,
}

impl Refusal {
    pub(super) fn new(error: StoreError) -> Self {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        Self { text: source.unwrap_or_else(|| error.to_string()), whole: Some(error) }
    }

    pub(super) fn next(&mut self) -> StoreError {
        let again = || StoreError::Unavailable(sqlx::Error::Io(std::io::Error::other(self.text.clone())));
        self.whole.take().unwrap_or_else(again)
    }
}

/// A write that is carried out by itself, though in the transaction of a batch.
pub(in super::super) trait SingleWrite: Send {
    /// Carries it out; again, when the batch failed and each write is tried alone.
    fn run<'c>(
        &'c mut self,
        connection: &'c mut Connection,
        changes: &'c mut Vec<TaskChange>,
    ) -> BoxFuture<'c, Result<(), StoreError>>;

    /// Answers what was done.
    fn answer(self: Box<Self>);

    /// Answers that it failed.
    fn refuse(self: Box<Self>, error: StoreError);
}

/// A [`SingleWrite`] that is made of a function.
pub(super) struct Single<T, F> {
    pub(super) work: F,
    pub(super) done: Option<T>,
    pub(super) answer: Answer<T>,
}

impl<T, F> SingleWrite for Single<T, F>
where
    T: Send,
    F: for<'c> Fn(&'c mut Connection, &'c mut Vec<TaskChange>) -> BoxFuture<'c, Result<T, StoreError>> + Send,
{
    fn run<'c>(
        &'c mut self,
        connection: &'c mut Connection,
        changes: &'c mut Vec<TaskChange>,
    ) -> BoxFuture<'c, Result<(), StoreError>> {
        let work = (self.work)(connection, changes);
        Box::pin(async {
            self.done = Some(work.await?);
            Ok(())
        })
    }

    fn answer(self: Box<Self>) {
        let _ = self.answer.send(self.done.ok_or(StoreError::Closed));
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        let _ = self.answer.send(Err(error));
    }
}
