//! A fresh database with one tenant, and the everyday steps of a task.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ortolan_domain::artifact::{Artifact, ArtifactType};
use ortolan_domain::invariant::{ArtifactFacts, check_task};
use ortolan_domain::job::{Attempt, Provenance};
use ortolan_domain::route::QueueName;
use ortolan_domain::task::{NewTask, TaskError};
use ortolan_domain::{
    ArtifactId, ErrorCode, Origin, Priority, RunId, Task, TaskId, TaskStatus, TaskType, TenantId, TenantSlug,
    Timestamp, TraceContext,
};
use ortolan_store::{
    CancelOutcome, Claim, Completion, DispatchLimits, Failure, Fate, Fence, Idempotency, PostgresSettings,
    SqliteSettings, StoreError, Stores, Submission, TaskChange, TaskObserver, Tenant,
};

pub(crate) const WIDE: DispatchLimits = DispatchLimits { window: 1000, per_tenant: 1000 };
pub(crate) const QUEUE: QueueName = QueueName::CpuJobs;

/// Where the database is.
#[derive(Clone)]
pub(crate) enum Home {
    Sqlite(PathBuf),
    Postgres(String),
}

/// Writes down every change that it hears of.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<TaskChange>>);

impl TaskObserver for Heard {
    fn changed(&self, changes: &[TaskChange]) {
        self.0.lock().unwrap().extend_from_slice(changes);
    }
}

impl Heard {
    /// What was heard of a task, in order.
    pub(crate) fn of(&self, id: TaskId) -> Vec<TaskChange> {
        self.0.lock().unwrap().iter().filter(|change| change.attempt.task_id == id).cloned().collect()
    }
}

#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) stores: Stores,
    pub(crate) heard: Arc<Heard>,
    pub(crate) tenant: Tenant,
    pub(crate) home: Home,
}

/// The instant `seconds` after the tests' beginning of time.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + seconds * 1_000_000)
}

pub(crate) async fn open(home: &Home, heard: Arc<Heard>) -> Result<Stores, StoreError> {
    match home {
        Home::Sqlite(path) => Stores::sqlite(SqliteSettings::at(path), heard).await,
        Home::Postgres(url) => {
            let settings = PostgresSettings { max_connections: 8, ..PostgresSettings::at(url) };
            Stores::postgres(settings, heard).await
        }
    }
}

impl Fixture {
    pub(crate) async fn open(home: Home) -> Self {
        let heard = Arc::new(Heard::default());
        let stores = open(&home, heard.clone()).await.unwrap();
        stores.migrate().await.unwrap();
        let tenant = new_tenant("alpha");
        stores.tenants.create_tenant(&tenant).await.unwrap();
        Self { stores, heard, tenant, home }
    }

    pub(crate) async fn another_tenant(&self, name: &str) -> Tenant {
        let tenant = new_tenant(name);
        self.stores.tenants.create_tenant(&tenant).await.unwrap();
        tenant
    }

    pub(crate) fn new_task(&self) -> NewTask {
        task_of(&self.tenant)
    }

    pub(crate) async fn submit(&self, task: NewTask) -> TaskId {
        let id = task.id;
        assert!(matches!(self.stores.tasks.submit(task, None).await, Ok(Submission::Created(_))));
        id
    }

    pub(crate) async fn submit_with(&self, task: NewTask, idempotency: Idempotency) -> Submission {
        self.stores.tasks.submit(task, Some(idempotency)).await.unwrap()
    }

    pub(crate) async fn get(&self, id: TaskId) -> Task {
        self.stores.tasks.get(self.tenant.id, id).await.unwrap().unwrap()
    }

    pub(crate) async fn dispatch(&self, limits: DispatchLimits) -> Vec<Attempt> {
        self.dispatch_at(limits, 0).await
    }

    /// What a dispatch moves, which must be something exactly when the question said so.
    pub(crate) async fn dispatch_at(&self, limits: DispatchLimits, time: i64) -> Vec<Attempt> {
        let is_foretold = self.stores.tasks.may_dispatch(QUEUE, limits, at(time)).await.unwrap();
        let moved = self.stores.tasks.dispatch(QUEUE, limits, at(time)).await.unwrap();
        assert_eq!(is_foretold, !moved.is_empty());
        moved.into_iter().map(|change| change.attempt).collect()
    }

    /// A queued task.
    pub(crate) async fn queued(&self) -> Attempt {
        let id = self.submit(self.new_task()).await;
        let moved = self.dispatch(WIDE).await;
        moved.into_iter().find(|attempt| attempt.task_id == id).unwrap()
    }

    /// A running task.
    pub(crate) async fn running(&self) -> (Fence, Task) {
        let fence = fence(self.queued().await);
        let task = self.stores.tasks.claim(claim(&fence, 1)).await.unwrap().unwrap();
        (fence, task)
    }

