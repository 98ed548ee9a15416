//! Plays actions, and mends everything in the end.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ortolan_dispatch::Enqueued;
use ortolan_domain::job::Attempt;
use ortolan_domain::task::NewTask;
use ortolan_domain::{Clock, Origin, Priority, TaskId, TaskType};
use ortolan_store::{CancelOutcome, RetryOutcome, Submission};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::action::{Action, Reply, WORKERS};
use super::world::{LIMITS, MAX_CRASHES, World, choose, queue};

/// After so many rounds in a mended world everything must have ended.
const ROUNDS: usize = 60;
/// More tasks than this would only make scripts slow.
const MOST_TASKS: usize = 12;

pub(super) fn config_hash() -> String {
    "c".repeat(64)
}

impl World {
    /// Plays one action and checks everything; gives what happened in words.
    pub(super) async fn play(&mut self, action: Action) -> Result<String> {
        let happened = self.act(action).await.with_context(|| format!("{action:?}"))?;
        self.collect().await?;
        let happened = happened.unwrap_or_else(|| "nothing".to_owned());
        self.check(Some(action)).await.with_context(|| format!("after {action:?} ({happened})"))?;
        Ok(format!("{action:?}: {happened}"))
    }

    async fn act(&mut self, action: Action) -> Result<Option<String>> {
        match action {
            Action::Submit { tenant, priority, patience_s } => self.submit(tenant, priority, patience_s).await,
            Action::EnqueueNow { task } => self.enqueue_now(task).await,
            Action::Cancel { task, heard } => self.cancel(task, heard).await,
            Action::Retry { task } => self.retry(task).await,
            Action::Dispatch { queue } => Ok(Some(self.dispatch(queue).await)),
            Action::DispatchAndDie { queue: number } => {
                let moved = self.stores.tasks.dispatch(queue(number), LIMITS, self.clock.now()).await?;
                Ok(Some(format!("{} moved", moved.len())))
            }
            Action::Deliver { .. } | Action::Step { .. } | Action::Infer { .. } | Action::Answer { .. } => {
                self.work(action).await
            }
            Action::LoseLetter { letter } => Ok(self.lose_letter(letter)),
            Action::Beat { worker } => Ok(Some(self.beat(worker % WORKERS).await)),
            Action::KillWorker { worker } => {
                self.crew[worker % WORKERS].die();
                Ok(Some(format!("w{}", worker % WORKERS)))
            }
            Action::LoseResult { run } => self.lose_result(run).await,
            Action::Forge { run, forgery } => self.forge(run, forgery).await,
            Action::Reconcile { whole } => Ok(Some(self.reconcile(whole).await)),
            Action::Flush => self.flush().await,
            Action::RestartAll => self.restart_all().await,
            other => Ok(self.befall(other)),
        }
    }

    /// A piece of work; where there is none of its kind, one of the kind that brings such work.
    async fn work(&mut self, action: Action) -> Result<Option<String>> {
        let (mut kind, place) = match action {
            Action::Answer { job, .. } => (0, job),
            Action::Infer { job, .. } => (1, job),
            Action::Step { run } => (2, run),
            _ => (3, 0),
        };
        while kind < 3 {
            let done = match (kind, action) {
                (0, Action::Answer { answer, .. }) => self.answer(place, answer).await?,
                (1, Action::Infer { again, .. }) => self.infer(place, again).await?,
                (1, _) => self.infer(place, false).await?,
                _ => self.step(place).await?,
            };
            if done.is_some() {
                return Ok(done);
            }
            kind += 1;
        }
        let delivered = match action {
            Action::Deliver { letter, worker, again } => self.deliver(letter, worker, again),
            _ => self.deliver(place, place, false),
        };
        Ok(Some(match delivered {
            Some(delivered) => delivered,
            None => self.dispatch(place).await,
        }))
    }

    /// What needs nobody's answer.
    fn befall(&mut self, action: Action) -> Option<String> {
        match action {
            Action::Wait { seconds } => self.clock.advance(Duration::from_secs(u64::from(seconds))),
            Action::TurnBack { seconds } => self.clock.turn_back(Duration::from_secs(u64::from(seconds))),
            Action::KillMl => self.taken.clear(),
            Action::LoseJob { job } => drop(self.jobs.remove(choose(job, self.jobs.len())?)),
            Action::Cut { part, answers_only } => self.lines[part % self.lines.len()].cut(answers_only),
            Action::Heal { part } => self.lines[part % self.lines.len()].heal(),
            Action::Broker { is_up } => self.broker_is_up = is_up,
            _ => return None,
        }
        Some("done".to_owned())
    }

    async fn submit(&mut self, tenant: usize, priority: usize, patience_s: Option<u16>) -> Result<Option<String>> {
        if self.tasks.len() >= MOST_TASKS {
            return Ok(None);
        }
        let (tenant, number) = (self.tenants[tenant % self.tenants.len()].clone(), self.tasks.len());
        let now = self.clock.now();
        let task = NewTask {
            id: TaskId::from_uuid(Uuid::from_u128(100 + number as u128)),
            tenant_id: tenant.id,
            tenant: tenant.name,
            task_type: TaskType::ObjectDetection,
            queue: queue(number),
            priority: Priority::ALL[priority % Priority::ALL.len()],
            config: RawValue::from_string("{}".to_owned())?,
            config_hash: config_hash(),
            input: None,
            created_at: now,
            expires_at: patience_s.map(|patience| now.plus(Duration::from_secs(u64::from(patience)))),
            origin: Origin::default(),
        };
        let id = task.id;
        let submitted = self.stores.tasks.submit(task, None).await?;
        ensure!(matches!(submitted, Submission::Created(_)), "not created");
        self.tasks.push((tenant.id, id));
        Ok(Some(format!("t{number}")))
    }

