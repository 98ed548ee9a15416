//! What is forgotten when its time is up, and what never is.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use ortolan_dispatch::Dispatcher;
use ortolan_domain::job::Attempt;
use ortolan_domain::route::QueueName;
use ortolan_domain::task::NewTask;
use ortolan_domain::{
    Clock, ManualClock, Origin, Priority, RunId, TaskId, TaskStatus, TaskType, TenantId, TenantSlug, Timestamp,
};
use ortolan_queue::Queues;
use ortolan_reconciler::{Reconciler, ReconcilerParts, ReconcilerSettings};
use ortolan_results::{ResultStore, Signals};
use ortolan_store::{
    Claim, CrashPair, DispatchLimits, Fence, Idempotency, SqliteSettings, Stores, TaskChange, TaskObserver, Tenant,
};
use serde_json::value::RawValue;

const DAY: Duration = Duration::from_secs(24 * 3600);
const LIMITS: DispatchLimits = DispatchLimits { window: 0, per_tenant: 0 };
const WIDE: DispatchLimits = DispatchLimits { window: 100, per_tenant: 100 };

struct Deaf;

impl TaskObserver for Deaf {
    fn changed(&self, _: &[TaskChange]) {}
}

struct Bench {
    stores: Stores,
    clock: Arc<ManualClock>,
    signals: Signals,
    tenant: Tenant,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(Timestamp::from_micros(1_800_000_000_000_000));
        let stores = Stores::sqlite(SqliteSettings::at(folder.path().join("x.db")), Arc::new(Deaf)).await.unwrap();
        stores.migrate().await.unwrap();
        let name = TenantSlug::parse("acme").unwrap();
        let tenant =
            Tenant { id: TenantId::generate(), name, display_name: None, disabled: false, created_at: clock.now() };
        stores.tenants.create_tenant(&tenant).await.unwrap();
        Self { stores, clock, signals: Signals::in_process(), tenant, _folder: folder }
    }

    fn reconciler(&self) -> Reconciler {
        self.reconciler_of(Queues::in_memory(), LIMITS)
    }

    fn reconciler_of(&self, queues: Queues, limits: DispatchLimits) -> Reconciler {
        let dispatcher = Dispatcher::new(self.stores.tasks.clone(), queues.clone(), self.clock.clone(), limits);
        Reconciler::new(ReconcilerParts {
            id: "reconciler".to_owned(),
            tasks: self.stores.tasks.clone(),
            processes: self.stores.processes.clone(),
            predictions: self.stores.predictions.clone(),
            quarantine: self.stores.quarantine.clone(),
            results: ResultStore::in_process(self.clock.clone()),
            signals: self.signals.clone(),
            queues,
            dispatcher: Arc::new(dispatcher),
            orphans: None,
            clock: self.clock.clone(),
            settings: ReconcilerSettings {
                interval: DAY,
                quick_interval: DAY,
                lost_after: DAY,
                long_running_after: DAY,
                retention: 30 * DAY,
                max_crashes: 3,
            },
        })
    }

    async fn task(&self) -> TaskId {
        self.task_with(None).await
    }

    async fn task_with(&self, idempotency: Option<Idempotency>) -> TaskId {
        let task = NewTask {
            id: TaskId::generate(),
            tenant_id: self.tenant.id,
            tenant: self.tenant.name.clone(),
            task_type: TaskType::Noop,
            queue: QueueName::CpuJobs,
            priority: Priority::Normal,
            config: RawValue::from_string("{}".to_owned()).unwrap(),
            config_hash: "c".to_owned(),
            input: None,
            created_at: self.clock.now(),
            expires_at: None,
            origin: Origin::default(),
        };
        let id = task.id;
        self.stores.tasks.submit(task, idempotency).await.unwrap();
        id
    }

    /// Claims the task as a worker that is not heard of again for so long.
    async fn run(&self, id: TaskId, lease: Duration) -> Attempt {
        let (attempt, now) = (Attempt { task_id: id, attempt: 1 }, self.clock.now());
        self.stores.tasks.enqueue(self.tenant.id, id, now).await.unwrap();
        let fence = Fence { attempt, owner: "worker".to_owned() };
        let claim = Claim { fence, run_id: RunId::generate(), now, lease, limit: lease };
        self.stores.tasks.claim(claim).await.unwrap().unwrap();
        attempt
    }

    async fn cancel(&self, id: TaskId) {
        self.stores.tasks.cancel(self.tenant.id, id, self.clock.now()).await.unwrap();
    }

    async fn crash(&self, input: &str) -> i64 {
        let pair = CrashPair { model_sha256: "m".to_owned(), input_hash: input.to_owned() };
        let recorded = self.stores.quarantine.record_crash(self.tenant.id, &pair, "detect", self.clock.now());
        recorded.await.unwrap().crashes
    }

    async fn status(&self, id: TaskId) -> Option<TaskStatus> {
        self.stores.tasks.get(self.tenant.id, id).await.unwrap().map(|task| task.status)
    }
}

