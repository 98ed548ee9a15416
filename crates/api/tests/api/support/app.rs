//! The application under test.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use ortolan_api::auth::secret::hash_key;
use ortolan_api::{ApiParts, ApiSettings, ApiState, Reconcile, ReconcileStats, router};
use ortolan_blobs::Blobs;
use ortolan_dispatch::Dispatcher;
use ortolan_domain::artifact::Artifact;
use ortolan_domain::job::Attempt;
use ortolan_domain::{KeyId, ManualClock, RunId, Scope, Task, TaskId, TenantId, Timestamp};
use ortolan_queue::Queues;
use ortolan_results::{Cache, Signals, TaskSignal};
use ortolan_store::{
    Claim, Completion, DispatchLimits, Failure, Fate, Fence, NewKey, SqliteSettings, Stores, TaskChange, TaskObserver,
};
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::ml::RecordingMl;

const OPERATOR_KEY: &str = "operator-key-operator-key-operator-key";

/// The application in a folder of its own. Dispatch runs only when a test says so, so that states stand still.
pub struct TestApp {
    pub router: Router,
    pub wired: Wired,
    pub ml: Arc<RecordingMl>,
    pub clock: Arc<ManualClock>,
    pub stop: CancellationToken,
    folder: tempfile::TempDir,
}

/// What lies behind the application.
#[derive(Clone)]
pub struct Wired {
    pub stores: Stores,
    pub signals: Signals,
    pub dispatcher: Arc<Dispatcher>,
    pub blobs: Blobs,
    pub cache: Cache,
}

/// Carries committed changes to whoever watches, as every service does it.
struct Announce(Signals, OnceLock<Arc<Dispatcher>>);

impl TaskObserver for Announce {
    fn changed(&self, changes: &[TaskChange]) {
        let signal = |change: &TaskChange| TaskSignal {
            attempt: change.attempt,
            tenant_id: change.tenant_id,
            queue: change.queue,
            status: change.status,
            version: change.version,
        };
        self.0.publish_changes(&changes.iter().map(signal).collect::<Vec<_>>());
        let _ = self.1.get().map(|dispatcher| changes.iter().for_each(|change| dispatcher.nudge(change.queue)));
    }
}

struct CountedReconcile;

#[async_trait]
impl Reconcile for CountedReconcile {
    async fn run_once(&self) -> ReconcileStats {
        ReconcileStats {
            pending_checked: 3,
            errors: vec!["a secret of another tenant".to_owned()],
            ..Default::default()
        }
    }
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut ApiSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(Timestamp::parse_rfc3339("2026-01-02T03:04:05Z").unwrap());
        let signals = Signals::in_process();
        let announce = Arc::new(Announce(signals.clone(), OnceLock::new()));
        let database = SqliteSettings::at(folder.path().join("ortolan.db"));
        let stores = Stores::sqlite(database, announce.clone()).await.unwrap();
        stores.migrate().await.unwrap();
        let limits = DispatchLimits { window: 1_000, per_tenant: 1_000 };
        let dispatcher = Arc::new(Dispatcher::new(stores.tasks.clone(), Queues::in_memory(), clock.clone(), limits));
        let _ = announce.1.set(dispatcher.clone());
        let blobs = Blobs::local(&folder.path().join("objects")).unwrap().named("pictures");
        let cache = Cache::in_process(clock.clone());
        let wired = Wired { stores, signals, dispatcher, cache, blobs };
        let mut settings = ApiSettings { watch_interval: Duration::from_secs(3600), ..ApiSettings::default() };
        change(&mut settings);
        let (ml, stop) = (RecordingMl::new(wired.blobs.clone()), CancellationToken::new());
        let router = wired.router(&ml, &clock, &stop, settings);
        let app = Self { router, wired, ml, clock, stop, folder };
        app.create_operator_key().await;
        app
    }

    /// Another API process beside this one: the same database, signals and shared cache.
    pub fn beside(&self) -> Router {
        self.beside_with(ApiSettings::default())
    }

    /// The same with settings of its own.
    pub fn beside_with(&self, settings: ApiSettings) -> Router {
        self.wired.router(&self.ml, &self.clock, &self.stop, settings)
    }

    async fn create_operator_key(&self) {
        let key = NewKey {
            id: KeyId::generate(),
            tenant_id: None,
            name: "operator".to_owned(),
            scopes: [Scope::Operator].into_iter().collect(),
            hash: hash_key(OPERATOR_KEY),
            created_at: Timestamp::default(),
        };
        self.wired.stores.tenants.create_key(&key).await.unwrap();
    }

    /// The operator.
    pub fn operator(&self) -> Client {
        self.nobody().with_key(OPERATOR_KEY)
    }

    /// A client without a key.
    pub fn nobody(&self) -> Client {
        Client::new(self.router.clone())
    }

    /// A new tenant and a key of it that may do anything there.
    pub async fn tenant(&self, name: &str) -> Client {
        let made = self.operator().post("/tenants", serde_json::json!({ "name": name })).await.is(201);
        self.key(made.json["id"].as_str().unwrap(), &["read", "write", "admin"]).await
    }

    /// A new key of a tenant.
    pub async fn key(&self, tenant_id: &str, scopes: &[&str]) -> Client {
        let wish = serde_json::json!({ "name": "test", "scopes": scopes });
        let made = self.operator().post(&format!("/tenants/{tenant_id}/keys"), wish).await.is(201);
        self.nobody().with_key(made.json["key"].as_str().unwrap())
    }

    /// The time that the application sees.
    pub fn now(&self) -> Timestamp {
        ortolan_domain::Clock::now(&*self.clock)
    }

    /// Where the objects lie.
    pub fn objects_folder(&self) -> PathBuf {
        self.folder.path().join("objects")
    }

    /// All files in the object store, as paths below its root.
    pub fn objects(&self) -> Vec<String> {
        let root = self.objects_folder();
        let mut folders = vec![root.clone()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path: PathBuf = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path.strip_prefix(&root).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        files.sort();
        files
    }
}