    async fn enqueue_now(&mut self, place: usize) -> Result<Option<String>> {
        let Some(place) = choose(place, self.tasks.len()) else { return Ok(None) };
        let (tenant, id) = self.tasks[place];
        let word = match self.dispatcher().enqueue_now(tenant, id).await {
            Ok(Enqueued::Queued(task)) => format!("queued:{}", task.attempt),
            Ok(Enqueued::WrongState(status)) => format!("is {status}"),
            Ok(Enqueued::NotFound) => "not found".to_owned(),
            Err(_) => "failed".to_owned(),
        };
        ensure!(word != "not found", "task {place} is gone");
        Ok(Some(format!("t{place} {word}")))
    }

    async fn cancel(&mut self, place: usize, heard: bool) -> Result<Option<String>> {
        let Some(place) = choose(place, self.tasks.len()) else { return Ok(None) };
        let (tenant, id) = self.tasks[place];
        match self.stores.tasks.cancel(tenant, id, self.clock.now()).await? {
            CancelOutcome::Cancelled { was, attempt } => {
                if heard {
                    self.signal_cancel(attempt);
                }
                Ok(Some(format!("t{place} was {was}")))
            }
            CancelOutcome::WrongState(status) => Ok(Some(format!("t{place} is {status}"))),
            CancelOutcome::NotFound => anyhow::bail!("task {place} is gone"),
        }
    }

    async fn retry(&mut self, place: usize) -> Result<Option<String>> {
        let Some(place) = choose(place, self.tasks.len()) else { return Ok(None) };
        let (tenant, id) = self.tasks[place];
        match self.stores.tasks.retry(tenant, id, self.clock.now()).await? {
            RetryOutcome::Pending(_) => Ok(Some(format!("t{place} pending"))),
            RetryOutcome::WrongState(status) => Ok(Some(format!("t{place} is {status}"))),
            RetryOutcome::NotFound => anyhow::bail!("task {place} is gone"),
        }
    }

    async fn dispatch(&mut self, number: usize) -> String {
        match self.dispatcher().dispatch_once(queue(number)).await {
            Ok(count) => format!("{count} moved"),
            Err(error) => error.to_string(),
        }
    }

    fn deliver(&mut self, letter: usize, worker: usize, again: bool) -> Option<String> {
        let letter = choose(letter, self.letters.len())?;
        let attempt: Attempt = if again { self.letters[letter] } else { self.letters.remove(letter) };
        let name = self.name(attempt);
        self.crew[worker % WORKERS].deliver(attempt);
        Some(format!("{name} to w{}", worker % WORKERS))
    }

    fn lose_letter(&mut self, letter: usize) -> Option<String> {
        let letter = self.letters.remove(choose(letter, self.letters.len())?);
        Some(self.name(letter))
    }

    async fn reconcile(&mut self, whole: bool) -> String {
        let reconciler = self.reconciler();
        let report = if whole { reconciler.run_once().await } else { reconciler.run_quick().await };
        let (sent, lost) = (report.pending_reenqueued, report.running_synced);
        format!("{sent} sent, {lost} leases, {} expired, {} errors", report.expired, report.errors.len())
    }

    async fn flush(&mut self) -> Result<Option<String>> {
        self.letters.clear();
        self.jobs.clear();
        self.lose_results().await?;
        Ok(Some("done".to_owned()))
    }

    async fn restart_all(&mut self) -> Result<Option<String>> {
        self.crew.iter_mut().for_each(super::crew::Hand::die);
        self.taken.clear();
        self.flush().await?;
        let taken_back = self.stores.tasks.take_back_all(self.clock.now(), MAX_CRASHES).await?;
        Ok(Some(format!("{taken_back} taken back")))
    }

    /// Mends everything and lets honest parts work until every task has ended.
    pub(super) async fn settle(&mut self) -> Result<usize> {
        self.broker_is_up = true;
        self.lines.iter().for_each(|line| line.heal());
        for round in 0..ROUNDS {
            if self.audit.is_over(self.tasks.len()) {
                return Ok(round);
            }
            self.play(Action::Wait { seconds: 70 }).await?;
            self.play(Action::Reconcile { whole: round % 5 == 0 }).await?;
            self.work_off().await?;
        }
        anyhow::bail!("some tasks did not end in {ROUNDS} rounds of a mended world")
    }

    /// Delivers everything and sees it through.
    async fn work_off(&mut self) -> Result<()> {
        for worker in 0..self.letters.len() {
            self.play(Action::Deliver { letter: 0, worker, again: false }).await?;
        }
        // Each run has at most six steps, and waits for the ML service after the second.
        for _ in 0..6 {
            for run in (0..self.runs().len()).rev() {
                self.play(Action::Step { run }).await?;
            }
            while !self.jobs.is_empty() {
                self.play(Action::Infer { job: 0, again: false }).await?;
            }
            while !self.taken.is_empty() {
                self.play(Action::Answer { job: 0, answer: Reply::Items(1) }).await?;
            }
        }
        Ok(())
    }
}
