//! Property 14: a delivery that comes again, however often and whenever, runs its task once.

#![allow(clippy::unwrap_used)]

use ortolan_domain::TaskStatus;
use ortolan_proptests::{CASES, House, case};
use ortolan_store::{Completion, Fence};
use proptest::prelude::*;

#[test]
fn doubled_deliveries_run_once() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let house = runtime.block_on(House::open()).unwrap();
    proptest!(ProptestConfig::with_cases(CASES), |(before in 1usize..8, after in 1usize..8)| {
        case(&runtime, async {
            let id = house.submit().await?;
            let attempt = house.dispatch(id).await?.unwrap();
            let owners: Vec<_> = (0..before).map(|n| format!("worker-{n}")).collect();
            let mut winners = Vec::new();
            let claims = owners.iter().map(|owner| house.claim(attempt, owner));
            for (owner, claimed) in owners.iter().zip(join_all(claims).await) {
                if claimed?.is_some() {
                    winners.push(owner.clone());
                }
            }
            anyhow::ensure!(winners.len() == 1, "{winners:?} claimed the same attempt");
            let fence = Fence { attempt, owner: winners[0].clone() };
            let done = Completion { fence, now: house.clock.now(), artifacts: vec![], inference_time_ms: None };
            anyhow::ensure!(house.stores.tasks.complete(done.clone()).await?, "the owner could not complete");
            for n in 0..after {
                anyhow::ensure!(house.claim(attempt, &format!("late-{n}")).await?.is_none(), "a completed task was claimed");
                anyhow::ensure!(!house.stores.tasks.complete(done.clone()).await?, "it was completed twice");
            }
            anyhow::ensure!(house.task(id).await?.status == TaskStatus::Completed);
            house.check(id).await
        })?;
    });
}

/// Polls all futures to their ends at once.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if outputs.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
