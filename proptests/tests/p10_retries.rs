//! Property 10: a run that fails for a passing reason is tried again after an exponentially growing wait, up to the limit of
//! tries, and never earlier; any other failure is final at once.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ortolan_domain::route::QueueName;
use ortolan_domain::task::TaskError;
use ortolan_domain::time::ManualClock;
use ortolan_domain::{Clock, ErrorCode, Task, TaskId, TaskStatus, Timestamp};
use ortolan_proptests::bench::{Bench, attempt_of, worker_settings};
use ortolan_proptests::{CASES, Home, House, case};
use ortolan_queue::Queues;
use ortolan_results::{RESULT_TTL, ResultStore, Signals};
use ortolan_store::RetryOutcome;
use ortolan_worker::{Awaited, Backoff, WorkerSettings};
use proptest::prelude::*;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// How the n-th try ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Fails(ErrorCode),
    LosesItsWorkersTouch,
}

fn ends() -> impl Strategy<Value = Vec<End>> {
    let codes = |retryable| {
        ErrorCode::ALL.iter().copied().filter(move |code| code.is_retryable() == retryable).collect::<Vec<_>>()
    };
    let end = prop_oneof![
        8 => prop::sample::select(codes(true)).prop_map(End::Fails),
        1 => prop::sample::select(codes(false)).prop_map(End::Fails),
        1 => Just(End::LosesItsWorkersTouch)
    ];
    prop::collection::vec(end, 12)
}

struct World {
    bench: Bench,
    clock: Arc<ManualClock>,
}

impl World {
    async fn open() -> anyhow::Result<Self> {
        let clock = ManualClock::at(Timestamp::from_micros(1_800_000_000_000_000));
        let house = House::in_home(Home::folder()?, clock.clone()).await?;
        let (queues, results) = (Queues::in_memory(), ResultStore::in_process(clock.clone()));
        Ok(Self { bench: Bench { house, queues, results, signals: Signals::in_process() }, clock })
    }

    async fn claimed(&self, worker: &ortolan_worker::Worker, id: TaskId) -> anyhow::Result<Task> {
        let attempt = self.bench.house.dispatch(id).await?.unwrap();
        Ok(worker.claim(attempt).await?.unwrap())
    }

    /// Plays one task to its end.
    async fn play(&self, settings: WorkerSettings, ends: Vec<End>) -> anyhow::Result<()> {
        let (house, max_tries, backoff) = (&self.bench.house, settings.max_tries, settings.backoff);
        let worker = self.bench.worker("worker", settings);
        let id = house.submit().await?;
        let mut failures = 0;
        for end in ends {
            let task = self.claimed(&worker, id).await?;
            anyhow::ensure!(task.failures == failures, "{} failures were counted, not {failures}", task.failures);
            let End::Fails(code) = end else {
                // Given back by a stopping worker or lost: no failure of the task's.
                house.stores.tasks.lose_leases(self.clock.now().plus(Duration::from_secs(3600)), i32::MAX, 10).await?;
                continue;
            };
            let ending = worker.give_up(&task, TaskError { code, detail: "it failed".to_owned() });
            anyhow::ensure!(worker.write(&ending).await?, "the lease was lost");
            let after = house.task(id).await?;
            house.check(id).await?;
            if !code.is_retryable() || failures + 1 >= max_tries {
                return is_final(&after, code, !code.is_retryable());
            }
            failures += 1;
            self.is_tried_later(&after, failures, backoff).await?;
        }
        house.stores.tasks.cancel(house.tenant.id, id, self.clock.now()).await?;
        Ok(())
    }

    /// Waits for a result that never came, or that came and went; gives what the worker says of it, and the task after that.
    async fn wait_in_vain(&self, came: bool) -> anyhow::Result<(TaskError, Task)> {
        let (house, settings) = (&self.bench.house, worker_settings(1));
        let patience = settings.job_timeout;
        let worker = self.bench.worker("worker", settings);
        let task = self.claimed(&worker, house.submit().await?).await?;
        if came {
            self.bench.results.put(attempt_of(&task), Bytes::from_static(b"a result")).await?;
            self.clock.advance(RESULT_TTL);
        } else {
            self.clock.advance(patience);
        }
        let Awaited::Failed(error) = worker.wait(&task, &CancellationToken::new()).await else {
            anyhow::bail!("the wait was not in vain")
        };
        let ending = worker.give_up(&task, error.clone());
        anyhow::ensure!(worker.write(&ending).await?, "the lease was lost");
        house.check(task.spec.id).await?;
        Ok((error, house.task(task.spec.id).await?))
    }

