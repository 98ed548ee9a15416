//! The world: the real parts, what is on its way between them, and what has happened.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ortolan_dispatch::{DispatchLimits, Dispatcher};
use ortolan_domain::job::{Attempt, Delivery, MlJob};
use ortolan_domain::route::QueueName;
use ortolan_domain::time::ManualClock;
use ortolan_domain::{Origin, RunId, TaskId, TaskType, TenantId, TenantSlug, Timestamp};
use ortolan_queue::Queues;
use ortolan_reconciler::{Reconciler, ReconcilerParts, ReconcilerSettings};
use ortolan_results::{ResultStore, Signals};
use ortolan_store::{Stores, Tenant};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::action::{PARTS, TENANTS, WORKERS};
use super::audit::Audit;
use super::crew::{Hand, Parts};
use super::cut::Line;
use super::post::Post;
use super::refuser::full_queues;
use super::script::{Place, Terms};
use crate::{Heard, Home};

/// Small, so that they are met.
pub(super) const LIMITS: DispatchLimits = DispatchLimits { window: 3, per_tenant: 4 };
/// A row that is queued for longer is looked for in the broker.
pub(super) const UNDELIVERED_AFTER: Duration = Duration::from_secs(60);
/// So many lost leases are poison.
pub(super) const MAX_CRASHES: i32 = 3;
/// When the world begins.
const BEGINNING: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// Everything there is.
pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    pub(super) stores: Stores,
    pub(super) tenants: Vec<Tenant>,
    /// All tasks that were accepted, with their tenants.
    pub(super) tasks: Vec<(TenantId, TaskId)>,
    pub(super) lines: Vec<Arc<Line>>,
    pub(super) results: ResultStore,
    pub(super) broker_is_up: bool,
    /// With the broker, and without.
    dispatchers: [Arc<Dispatcher>; 2],
    reconcilers: [Reconciler; 2],
    task_posts: [Post<Delivery>; 2],
    ml_post: Post<MlJob>,
    /// Deliveries on their way to workers.
    pub(super) letters: Vec<Delivery>,
    /// Jobs on their way to the ML service.
    pub(super) jobs: Vec<MlJob>,
    /// Jobs that the ML service works on.
    pub(super) taken: Vec<MlJob>,
    pub(super) crew: Vec<Hand>,
    pub(super) audit: Audit,
    _home: Home,
}

impl World {
    /// A new world, empty but for its tenants.
    pub(super) async fn open(place: Place, terms: &Terms) -> Result<Self> {
        let clock = ManualClock::at(BEGINNING);
        let heard = Arc::new(Heard::default());
        let home = match place {
            Place::Sqlite => Home::folder()?,
            Place::Postgres => Home::postgres()?,
        };
        let stores = home.open(heard.clone()).await?;
        let tenants = make_tenants(&stores).await?;
        let lines: Vec<_> = (0..PARTS).map(|_| Line::to(stores.tasks.clone())).collect();
        let queues = Queues::in_memory();
        let full = full_queues().await?;
        let results = ResultStore::in_process(clock.clone());
        let each = [&queues, &full];
        let dispatchers =
            each.map(|queues| Arc::new(Dispatcher::new(lines[WORKERS].clone(), queues.clone(), clock.clone(), LIMITS)));
        let fast = ManualClock::at(BEGINNING.plus(terms.reconciler_ahead));
        let reconcilers = [0, 1].map(|which: usize| {
            let reconciling: Arc<dyn ortolan_domain::Clock> =
                if terms.reconciler_ahead.is_zero() { clock.clone() } else { fast.clone() };
            let line = lines[WORKERS + 1].clone();
            let dispatcher = Dispatcher::new(line.clone(), each[which].clone(), clock.clone(), LIMITS);
            Reconciler::new(ReconcilerParts {
                id: format!("reconciler-{which}"),
                tasks: line,
                processes: stores.processes.clone(),
                results: results.clone(),
                // What the ML service does for a run that is over changes nothing; that it is told to stop is shown elsewhere.
                signals: Signals::in_process(),
                predictions: stores.predictions.clone(),
                quarantine: stores.quarantine.clone(),
                queues: each[which].clone(),
                dispatcher: Arc::new(dispatcher),
                orphans: None,
                clock: reconciling,
                settings: reconciler_settings(),
            })
        });
        let parts = |number: usize| Parts {
            line: lines[number].clone(),
            quarantine: stores.quarantine.clone(),
            queues: each.map(Clone::clone),
            results: results.clone(),
            clock: clock.clone(),
        };
        let crew = (0..WORKERS).map(|number| Hand::new(number, parts(number))).collect();
        let task_posts = [&queues.gpu, &queues.cpu].map(|queue| Post::open(queue, no_attempt()));
        let ml_post = Post::open(&queues.ml, no_job()?);
        Ok(Self {
            audit: Audit::new(heard),
            clock,
            stores,
            tenants,
            tasks: Vec::new(),
            lines,
            results,
            broker_is_up: true,
            dispatchers,
            reconcilers,
            task_posts,
            ml_post,
            letters: Vec::new(),
            jobs: Vec::new(),
            taken: Vec::new(),
            crew,
            _home: home,
        })
    }