    /// A new task in this status, and its fence.
    pub(crate) async fn task_in(&self, status: TaskStatus) -> Fence {
        let nobody = |task_id| fence(Attempt { task_id, attempt: 0 });
        match status {
            TaskStatus::Pending => nobody(self.submit(self.new_task()).await),
            TaskStatus::Queued => fence(self.queued().await),
            TaskStatus::Running => self.running().await.0,
            TaskStatus::Completed => {
                let (fence, task) = self.running().await;
                assert!(self.stores.tasks.complete(completion(&fence, &task, 2, 1)).await.unwrap());
                fence
            }
            TaskStatus::Failed => {
                let (fence, _) = self.running().await;
                assert!(self.stores.tasks.fail(failure(&fence, Fate::Final)).await.unwrap());
                fence
            }
            TaskStatus::Cancelled => {
                let fence = nobody(self.submit(self.new_task()).await);
                let cancelled = self.stores.tasks.cancel(self.tenant.id, fence.attempt.task_id, at(2)).await;
                assert!(matches!(cancelled, Ok(CancelOutcome::Cancelled { .. })));
                fence
            }
        }
    }

    /// Checks the invariants of a task with its artifacts.
    pub(crate) async fn check(&self, id: TaskId) {
        let (task, artifacts) = (self.get(id).await, self.artifacts(id).await);
        let runs: std::collections::HashSet<_> = artifacts.iter().map(|one| one.provenance.run_id).collect();
        let facts = ArtifactFacts { count: artifacts.len() as u64, runs: runs.len() as u64 };
        assert_eq!(check_task(&task, &facts), []);
    }

    pub(crate) async fn artifacts(&self, id: TaskId) -> Vec<Artifact> {
        self.stores.tasks.artifacts(self.tenant.id, id, 10_000, 0).await.unwrap().unwrap().items
    }
}

pub(crate) fn new_tenant(name: &str) -> Tenant {
    let name = TenantSlug::parse(name).unwrap();
    Tenant { id: TenantId::generate(), name, display_name: None, disabled: false, created_at: at(0) }
}

pub(crate) fn task_of(tenant: &Tenant) -> NewTask {
    NewTask {
        id: TaskId::generate(),
        tenant_id: tenant.id,
        tenant: tenant.name.clone(),
        task_type: TaskType::Noop,
        queue: QUEUE,
        priority: Priority::Normal,
        config: serde_json::value::to_raw_value(&serde_json::json!({"sleep_ms": 5})).unwrap(),
        config_hash: "c".repeat(64),
        input: None,
        created_at: at(0),
        expires_at: None,
        origin: Origin {
            request_id: Some("request-1".to_owned()),
            trace: TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        },
    }
}

pub(crate) fn fence(attempt: Attempt) -> Fence {
    Fence { attempt, owner: "worker-1".to_owned() }
}

pub(crate) fn claim(fence: &Fence, seconds: i64) -> Claim {
    Claim {
        fence: fence.clone(),
        run_id: RunId::generate(),
        now: at(seconds),
        lease: Duration::from_secs(15),
        limit: Duration::from_secs(600),
    }
}

/// A completion with `count` artifacts of the task's run.
pub(crate) fn completion(fence: &Fence, task: &Task, seconds: i64, count: i32) -> Completion {
    let artifacts = (0..count).map(|ordinal| artifact(task, ordinal)).collect();
    Completion { fence: fence.clone(), now: at(seconds), artifacts, inference_time_ms: Some(12.5) }
}

pub(crate) fn artifact(task: &Task, ordinal: i32) -> Artifact {
    Artifact {
        id: ArtifactId::generate(),
        tenant_id: task.spec.tenant_id,
        task_id: task.spec.id,
        ordinal,
        artifact_type: ArtifactType::Classification,
        schema_version: 1,
        span_start_ms: 0,
        span_end_ms: i64::from(ordinal),
        payload: serde_json::json!({"label": "café", "confidence": 0.25, "rank": ordinal}),
        provenance: Provenance {
            run_id: task.run_id.unwrap(),
            config_hash: "c".repeat(64),
            input_hash: "i".repeat(64),
            producer: "ortolan".to_owned(),
            producer_version: "1.2.3".to_owned(),
            model_profile: "balanced".to_owned(),
            model_sha256: Some("m".repeat(64)),
            request_id: Some("request-1".to_owned()),
        },
        created_at: at(3),
    }
}

pub(crate) fn failure(fence: &Fence, fate: Fate) -> Failure {
    let error = TaskError { code: ErrorCode::RunFailed, detail: "the model failed".to_owned() };
    Failure { fence: fence.clone(), now: at(4), error, fate }
}

pub(crate) fn key(key: &str, request_hash: &str, expires_in: i64) -> Idempotency {
    Idempotency { key: key.to_owned(), request_hash: request_hash.to_owned(), expires_at: at(expires_in) }
}
