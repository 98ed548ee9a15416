//! Properties: statements that hold for all inputs, each in a file of its own in `tests/`, tried on at least 100 cases.
//!
//! The databases, queues and workers in here are the real ones of the embedded profile; nothing is mocked.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ortolan_domain::artifact::ArtifactType;
use ortolan_domain::job::{Attempt, MlItem, MlOutcome, MlResult, Provenance, Timings};
use ortolan_domain::route::QueueName;
use ortolan_domain::task::NewTask;
use ortolan_domain::{Clock, Priority, RunId, SystemClock, Task, TaskId, TaskStatus, TaskType, TenantId, TenantSlug};
use ortolan_store::{
    Claim, DispatchLimits, Fence, SqliteSettings, Stores, Submission, TaskChange, TaskObserver, Tenant,
};
use serde_json::json;
use serde_json::value::RawValue;
use tempfile::TempDir;

/// How many cases each property is tried on.
pub const CASES: u32 = 128;
/// No limit that a property would meet.
pub const LIMITS: DispatchLimits = DispatchLimits { window: 10_000, per_tenant: 10_000 };

/// A database of its own with one tenant.
pub struct House {
    /// The ports.
    pub stores: Stores,
    /// The tenant.
    pub tenant: Tenant,
    /// The time.
    pub clock: Arc<dyn Clock>,
    _folder: TempDir,
}

struct Deaf;

impl TaskObserver for Deaf {
    fn changed(&self, _: &[TaskChange]) {}
}

impl House {
    /// An empty database.
    pub async fn open() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let stores = Stores::sqlite(SqliteSettings::at(folder.path().join("ortolan.db")), Arc::new(Deaf)).await?;
        stores.migrate().await?;
        let clock = SystemClock::shared();
        let name = TenantSlug::parse("acme")?;
        let tenant =
            Tenant { id: TenantId::generate(), name, display_name: None, disabled: false, created_at: clock.now() };
        stores.tenants.create_tenant(&tenant).await?;
        Ok(Self { stores, tenant, clock, _folder: folder })
    }

    /// Submits a detection task.
    pub async fn submit(&self) -> Result<TaskId> {
        let task = NewTask {
            id: TaskId::generate(),
            tenant_id: self.tenant.id,
            tenant: self.tenant.name.clone(),
            task_type: TaskType::ObjectDetection,
            queue: QueueName::GpuJobs,
            priority: Priority::Normal,
            config: RawValue::from_string("{}".to_owned())?,
            config_hash: "c".repeat(64),
            input: None,
            created_at: self.clock.now(),
            expires_at: None,
        };
        match self.stores.tasks.submit(task, None).await? {
            Submission::Created(task) => Ok(task.spec.id),
            other => anyhow::bail!("not created: {other:?}"),
        }
    }

    /// The task as it stands.
    pub async fn task(&self, id: TaskId) -> Result<Task> {
        self.stores.tasks.get(self.tenant.id, id).await?.context("the task is gone")
    }

    /// Dispatches everything; gives the task's attempt if it was among it.
    pub async fn dispatch(&self, id: TaskId) -> Result<Option<Attempt>> {
        let attempts = self.stores.tasks.dispatch(QueueName::GpuJobs, LIMITS, self.clock.now()).await?;
        Ok(attempts.into_iter().find(|attempt| attempt.task_id == id))
    }

    /// Claims an attempt for `owner`.
    pub async fn claim(&self, attempt: Attempt, owner: &str) -> Result<Option<Task>> {
        let claim = Claim {
            fence: Fence { attempt, owner: owner.to_owned() },
            run_id: RunId::generate(),
            now: self.clock.now(),
            lease: Duration::from_secs(60),
            limit: Duration::from_secs(600),
        };
        Ok(self.stores.tasks.claim(claim).await?)
    }

    /// How many artifacts the task has.
    pub async fn artifact_count(&self, id: TaskId) -> Result<u64> {
        let page = self.stores.tasks.artifacts(self.tenant.id, id, 100, 0).await?;
        Ok(page.context("the task is gone")?.total)
    }

    /// Checks the invariants of one task.
    pub async fn check(&self, id: TaskId) -> Result<()> {
        let task = self.task(id).await?;
        let page = self.stores.tasks.artifacts(self.tenant.id, id, 100, 0).await?.context("the task is gone")?;
        let runs: std::collections::BTreeSet<_> = page.items.iter().map(|a| a.provenance.run_id).collect();
        let facts = ortolan_domain::invariant::ArtifactFacts { count: page.total, runs: runs.len() as u64 };
        let broken = ortolan_domain::invariant::check_task(&task, &facts);
        anyhow::ensure!(broken.is_empty(), "{broken:?} in {task:?}");
        anyhow::ensure!(
            page.items.iter().all(|a| Some(a.provenance.run_id) == task.run_id),
            "artifacts of another run"
        );
        Ok(())
    }
}

/// What an ML service answers for `task` with these items.
pub fn result_of(task: &Task, items: Vec<MlItem>) -> MlResult {
    let provenance = Provenance {
        run_id: task.run_id.unwrap_or_else(RunId::generate),
        config_hash: task.spec.config_hash.clone(),
        input_hash: "i".repeat(64),
        producer: "test".to_owned(),
        producer_version: "1".to_owned(),
        model_profile: "balanced".to_owned(),
        model_sha256: Some("m".repeat(64)),
    };
    let attempt = Attempt { task_id: task.spec.id, attempt: task.attempt };
    MlResult { attempt, provenance, timings: Timings::default(), outcome: MlOutcome::Items(items) }
}

/// A detection that passes its schema.
pub fn good_item() -> MlItem {
    let payload = json!({"label": "circle", "class_id": 0, "confidence": 0.5, "frame_number": 0,
        "bounding_box": {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0}});
    MlItem { artifact_type: ArtifactType::ObjectDetection, span_start_ms: 0, span_end_ms: 0, payload }
}

/// Runs one asynchronous case and turns its error into a failed one.
pub fn case<F: Future<Output = Result<()>>>(
    runtime: &tokio::runtime::Runtime,
    future: F,
) -> Result<(), proptest::test_runner::TestCaseError> {
    runtime.block_on(future).map_err(|error| proptest::test_runner::TestCaseError::fail(format!("{error:#}")))
}

/// Asserts that a status is reached by one of the legal moves.
pub fn legal(from: TaskStatus, to: TaskStatus) -> Result<()> {
    anyhow::ensure!(from == to || ortolan_domain::invariant::is_legal(from, to), "{from} became {to}");
    Ok(())
}
