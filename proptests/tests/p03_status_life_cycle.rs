//! Property 3: whatever happens to a task, in whatever order, it only ever makes legal moves, and its times follow them.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use ortolan_domain::invariant::check_step;
use ortolan_domain::job::Attempt;
use ortolan_domain::task::TaskError;
use ortolan_domain::{ErrorCode, TaskStatus};
use ortolan_proptests::{CASES, House, case};
use ortolan_store::{CancelOutcome, Completion, EnqueueOutcome, Failure, Fate, Fence, RetryOutcome};
use proptest::prelude::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    Dispatch,
    Claim,
    Complete,
    FailForGood,
    RetryLater,
    Cancel,
    UserRetry,
    StaleComplete,
    LoseLease,
    Beat,
    Undelivered,
    EnqueueNow,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Step::*;
    let step = prop_oneof![
        3 => Just(Dispatch), 3 => Just(Claim), 2 => Just(Complete), 1 => Just(FailForGood), 1 => Just(RetryLater),
        1 => Just(Cancel), 2 => Just(UserRetry), 1 => Just(StaleComplete), 1 => Just(LoseLease),
        1 => Just(Beat), 1 => Just(Undelivered), 1 => Just(EnqueueNow)
    ];
    prop::collection::vec(step, 1..24)
}

async fn take(house: &House, id: ortolan_domain::TaskId, step: Step) -> anyhow::Result<()> {
    let before = house.task(id).await?;
    let (tasks, now) = (&house.stores.tasks, house.clock.now());
    let attempt = Attempt { task_id: id, attempt: before.attempt };
    let fence = Fence { attempt, owner: "worker".to_owned() };
    let error = TaskError { code: ErrorCode::Internal, detail: "it failed".to_owned() };
    let running = before.status == TaskStatus::Running;
    let moved = match step {
        Step::Dispatch => house.dispatch(id).await?.is_some(),
        Step::Claim => house.claim(attempt, "worker").await?.is_some(),
        Step::Complete => tasks.complete(Completion { fence, now, artifacts: vec![], inference_time_ms: None }).await?,
        Step::StaleComplete => {
            let fence =
                Fence { attempt: Attempt { attempt: attempt.attempt - 1, ..attempt }, owner: "worker".to_owned() };
            let stale = tasks.complete(Completion { fence, now, artifacts: vec![], inference_time_ms: None }).await?;
            anyhow::ensure!(!stale, "a stale attempt completed the task");
            false
        }
        Step::FailForGood => tasks.fail(Failure { fence, now, error, fate: Fate::Final }).await?,
        Step::RetryLater => tasks.fail(Failure { fence, now, error, fate: Fate::RetryAt(now) }).await?,
        Step::Cancel => matches!(tasks.cancel(house.tenant.id, id, now).await?, CancelOutcome::Cancelled { .. }),
        Step::UserRetry => matches!(tasks.retry(house.tenant.id, id, now).await?, RetryOutcome::Pending(_)),
        Step::Beat => {
            let lost = tasks.heartbeat("worker", &[(attempt, Some(0.5))], now.plus(Duration::from_secs(60))).await?;
            anyhow::ensure!(lost.is_empty() == running, "a heartbeat from {} lost {lost:?}", before.status);
            false
        }
        Step::Undelivered => tasks.take_back_lost(&[attempt]).await?.len() == 1,
        Step::EnqueueNow => matches!(tasks.enqueue(house.tenant.id, id, now).await?, EnqueueOutcome::Queued(_)),
        Step::LoseLease => !tasks.lose_leases(now, 3, 100).await?.is_empty(),
    };
    let after = house.task(id).await?;
    let broken = check_step(&before, &after);
    anyhow::ensure!(broken.is_empty(), "{step:?}: {broken:?}");
    anyhow::ensure!(moved == (before.version != after.version), "{step:?} said {moved}: {before:?} -> {after:?}");
    anyhow::ensure!(
        !matches!(step, Step::Complete) || moved == running,
        "complete went through from {}",
        before.status
    );
    anyhow::ensure!(!matches!(step, Step::LoseLease) || !moved, "a lease that lasts was taken away");
    house.check(id).await
}

#[test]
fn only_legal_moves_whatever_the_order() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let house = runtime.block_on(House::open()).unwrap();
    proptest!(ProptestConfig::with_cases(CASES), |(steps in steps())| {
        case(&runtime, async {
            let id = house.submit().await?;
            for step in steps {
                take(&house, id, step).await?;
            }
            Ok(())
        })?;
    });
}