#[tokio::test]
async fn ended_jobs_and_crashes_go_after_their_time_and_what_waits_never() {
    let bench = Bench::open().await;
    let (old, waiting) = (bench.task().await, bench.task().await);
    bench.cancel(old).await;
    for input in ["old", "again"] {
        assert_eq!(bench.crash(input).await, 1);
    }
    bench.clock.advance(31 * DAY);
    let young = bench.task().await;
    bench.cancel(young).await;
    assert_eq!(bench.crash("again").await, 2);

    let report = bench.reconciler().run_once().await;
    assert_eq!(report.errors, Vec::<String>::new());
    assert_eq!((report.ended_deleted, report.crashes_forgotten), (1, 1));
    assert_eq!(bench.status(old).await, None);
    assert_eq!(bench.status(young).await, Some(TaskStatus::Cancelled));
    assert_eq!(bench.status(waiting).await, Some(TaskStatus::Pending));
    assert_eq!(bench.crash("old").await, 1, "counted anew");
    assert_eq!(bench.crash("again").await, 3, "what crashed lately is remembered with all that was before");
}

#[tokio::test]
async fn expired_idempotency_keys_go_all_at_once_however_many() {
    const COUNT: u64 = 1_200;
    let bench = Bench::open().await;
    let expires_at = bench.clock.now().plus(DAY);
    let key = |key: String| Some(Idempotency { key, request_hash: "h".to_owned(), expires_at });
    for number in 0..COUNT {
        bench.task_with(key(number.to_string())).await;
    }
    let reconciler = bench.reconciler();
    assert_eq!(reconciler.run_once().await.idempotency_keys_forgotten, 0);
    bench.clock.advance(DAY);
    assert_eq!(reconciler.run_once().await.idempotency_keys_forgotten, COUNT);
}

#[tokio::test]
async fn a_delivery_that_nobody_takes_stays_the_only_one_of_its_task() {
    let bench = Bench::open().await;
    let (queues, mut tasks) = (Queues::in_memory(), Vec::new());
    for _ in 0..5 {
        tasks.push(bench.task().await);
    }
    let reconciler = bench.reconciler_of(queues, WIDE);
    let report = reconciler.run_once().await;
    assert_eq!((report.pending_checked, report.pending_reenqueued), (5, 5));
    for _ in 0..10 {
        bench.clock.advance(2 * DAY);
        let report = reconciler.run_once().await;
        assert_eq!((report.pending_checked, report.pending_reenqueued), (5, 0), "they wait where they are");
    }
    for id in &tasks {
        let task = bench.stores.tasks.get(bench.tenant.id, *id).await.unwrap().unwrap();
        assert_eq!((task.status, task.attempt), (TaskStatus::Queued, 1));
    }
    // The broker loses them all.
    let report = bench.reconciler_of(Queues::in_memory(), WIDE).run_once().await;
    assert_eq!(report.pending_reenqueued, 5);
}

#[tokio::test]
async fn a_long_run_is_reported_and_left_alone() {
    let bench = Bench::open().await;
    let id = bench.task().await;
    bench.run(id, 3 * DAY).await;
    let reconciler = bench.reconciler();
    assert_eq!(reconciler.run_once().await.long_running_alerted, 0);
    bench.clock.advance(2 * DAY);
    let report = reconciler.run_once().await;
    assert_eq!((report.running_checked, report.long_running_alerted, report.running_synced), (1, 1, 0));
    assert_eq!(bench.status(id).await, Some(TaskStatus::Running));
}

#[tokio::test]
async fn a_run_whose_lease_ran_out_is_told_to_stop_wherever_it_is() {
    let bench = Bench::open().await;
    let (lost, held) = (bench.task().await, bench.task().await);
    let attempt = bench.run(lost, Duration::from_secs(15)).await;
    bench.run(held, DAY).await;
    let mut cancels = bench.signals.cancels();
    bench.clock.advance(Duration::from_secs(16));
    assert_eq!(bench.reconciler().run_quick().await.running_synced, 1);
    assert_eq!(cancels.try_recv().unwrap(), attempt);
    assert!(cancels.try_recv().is_err(), "the other one's worker is well");
    assert_eq!(bench.status(held).await, Some(TaskStatus::Running));
}