    /// The wait is the upper half of base * 2^(n-1), at most the cap; not a microsecond of it is cut short.
    async fn is_tried_later(&self, task: &Task, failures: i32, backoff: Backoff) -> anyhow::Result<()> {
        let (now, tasks) = (self.clock.now(), &self.bench.house.stores.tasks);
        anyhow::ensure!(task.status == TaskStatus::Pending && task.failures == failures, "{task:?}");
        let longest = backoff.base.saturating_mul(1 << (failures - 1)).min(backoff.cap);
        let wait = task.run_at.since(now);
        let slack = Duration::from_micros(2);
        anyhow::ensure!(wait <= longest && wait + slack >= longest / 2, "waits {wait:?} of at most {longest:?}");
        let early = task.run_at.minus(Duration::from_micros(1));
        if early > now {
            let moved = tasks.dispatch(QueueName::GpuJobs, ortolan_proptests::LIMITS, early).await?;
            anyhow::ensure!(moved.is_empty(), "it was dispatched before its time");
        }
        self.clock.advance(wait);
        Ok(())
    }
}

/// Nobody waits for a run longer than it may take; the ML service is told so, and its task can be tried again by hand.
async fn gives_up_in_time(world: &World) -> anyhow::Result<()> {
    let mut cancels = world.bench.signals.cancels();
    let (error, task) = world.wait_in_vain(false).await?;
    anyhow::ensure!(error.code == ErrorCode::DeadlineExceeded, "{error:?}");
    anyhow::ensure!(error.detail == "the run took longer than it may", "{error:?}");
    anyhow::ensure!((task.status, &task.error) == (TaskStatus::Failed, &Some(error)), "{task:?}");
    anyhow::ensure!(cancels.try_recv()? == attempt_of(&task), "another run was stopped");
    let (tasks, tenant) = (&world.bench.house.stores.tasks, world.bench.house.tenant.id);
    let again = tasks.retry(tenant, task.spec.id, world.clock.now()).await?;
    anyhow::ensure!(matches!(again, RetryOutcome::Pending(_)), "{again:?}");
    Ok(())
}

/// A result that went before anybody fetched it is no reason to wait: its run is made again.
async fn tells_what_expired(world: &World) -> anyhow::Result<()> {
    let (error, task) = world.wait_in_vain(true).await?;
    anyhow::ensure!((task.status, task.failures) == (TaskStatus::Pending, 1), "{task:?}");
    anyhow::ensure!((error.code, error.detail.as_str()) == (ErrorCode::ResultExpired, "result expired"), "{error:?}");
    Ok(())
}

fn is_final(task: &Task, code: ErrorCode, at_once: bool) -> anyhow::Result<()> {
    let error = task.error.clone().unwrap();
    anyhow::ensure!((task.status, error.code) == (TaskStatus::Failed, code), "{task:?}");
    let detail = if at_once { "it failed" } else { "Max retries exceeded: it failed" };
    anyhow::ensure!(error.detail == detail, "{}", error.detail);
    Ok(())
}

#[test]
fn passing_failures_are_tried_again_later_and_later() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(World::open()).unwrap();
    proptest!(ProptestConfig::with_cases(CASES), |(max_tries in 1i32..7, base_ms in 1u64..5_000, cap_ms in 1u64..20_000, ends in ends())| {
        let backoff = Backoff { base: Duration::from_millis(base_ms), cap: Duration::from_millis(cap_ms) };
        case(&runtime, world.play(WorkerSettings { max_tries, backoff, ..worker_settings(1) }, ends))?;
    });
}

#[test]
fn a_wait_in_vain_fails_for_good_at_its_deadline_and_is_made_up_for_when_the_result_expired() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(World::open()).unwrap();
    runtime.block_on(gives_up_in_time(&world)).unwrap();
    runtime.block_on(tells_what_expired(&world)).unwrap();
}
