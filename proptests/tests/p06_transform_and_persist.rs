//! Property 6: a result's items become artifacts all together with `completed`, or, if any one of them is bad, not at all.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use ortolan_domain::job::{Attempt, MlItem};
use ortolan_domain::{ErrorCode, TaskStatus};
use ortolan_proptests::{CASES, House, case, good_item, result_of};
use ortolan_queue::Queues;
use ortolan_results::{ResultStore, Signals};
use ortolan_worker::{Backoff, Worker, WorkerParts, WorkerSettings};
use proptest::prelude::*;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Breaks one field of an item.
fn spoil(item: &mut MlItem, how: u8) {
    match how {
        0 => item.payload["confidence"] = json!(1.5),
        1 => item.payload["bounding_box"]["width"] = json!(-1.0),
        2 => item.payload["frame_number"] = json!(-1),
        3 => item.payload["extra"] = json!(true),
        4 => item.payload["label"] = json!(null),
        _ => item.span_end_ms = -1,
    }
}

/// A real worker whose ML service is the property itself.
struct Bench {
    house: House,
    queues: Queues,
    results: ResultStore,
}

impl Bench {
    async fn open() -> anyhow::Result<Self> {
        let house = House::open().await?;
        let (queues, results) = (Queues::in_memory(), ResultStore::in_process(house.clock.clone()));
        let worker = Worker::new(WorkerParts {
            id: "worker".to_owned(),
            tasks: house.stores.tasks.clone(),
            quarantine: house.stores.quarantine.clone(),
            queues: queues.clone(),
            results: results.clone(),
            signals: Signals::in_process(),
            clock: house.clock.clone(),
            settings: WorkerSettings {
                queues: vec![ortolan_domain::route::QueueName::GpuJobs],
                concurrency: 8,
                lease: Duration::from_secs(30),
                job_timeout: Duration::from_secs(60),
                soft_limit: Duration::from_secs(60),
                hard_limit: Duration::from_secs(60),
                max_tries: 1,
                backoff: Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(1) },
                drain: Duration::from_secs(1),
            },
        });
        tokio::spawn(async move { worker.run(CancellationToken::new()).await });
        Ok(Self { house, queues, results })
    }

    /// Brings a new task to the point where its result is waited for.
    async fn running(&self) -> anyhow::Result<ortolan_domain::Task> {
        let id = self.house.submit().await?;
        let attempt = self.house.dispatch(id).await?.unwrap();
        self.queues.gpu.push(vec![(ortolan_domain::job::delivery_id(attempt), attempt)]).await?;
        self.until(id, |status| status == TaskStatus::Running).await
    }

    async fn until(
        &self,
        id: ortolan_domain::TaskId,
        there: impl Fn(TaskStatus) -> bool,
    ) -> anyhow::Result<ortolan_domain::Task> {
        loop {
            let task = self.house.task(id).await?;
            if there(task.status) {
                return Ok(task);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[test]
fn all_items_or_none() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::open()).unwrap();
    let cases = (0usize..12, prop::option::of((any::<prop::sample::Index>(), 0u8..6)));
    proptest!(ProptestConfig::with_cases(CASES), |((count, fault) in cases)| {
        case(&runtime, async {
            let task = bench.running().await?;
            let mut items = vec![good_item(); count];
            let fault = fault.filter(|_| count > 0).map(|(index, how)| (index.index(count), how));
            if let Some((index, how)) = fault {
                spoil(&mut items[index], how);
            }
            let bytes = serde_json::to_vec(&result_of(&task, items))?;
            let attempt = Attempt { task_id: task.spec.id, attempt: task.attempt };
            bench.results.put(attempt, bytes.into()).await?;
            let ended = bench.until(task.spec.id, TaskStatus::is_terminal).await?;
            let stored = bench.house.artifact_count(task.spec.id).await?;
            match fault {
                None => anyhow::ensure!((ended.status, stored) == (TaskStatus::Completed, count as u64), "{ended:?} with {stored}"),
                Some((index, _)) => {
                    let error = ended.error.unwrap();
                    anyhow::ensure!((ended.status, stored, error.code) == (TaskStatus::Failed, 0, ErrorCode::InvalidResult), "{error:?}");
                    anyhow::ensure!(error.detail.starts_with(&format!("item {index}: ")), "{}", error.detail);
                }
            }
            bench.house.check(task.spec.id).await
        })?;
    });
}
