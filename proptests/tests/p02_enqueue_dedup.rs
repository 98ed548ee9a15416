//! Property 2: an attempt's job is `ml_{task_id}:{attempt}`, and enqueueing it again, however often and by however many at
//! once, creates nothing.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use ortolan_dispatch::Enqueued;
use ortolan_domain::TaskId;
use ortolan_domain::job::{Attempt, delivery_id};
use ortolan_domain::route::QueueName;
use ortolan_proptests::bench::{Bench, redis_connection, take_all};
use ortolan_proptests::{CASES, CASES_OVER_SERVERS, case};
use ortolan_queue::JobQueue;
use proptest::prelude::*;
use tokio::runtime::Runtime;

/// Pushes in batches, each of attempts given by a task's number and an attempt's.
fn batches() -> impl Strategy<Value = Vec<Vec<(usize, i64)>>> {
    prop::collection::vec(prop::collection::vec((0usize..4, 1i64..3), 1..6), 1..6)
}

/// Of all that is pushed, each id is accepted and delivered once, in the order of the first pushes.
async fn one_of_each(queue: JobQueue<Attempt>, batches: Vec<Vec<(usize, i64)>>) -> anyhow::Result<()> {
    let tasks: Vec<_> = (0..4).map(|_| TaskId::generate()).collect();
    let (mut accepted, mut distinct) = (0, BTreeSet::new());
    for batch in batches {
        let attempts = batch.into_iter().map(|(task, attempt)| Attempt { task_id: tasks[task], attempt });
        let jobs: Vec<_> = attempts.map(|attempt| (delivery_id(attempt), attempt)).collect();
        distinct.extend(jobs.iter().map(|(id, _)| id.clone()));
        accepted += queue.push(jobs).await?;
    }
    anyhow::ensure!(accepted == distinct.len(), "{accepted} of {} were accepted", distinct.len());
    let delivered = take_all(&queue, distinct.len()).await?;
    for (id, attempt) in &delivered {
        anyhow::ensure!(*id == format!("ml_{}:{}", attempt.task_id, attempt.attempt), "{id} carries {attempt}");
    }
    let ids: BTreeSet<_> = delivered.into_iter().map(|(id, _)| id).collect();
    anyhow::ensure!(ids == distinct, "{ids:?} came instead of {distinct:?}");
    Ok(())
}

#[test]
fn a_queued_job_is_not_queued_again() {
    let runtime = Runtime::new().unwrap();
    proptest!(ProptestConfig::with_cases(CASES), |(batches in batches())| {
        case(&runtime, one_of_each(JobQueue::in_memory(QueueName::CpuJobs), batches))?;
    });
}

#[test]
fn a_queued_job_is_not_queued_again_on_redis() {
    let runtime = Runtime::new().unwrap();
    proptest!(ProptestConfig::with_cases(CASES_OVER_SERVERS), |(batches in batches())| {
        case(&runtime, async {
            one_of_each(JobQueue::redis(&redis_connection().await?, QueueName::CpuJobs), batches).await
        })?;
    });
}

#[test]
fn of_many_wishes_to_enqueue_a_task_one_comes_true() {
    let runtime = Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::open()).unwrap();
    proptest!(ProptestConfig::with_cases(CASES), |(wishes in 1usize..6, passes in 0usize..3)| {
        case(&runtime, async {
            let id = bench.house.submit().await?;
            let dispatcher = bench.dispatcher();
            let enqueued = futures::future::join_all((0..wishes).map(|_| dispatcher.enqueue_now(bench.house.tenant.id, id)));
            let dispatched = futures::future::join_all((0..passes).map(|_| dispatcher.dispatch_once(QueueName::GpuJobs)));
            let (enqueued, dispatched) = tokio::join!(enqueued, dispatched);
            let mut moved: usize = dispatched.into_iter().sum::<Result<usize, _>>()?;
            for wish in enqueued {
                moved += usize::from(matches!(wish?, Enqueued::Queued(_)));
            }
            anyhow::ensure!(moved == 1, "it was enqueued {moved} times");
            let delivered = take_all(&bench.queues.gpu, 1).await?;
            anyhow::ensure!(delivered[0].1 == Attempt { task_id: id, attempt: 1 }, "{delivered:?}");
            bench.house.check(id).await
        })?;
    });
}
