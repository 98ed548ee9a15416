//! Property 3: whatever happens to a task, in whatever order, it only ever makes legal moves, and its times follow them.

#![allow(clippy::unwrap_used)]

use ortolan_domain::job::Attempt;
use ortolan_domain::task::TaskError;
use ortolan_domain::{ErrorCode, TaskStatus};
use ortolan_proptests::{CASES, House, case, legal};
use ortolan_store::{CancelOutcome, Completion, Failure, Fate, Fence, RetryOutcome};
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
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Step::*;
    let step = prop_oneof![
        3 => Just(Dispatch), 3 => Just(Claim), 2 => Just(Complete), 1 => Just(FailForGood), 1 => Just(RetryLater),
        1 => Just(Cancel), 2 => Just(UserRetry), 1 => Just(StaleComplete), 1 => Just(LoseLease)
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
        Step::LoseLease => !tasks.lose_leases(now, 3, 100).await?.is_empty(),
    };
    let after = house.task(id).await?;
    legal(before.status, after.status)?;
    anyhow::ensure!(moved == (before.version != after.version), "{step:?} said {moved}: {before:?} -> {after:?}");
    anyhow::ensure!(after.attempt >= before.attempt, "the attempt shrank");
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
