//! A database of its own with one tenant, and the everyday steps of a task.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use ortolan_domain::invariant::{ArtifactFacts, Moment, check_history, check_task};
use ortolan_domain::job::Attempt;
use ortolan_domain::route::QueueName;
use ortolan_domain::task::NewTask;
use ortolan_domain::{Clock, Origin, Priority, RunId, SystemClock, Task, TaskId, TaskType, TenantId, TenantSlug};
use ortolan_store::{
    Claim, DispatchLimits, Fence, PostgresSettings, SqliteSettings, Stores, Submission, TaskChange, TaskObserver,
    Tenant,
};
use ortolan_testkit::OwnDatabase;
use serde_json::value::RawValue;
use tempfile::TempDir;

/// No limit that a property would meet.
pub const LIMITS: DispatchLimits = DispatchLimits { window: 10_000, per_tenant: 10_000 };

/// Where a database lies; it is gone when this is dropped.
pub enum Home {
    /// SQLite in a folder.
    Folder(TempDir),
    /// PostgreSQL.
    Postgres(OwnDatabase),
}

impl Home {
    /// A folder of its own for SQLite.
    pub fn folder() -> Result<Self> {
        Ok(Self::Folder(tempfile::tempdir()?))
    }

    /// A database of its own on the PostgreSQL server for tests.
    pub fn postgres() -> Result<Self> {
        Ok(Self::Postgres(OwnDatabase::create("props")?))
    }

    /// Opens the database with its schema.
    pub async fn open(&self, observer: Arc<dyn TaskObserver>) -> Result<Stores> {
        let stores = match self {
            Self::Folder(folder) => {
                Stores::sqlite(SqliteSettings::at(folder.path().join("ortolan.db")), observer).await?
            }
            Self::Postgres(database) => {
                let settings = PostgresSettings { max_connections: 8, ..PostgresSettings::at(database.url()) };
                Stores::postgres(settings, observer).await?
            }
        };
        stores.migrate().await?;
        Ok(stores)
    }
}

/// Writes down every change that it hears of.
#[derive(Default)]
pub struct Heard(Mutex<Vec<TaskChange>>);

impl TaskObserver for Heard {
    fn changed(&self, changes: &[TaskChange]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(changes);
    }
}

impl Heard {
    /// All that was heard of a task, by version.
    pub fn moments(&self, id: TaskId) -> Vec<Moment> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_task = heard.iter().filter(|change| change.attempt.task_id == id);
        let mut moments: Vec<_> = of_task
            .map(|change| Moment { status: change.status, attempt: change.attempt.attempt, version: change.version })
            .collect();
        moments.sort_by_key(|moment| moment.version);
        moments
    }
}

/// A database of its own with one tenant.
pub struct House {
    /// The ports.
    pub stores: Stores,
    /// The tenant.
    pub tenant: Tenant,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// All changes there were.
    pub heard: Arc<Heard>,
    _home: Home,
}

impl House {
    /// An empty database in a folder, in the machine's time.
    pub async fn open() -> Result<Self> {
        Self::in_home(Home::folder()?, SystemClock::shared()).await
    }

    /// An empty database at home somewhere, in some time.
    pub async fn in_home(home: Home, clock: Arc<dyn Clock>) -> Result<Self> {
        let heard = Arc::new(Heard::default());
        let stores = home.open(heard.clone()).await?;
        let tenant = new_tenant(&stores, "acme", &*clock).await?;
        Ok(Self { stores, tenant, clock, heard, _home: home })
    }

    /// Another tenant.
    pub async fn another_tenant(&self, name: &str) -> Result<Tenant> {
        new_tenant(&self.stores, name, &*self.clock).await
    }

    /// A detection task that is not submitted yet.
    pub fn new_task(&self) -> Result<NewTask> {
        Ok(NewTask {
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
            origin: Origin::default(),
        })
    }

    /// Submits a detection task.
    pub async fn submit(&self) -> Result<TaskId> {
        self.submit_task(self.new_task()?).await
    }

    /// Submits a no-op that takes so long.
    pub async fn submit_noop(&self, sleep_ms: u64) -> Result<TaskId> {
        let config = RawValue::from_string(format!("{{\"sleep_ms\": {sleep_ms}}}"))?;
        let task = NewTask { task_type: TaskType::Noop, queue: QueueName::CpuJobs, config, ..self.new_task()? };
        self.submit_task(task).await
    }

    /// Submits a task.
    pub async fn submit_task(&self, task: NewTask) -> Result<TaskId> {
        match self.stores.tasks.submit(task, None).await? {
            Submission::Created(task) => Ok(task.spec.id),
            other => anyhow::bail!("not created: {other:?}"),
        }
    }

    /// The task as it stands.
    pub async fn task(&self, id: TaskId) -> Result<Task> {
        self.stores.tasks.get(self.tenant.id, id).await?.context("the task is gone")
    }

    /// Waits until a task is as wanted; what never comes hangs the property, and so fails it.
    pub async fn until(&self, id: TaskId, is_there: impl Fn(&Task) -> bool) -> Result<Task> {
        loop {
            let task = self.task(id).await?;
            if is_there(&task) {
                return Ok(task);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Dispatches everything; gives the task's attempt if it was among it.
    pub async fn dispatch(&self, id: TaskId) -> Result<Option<Attempt>> {
        let moved = self.stores.tasks.dispatch(QueueName::GpuJobs, LIMITS, self.clock.now()).await?;
        Ok(moved.into_iter().map(|change| change.attempt).find(|attempt| attempt.task_id == id))
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

    /// Checks the invariants of one task and of its history.
    pub async fn check(&self, id: TaskId) -> Result<()> {
        let task = self.task(id).await?;
        let page = self.stores.tasks.artifacts(self.tenant.id, id, 100, 0).await?.context("the task is gone")?;
        let runs: BTreeSet<_> = page.items.iter().map(|artifact| artifact.provenance.run_id).collect();
        let facts = ArtifactFacts { count: page.total, runs: runs.len() as u64 };
        let mut broken = check_task(&task, &facts);
        broken.extend(check_history(id, &self.heard.moments(id)));
        anyhow::ensure!(broken.is_empty(), "{broken:?} in {task:?}");
        anyhow::ensure!(runs.iter().all(|run| Some(*run) == task.run_id), "artifacts of another run");
        Ok(())
    }
}

async fn new_tenant(stores: &Stores, name: &str, clock: &dyn Clock) -> Result<Tenant> {
    let (id, name) = (TenantId::generate(), TenantSlug::parse(name)?);
    let tenant = Tenant { id, name, display_name: None, disabled: false, created_at: clock.now() };
    stores.tenants.create_tenant(&tenant).await?;
    Ok(tenant)
}
