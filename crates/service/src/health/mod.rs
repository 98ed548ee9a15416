//! Whether a process is well: named checks, run side by side, each within a second, asked at most once a second.
//!
//! A reason is a text of the program's own, fixed when it is compiled, so that no address, path or secret can be in it.

#[cfg(feature = "http")]
mod routes;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ortolan_domain::{Clock, Timestamp};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

#[cfg(feature = "http")]
pub use routes::{MetricsPage, routes, routes_while_waiting};

use crate::Shutdown;
use crate::config::Environment;

/// How long a check may take.
const CHECK_LIMIT: Duration = Duration::from_secs(1);
/// How long a report is given out again.
const REPORT_AGE: Duration = Duration::from_secs(1);

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Up,
    /// It works, but not as it should.
    Degraded(&'static str),
    /// It does not work.
    Down(&'static str),
}

/// What it means for the process when a check finds something down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// The process is unhealthy and not ready.
    Essential,
    /// The process is degraded.
    Optional,
}

/// How the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is up.
    Healthy,
    /// Something optional is down, or something works badly.
    Degraded,
    /// Something essential is down.
    Unhealthy,
}

/// One check's part of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// `up`, `degraded` or `down`.
    pub status: &'static str,
    /// Why it is not up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// What `/health` answers.
#[derive(Debug, Clone, Serialize)]
pub struct HealthReport {
    /// How the process is.
    pub status: Status,
    /// Its version.
    pub version: &'static str,
    /// Where it runs.
    pub environment: &'static str,
    /// When the checks were run.
    pub timestamp: Timestamp,
    /// What each check found.
    pub checks: BTreeMap<&'static str, CheckReport>,
    /// What the process tells besides.
    #[serde(flatten)]
    pub facts: BTreeMap<&'static str, Value>,
    /// True when nothing essential is down.
    #[serde(skip)]
    pub is_ready: bool,
}

type CheckFuture = Pin<Box<dyn Future<Output = Health> + Send>>;

#[derive(Clone)]
struct Check {
    name: &'static str,
    importance: Importance,
    run: Arc<dyn Fn() -> CheckFuture + Send + Sync>,
}

type Fact = Arc<dyn Fn() -> Value + Send + Sync>;

struct Inner {
    environment: Environment,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
    checks: RwLock<Vec<Check>>,
    facts: RwLock<Vec<(&'static str, Fact)>>,
    last: Mutex<Option<(Instant, Arc<HealthReport>)>>,
}

/// The checks of a process. Clones share them.
#[derive(Clone)]
pub struct HealthRegistry(Arc<Inner>);

impl HealthRegistry {
    /// A process without checks, which is healthy, and ready until it drains.
    pub fn new(environment: Environment, clock: Arc<dyn Clock>, shutdown: Shutdown) -> Self {
        let (checks, facts, last) = Default::default();
        Self(Arc::new(Inner { environment, clock, shutdown, checks, facts, last }))
    }

    /// Adds a check.
    pub fn check<F, R>(&self, name: &'static str, importance: Importance, run: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Health> + Send + 'static,
    {
        let check = Check { name, importance, run: Arc::new(move || Box::pin(run())) };
        self.0.checks.write().unwrap_or_else(PoisonError::into_inner).push(check);
    }

    /// Adds a field of the report, for instance what devices there are; it must not hold an address or a path.
    pub fn fact(&self, name: &'static str, value: impl Fn() -> Value + Send + Sync + 'static) {
        self.0.facts.write().unwrap_or_else(PoisonError::into_inner).push((name, Arc::new(value)));
    }

    /// How the process is; the answer may be a second old.
    pub async fn report(&self) -> Arc<HealthReport> {
        let mut last = self.0.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < REPORT_AGE
        {
            return report.clone();
        }
        let report = Arc::new(self.run_all().await);
        *last = Some((Instant::now(), report.clone()));
        report
    }

    /// True when nothing essential is down and the process is not stopping.
    pub async fn is_ready(&self) -> bool {
        !self.0.shutdown.is_draining() && self.report().await.is_ready
    }

    async fn run_all(&self) -> HealthReport {
        let checks = self.0.checks.read().unwrap_or_else(PoisonError::into_inner).clone();
        let running: Vec<_> = checks.into_iter().map(|check| (check.clone(), tokio::spawn(bounded(check)))).collect();
        let mut found = Vec::with_capacity(running.len());
        for (check, run) in running {
            found.push((check.name, check.importance, run.await.unwrap_or(Health::Down("the check itself failed"))));
        }
        self.summarise(&found)
    }

    fn summarise(&self, found: &[(&'static str, Importance, Health)]) -> HealthReport {
        let is_ready = !found.iter().any(|(_, importance, health)| is_fatal(*importance, *health));
        let status = match (is_ready, found.iter().all(|(.., health)| *health == Health::Up)) {
            (false, _) => Status::Unhealthy,
            (true, false) => Status::Degraded,
            (true, true) => Status::Healthy,
        };
        let facts = self.0.facts.read().unwrap_or_else(PoisonError::into_inner);
        HealthReport {
            status,
            version: env!("CARGO_PKG_VERSION"),
            environment: self.0.environment.as_str(),
            timestamp: self.0.clock.now(),
            checks: found.iter().map(|(name, _, health)| (*name, CheckReport::from(*health))).collect(),
            facts: facts.iter().map(|(name, value)| (*name, value())).collect(),
            is_ready,
        }
    }
}

impl From<Health> for CheckReport {
    fn from(health: Health) -> Self {
        match health {
            Health::Up => Self { status: "up", reason: None },
            Health::Degraded(reason) => Self { status: "degraded", reason: Some(reason) },
            Health::Down(reason) => Self { status: "down", reason: Some(reason) },
        }
    }
}

fn is_fatal(importance: Importance, health: Health) -> bool {
    importance == Importance::Essential && matches!(health, Health::Down(_))
}

async fn bounded(check: Check) -> Health {
    timeout(CHECK_LIMIT, (check.run)()).await.unwrap_or(Health::Down("no answer within a second"))
}