    /// The dispatcher, as it stands to the broker now.
    pub(super) fn dispatcher(&self) -> Arc<Dispatcher> {
        self.dispatchers[usize::from(!self.broker_is_up)].clone()
    }

    /// The reconciler, as it stands to the broker now.
    pub(super) fn reconciler(&self) -> Reconciler {
        self.reconcilers[usize::from(!self.broker_is_up)].clone()
    }

    /// Takes what was pushed into the hands of the post.
    pub(super) async fn collect(&mut self) -> Result<()> {
        for post in &mut self.task_posts {
            self.letters.extend(post.collect().await?);
        }
        self.jobs.extend(self.ml_post.collect().await?);
        Ok(())
    }

    /// The number of a task, for the log.
    pub(super) fn number(&self, id: TaskId) -> usize {
        self.tasks.iter().position(|(_, known)| *known == id).unwrap_or(usize::MAX)
    }

    /// An attempt, for the log.
    pub(super) fn name(&self, attempt: Attempt) -> String {
        format!("t{}:{}", self.number(attempt.task_id), attempt.attempt)
    }

    /// Ends the world.
    pub(super) async fn close(self) {
        self.stores.close().await;
    }
}

/// Chooses from a list, counted around; `None` when it is empty.
pub(super) fn choose(place: usize, length: usize) -> Option<usize> {
    (length > 0).then(|| place % length)
}

/// A queue by its number.
pub(super) const fn queue(number: usize) -> QueueName {
    QueueName::TASKS[number % QueueName::TASKS.len()]
}

async fn make_tenants(stores: &Stores) -> Result<Vec<Tenant>> {
    let mut tenants = Vec::new();
    for number in 0..TENANTS {
        let id = TenantId::from_uuid(Uuid::from_u128(1 + number as u128));
        let name = TenantSlug::parse(&format!("tenant{number}"))?;
        let tenant = Tenant { id, name, display_name: None, disabled: false, created_at: BEGINNING };
        stores.tenants.create_tenant(&tenant).await?;
        tenants.push(tenant);
    }
    Ok(tenants)
}

fn reconciler_settings() -> ReconcilerSettings {
    ReconcilerSettings {
        interval: Duration::from_secs(300),
        quick_interval: Duration::from_secs(5),
        // Deliveries leave the queue for the simulator's own post, where nobody else can look.
        lost_after: UNDELIVERED_AFTER,
        long_running_after: Duration::from_secs(600),
        retention: Duration::from_secs(100 * 365 * 24 * 3600),
        max_crashes: MAX_CRASHES,
    }
}

fn no_attempt() -> Attempt {
    Attempt { task_id: TaskId::from_uuid(Uuid::nil()), attempt: 0 }
}

fn no_job() -> Result<MlJob> {
    Ok(MlJob {
        attempt: no_attempt(),
        run_id: RunId::from_uuid(Uuid::nil()),
        tenant_id: TenantId::from_uuid(Uuid::nil()),
        tenant: TenantSlug::parse("nobody").context("a name")?,
        task_type: TaskType::Noop,
        input: None,
        config: RawValue::from_string("{}".to_owned())?,
        config_hash: String::new(),
        deadline_at: BEGINNING,
        handed_over_at: None,
        origin: Origin::default(),
    })
}

impl World {
    /// Where the tasks stand, in a line.
    pub(super) fn summary(&self) -> String {
        let status =
            |(_, id): &(TenantId, TaskId)| self.audit.status(*id).map_or("-".to_owned(), |status| status.to_string());
        self.tasks.iter().map(status).collect::<Vec<_>>().join(" ")
    }
}
