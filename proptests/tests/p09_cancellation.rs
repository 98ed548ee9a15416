//! Property 9: a task that is cancelled at any moment of its life is cancelled, and whatever its run still sends is worthless.

#![allow(clippy::unwrap_used)]

use ortolan_domain::TaskStatus;
use ortolan_domain::job::Attempt;
use ortolan_proptests::{CASES, House, case};
use ortolan_store::{CancelOutcome, Completion, Fence};
use proptest::prelude::*;

/// Brings a task `stage` moves on: 0 pending, 1 queued, 2 running.
async fn bring(house: &House, stage: u8) -> anyhow::Result<(ortolan_domain::TaskId, Attempt)> {
    let id = house.submit().await?;
    let mut attempt = Attempt { task_id: id, attempt: 0 };
    if stage >= 1 {
        attempt = house.dispatch(id).await?.unwrap();
    }
    if stage >= 2 {
        assert!(house.claim(attempt, "worker").await?.is_some());
    }
    Ok((id, attempt))
}

#[test]
fn cancelled_is_cancelled_whatever_comes_later() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let house = runtime.block_on(House::open()).unwrap();
    proptest!(ProptestConfig::with_cases(CASES), |(stage in 0u8..3, race in any::<bool>())| {
        case(&runtime, async {
            let (id, attempt) = bring(&house, stage).await?;
            let (tasks, now) = (&house.stores.tasks, house.clock.now());
            let fence = Fence { attempt, owner: "worker".to_owned() };
            let complete = || tasks.complete(Completion { fence: fence.clone(), now, artifacts: vec![], inference_time_ms: None });
            let cancel = tasks.cancel(house.tenant.id, id, now);
            let (cancelled, completed) = if race { tokio::join!(cancel, complete()) } else { (cancel.await, Ok(false)) };
            let cancelled = matches!(cancelled?, CancelOutcome::Cancelled { .. });
            anyhow::ensure!(cancelled != completed?, "both or neither of cancel and complete went through");
            anyhow::ensure!(cancelled || (race && stage == 2), "an open task was not cancelled");
            if cancelled {
                anyhow::ensure!(!complete().await?, "a late result was taken");
                anyhow::ensure!(house.claim(attempt, "other").await?.is_none(), "a cancelled task was claimed");
                anyhow::ensure!(house.dispatch(id).await?.is_none(), "a cancelled task was dispatched");
                anyhow::ensure!(house.task(id).await?.status == TaskStatus::Cancelled);
            }
            house.check(id).await
        })?;
    });
}