impl Wired {
    fn router(
        &self,
        ml: &Arc<RecordingMl>,
        clock: &Arc<ManualClock>,
        stop: &CancellationToken,
        settings: ApiSettings,
    ) -> Router {
        let state = ApiState::new(ApiParts {
            stores: self.stores.clone(),
            dispatcher: self.dispatcher.clone(),
            signals: self.signals.clone(),
            blobs: self.blobs.clone(),
            inference: ml.clone(),
            cache: self.cache.clone(),
            counters: self.cache.clone(),
            reconcile: Arc::new(CountedReconcile),
            clock: clock.clone(),
            fetch: None,
            stop: stop.clone(),
            settings,
        });
        let alive = axum::routing::get(async || "alive");
        router(state, Router::new().route("/health/live", alive))
    }

    /// Moves everything that is pending into the queues.
    pub async fn dispatch(&self) {
        for queue in ortolan_domain::route::QueueName::TASKS {
            self.dispatcher.dispatch_once(queue).await.unwrap();
        }
    }

    /// Takes a queued task as a worker would.
    pub async fn claim(&self, task: &str) -> Task {
        let fence = self.fence(task).await;
        let (run_id, now) = (RunId::generate(), Timestamp::parse_rfc3339("2026-01-02T03:04:06Z").unwrap());
        let claim = Claim { fence, run_id, now, lease: Duration::from_secs(60), limit: Duration::from_secs(600) };
        self.stores.tasks.claim(claim).await.unwrap().unwrap()
    }

    /// Dispatches and takes a task.
    pub async fn run(&self, task: &str) -> Task {
        self.dispatch().await;
        self.claim(task).await
    }

    /// Ends a running task well.
    pub async fn complete(&self, task: &Task) {
        self.complete_with(task, Vec::new()).await;
    }

    /// Ends a running task well, with these artifacts.
    pub async fn complete_with(&self, task: &Task, artifacts: Vec<Artifact>) {
        let now = Timestamp::parse_rfc3339("2026-01-02T03:04:07Z").unwrap();
        let fence = self.fence(&task.spec.id.to_string()).await;
        let completion = Completion { fence, now, artifacts, inference_time_ms: Some(1.5) };
        assert!(self.stores.tasks.complete(completion).await.unwrap());
    }

    /// Ends a running task badly.
    pub async fn fail(&self, task: &Task) {
        let error = ortolan_domain::task::TaskError {
            code: ortolan_domain::ErrorCode::RunFailed,
            detail: "the model failed".to_owned(),
        };
        let now = Timestamp::parse_rfc3339("2026-01-02T03:04:07Z").unwrap();
        let failure = Failure { fence: self.fence(&task.spec.id.to_string()).await, now, error, fate: Fate::Final };
        assert!(self.stores.tasks.fail(failure).await.unwrap());
    }

    async fn fence(&self, task: &str) -> Fence {
        let task_id: TaskId = task.parse().unwrap();
        let attempt = self.task(task_id).await.attempt;
        Fence { attempt: Attempt { task_id, attempt }, owner: "worker-1".to_owned() }
    }

    async fn task(&self, id: TaskId) -> Task {
        for tenant in self.stores.tenants.tenants(100, 0).await.unwrap().items {
            let tenant: TenantId = tenant.id;
            if let Some(task) = self.stores.tasks.get(tenant, id).await.unwrap() {
                return task;
            }
        }
        panic!("no such task");
    }
}
