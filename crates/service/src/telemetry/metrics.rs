//! Every metric of Ortolan: its name, its help, and the function that records it.
//!
//! Labels come from closed sets only. No function takes a tenant's name, an id or a text of a user's: that would let one
//! tenant see another's and make the number of series grow without end.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use metrics::{Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use ortolan_domain::route::QueueName;
use ortolan_domain::{TaskStatus, TaskType};
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::{TelemetryError, answered, callbacks, inference};

const TASKS_SUBMITTED: &str = "ortolan_tasks_submitted_total";
const TASKS_ENDED: &str = "ortolan_tasks_total";
const TASK_RETRIES: &str = "ortolan_task_retries_total";
const TASK_QUEUE_SECONDS: &str = "ortolan_task_queue_seconds";
const TASK_DURATION_SECONDS: &str = "ortolan_task_duration_seconds";
const TASKS_UNDER_WAY: &str = "ortolan_worker_tasks_under_way";
const DISPATCHED: &str = "ortolan_dispatched_total";
const DISPATCH_FAILURES: &str = "ortolan_dispatch_failures_total";
const QUEUE_DEPTH: &str = "ortolan_queue_depth";
const QUEUE_OLDEST_AGE: &str = "ortolan_queue_oldest_age_seconds";
const ML_PERMITS: &str = "ortolan_ml_permits";
const ML_PERMITS_IN_USE: &str = "ortolan_ml_permits_in_use";
const ML_PERMITS_PEAK: &str = "ortolan_ml_permits_peak";
const ML_PERMIT_WAIT_SECONDS: &str = "ortolan_ml_permit_wait_seconds";
const ML_JOBS: &str = "ortolan_ml_jobs_total";
const ML_INFERENCE_SECONDS: &str = "ortolan_ml_inference_duration_seconds";
const ML_MODELS_LOADED: &str = "ortolan_ml_models_loaded";
const ML_MODEL_LOAD_SECONDS: &str = "ortolan_ml_model_load_duration_seconds";
const RUNNERS: &str = "ortolan_runners";
const RUNNER_DEATHS: &str = "ortolan_runner_deaths_total";
const PREDICTIONS_UNRECORDED: &str = "ortolan_predictions_unrecorded_total";
const CACHE_REQUESTS: &str = "ortolan_cache_requests_total";
const CACHE_DROPPED: &str = "ortolan_cache_dropped_total";
const HTTP_REQUESTS: &str = "ortolan_http_requests_total";
const HTTP_REQUEST_SECONDS: &str = "ortolan_http_request_duration_seconds";
const HTTP_CONNECTIONS: &str = "ortolan_http_connections";
const RUNS_ABANDONED: &str = "ortolan_runs_abandoned_total";
const RECONCILE_RUNS: &str = "ortolan_reconcile_runs_total";
const RECONCILE_SECONDS: &str = "ortolan_reconcile_duration_seconds";
const RECONCILE_REPAIRS: &str = "ortolan_reconcile_repairs_total";
const LONG_RUNNING_TASKS: &str = "ortolan_long_running_tasks";
const INVARIANT_VIOLATIONS: &str = "ortolan_invariant_violations";
const LOG_EVENTS: &str = "ortolan_log_events_total";
const UPTIME_SECONDS: &str = "ortolan_uptime_seconds";
const BUILD_INFO: &str = "ortolan_build_info";

/// Upper bounds of the buckets of every time, in seconds: from an answer out of a cache to a long task.
const BUCKETS_S: [f64; 17] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0, 1800.0];

/// How often what was recorded is summed up when nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// Renders the process's metrics. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MetricsHandle {
    prometheus: PrometheusHandle,
    started: Instant,
}

static INSTALLED: Mutex<Option<MetricsHandle>> = Mutex::new(None);

/// The process's metrics; the first call begins to record them.
pub fn metrics_handle() -> Result<MetricsHandle, TelemetryError> {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let prometheus = builder()?.install_recorder().map_err(TelemetryError::Recorder)?;
    let handle = MetricsHandle { prometheus, started: Instant::now() };
    describe();
    inference::describe();
    callbacks::describe();
    inference::begin();
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(installed.insert(handle).clone())
}

fn builder() -> Result<PrometheusBuilder, TelemetryError> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    PrometheusBuilder::new().set_buckets_for_metric(seconds, &BUCKETS_S).map_err(TelemetryError::Recorder)
}

impl MetricsHandle {
    /// The metrics as Prometheus text.
    pub fn render(&self) -> String {
        gauge!(UPTIME_SECONDS).set(self.started.elapsed().as_secs_f64());
        self.prometheus.render()
    }

    /// Sums up what was recorded from time to time until `stop`: without it, times pile up while nobody asks for them.
    pub async fn keep_up(self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
            self.prometheus.run_upkeep();
        }
    }
}

/// Counts a task that was accepted.
pub fn task_submitted(kind: TaskType) {
    counter!(TASKS_SUBMITTED, "task_type" => kind.as_str()).increment(1);
}

/// Counts a task that ended, and how long its last run took.
pub fn task_ended(kind: TaskType, status: TaskStatus, took: Duration) {
    counter!(TASKS_ENDED, "task_type" => kind.as_str(), "status" => status.as_str()).increment(1);
    histogram!(TASK_DURATION_SECONDS, "task_type" => kind.as_str(), "status" => status.as_str()).record(took);
}

/// Counts a task that goes back to be tried again; `reason` is an error code or the name of a repair.
pub fn task_retried(kind: TaskType, reason: &'static str) {
    counter!(TASK_RETRIES, "task_type" => kind.as_str(), "reason" => reason).increment(1);
}

/// Counts a run of which no result can come any more.
pub fn run_abandoned() {
    counter!(RUNS_ABANDONED).increment(1);
}

/// Records how long a task waited from its creation until a worker took it.
pub fn task_queued_for(queue: QueueName, waited: Duration) {
    histogram!(TASK_QUEUE_SECONDS, "queue" => queue.as_str()).record(waited);
}

/// Sets how many tasks this worker has under way.
pub fn worker_tasks_under_way(count: usize) {
    gauge!(TASKS_UNDER_WAY).set(count as f64);
}

/// Counts tasks that were put into a queue.
pub fn dispatched(queue: QueueName, count: u64) {
    counter!(DISPATCHED, "queue" => queue.as_str()).increment(count);
}

/// Counts a dispatch whose deliveries the broker did not take.
pub fn dispatch_failed(queue: QueueName) {
    counter!(DISPATCH_FAILURES, "queue" => queue.as_str()).increment(1);
}

/// Sets how many tasks of a queue have a status, and for how long the oldest of them has.
pub fn queue_depth(queue: QueueName, status: TaskStatus, count: u64, oldest_age: Duration) {
    gauge!(QUEUE_DEPTH, "queue" => queue.as_str(), "status" => status.as_str()).set(count as f64);
    gauge!(QUEUE_OLDEST_AGE, "queue" => queue.as_str(), "status" => status.as_str()).set(oldest_age.as_secs_f64());
}

/// Sets how many messages a queue without rows of its own holds, and for how long the oldest of them has waited.
pub fn queue_messages(queue: QueueName, count: u64, oldest_age: Duration) {
    queue_depth(queue, TaskStatus::Queued, count, oldest_age);
}

/// Sets how many inferences may run at once, how many do, and the most that ever did.
pub fn ml_permits(total: usize, in_use: usize, peak: usize) {
    static GAUGES: OnceLock<[Gauge; 3]> = OnceLock::new();
    if inference::is_recorded() {
        let names = || [gauge!(ML_PERMITS), gauge!(ML_PERMITS_IN_USE), gauge!(ML_PERMITS_PEAK)];
        let [all, taken, most] = GAUGES.get_or_init(names);
        all.set(total as f64);
        taken.set(in_use as f64);
        most.set(peak as f64);
    }
}

/// Records how long an inference waited for its turn.
pub fn ml_permit_waited(waited: Duration) {
    histogram!(ML_PERMIT_WAIT_SECONDS).record(waited);
}

/// Counts an inference job that ended; `outcome` is `ok` or an error code.
pub fn ml_job_ended(kind: TaskType, outcome: &'static str, took: Duration) {
    counter!(ML_JOBS, "task_type" => kind.as_str(), "outcome" => outcome).increment(1);
    histogram!(ML_INFERENCE_SECONDS, "task_type" => kind.as_str()).record(took);
}

/// Sets how many models are loaded.
pub fn ml_models_loaded(count: usize) {
    gauge!(ML_MODELS_LOADED).set(count as f64);
}

/// Records how long a model took to load.
pub fn ml_model_loaded(took: Duration) {
    histogram!(ML_MODEL_LOAD_SECONDS).record(took);
    inference::model_loaded(took);
}

/// Sets how many runner processes there are.
pub fn runners(count: usize) {
    gauge!(RUNNERS).set(count as f64);
}

/// Counts a runner that died or was killed; `reason` says why.
pub fn runner_died(reason: &'static str) {
    counter!(RUNNER_DEATHS, "reason" => reason).increment(1);
}

/// Counts answered predictions that could not be written down.
pub fn predictions_unrecorded(count: u64) {
    counter!(PREDICTIONS_UNRECORDED).increment(count);
}

/// Counts a look into a cache.
pub fn cache_asked(cache: &'static str, is_hit: bool) {
    counter!(CACHE_REQUESTS, "cache" => cache, "outcome" => if is_hit { "hit" } else { "miss" }).increment(1);
    if cache == "prediction" {
        inference::cache_asked(is_hit);
    }
}

/// Counts values that were dropped from a cache because what they came from changed.
pub fn cache_dropped(cache: &'static str, count: u64) {
    counter!(CACHE_DROPPED, "cache" => cache).increment(count);
}

/// Counts a request that was answered. `route` is the pattern of the route, never the path that the client sent.
pub fn http_answered(method: &str, route: &str, status: u16, took: Duration) {
    if inference::is_recorded() {
        let names = answered::Names { requests: HTTP_REQUESTS, seconds: HTTP_REQUEST_SECONDS };
        answered::count(names, known_method(method), route, status, took);
    }
}

/// Sets how many connections are open.
pub fn http_connections(count: usize) {
    gauge!(HTTP_CONNECTIONS).set(count as f64);
}

/// Counts a run of the reconciler.
pub fn reconciled(is_ok: bool, took: Duration) {
    counter!(RECONCILE_RUNS, "outcome" => if is_ok { "ok" } else { "error" }).increment(1);
    histogram!(RECONCILE_SECONDS).record(took);
}

/// Counts what the reconciler repaired; `repair` names the kind.
pub fn reconcile_repaired(repair: &'static str, count: u64) {
    counter!(RECONCILE_REPAIRS, "repair" => repair).increment(count);
}

/// Sets how many tasks run for longer than they should.
pub fn long_running_tasks(count: u64) {
    gauge!(LONG_RUNNING_TASKS).set(count as f64);
}

/// Sets how many invariants a pass of the reconciler found broken.
pub fn invariant_violations(count: u64) {
    gauge!(INVARIANT_VIOLATIONS).set(count as f64);
}

/// Counts warnings and errors that were logged.
pub(crate) fn log_event(level: Level) {
    match level {
        Level::ERROR => counter!(LOG_EVENTS, "level" => "error").increment(1),
        Level::WARN => counter!(LOG_EVENTS, "level" => "warn").increment(1),
        _ => {}
    }
}

/// A client may send any word as its method.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

fn describe() {
    let counters = [
        (TASKS_SUBMITTED, "Tasks accepted"),
        (TASKS_ENDED, "Tasks ended, by status"),
        (TASK_RETRIES, "Tasks that went back to be tried again"),
        (DISPATCHED, "Tasks put into a queue"),
        (DISPATCH_FAILURES, "Dispatches whose deliveries the broker did not take"),
        (ML_JOBS, "Inference jobs ended, by outcome"),
        (RUNNER_DEATHS, "Runner processes that died or were killed"),
        (PREDICTIONS_UNRECORDED, "Answered predictions that were not written down"),
        (CACHE_REQUESTS, "Looks into a cache"),
        (CACHE_DROPPED, "Values dropped from a cache because what they came from changed"),
        (HTTP_REQUESTS, "HTTP requests answered"),
        (RUNS_ABANDONED, "Runs that the ML service or the broker lost"),
        (RECONCILE_RUNS, "Runs of the reconciler"),
        (RECONCILE_REPAIRS, "What the reconciler repaired"),
        (LOG_EVENTS, "Warnings and errors logged"),
    ];
    let gauges = [
        (TASKS_UNDER_WAY, "Tasks that the worker has under way"),
        (QUEUE_DEPTH, "Tasks of a queue by status, as the leading reconciler counts them; of ml_jobs its messages"),
        (QUEUE_OLDEST_AGE, "For how long the oldest task of a queue has had its status"),
        (ML_PERMITS, "Inferences that may run at once"),
        (ML_PERMITS_IN_USE, "Inferences that run"),
        (ML_PERMITS_PEAK, "The most inferences that ran at once"),
        (ML_MODELS_LOADED, "Models loaded"),
        (RUNNERS, "Runner processes"),
        (HTTP_CONNECTIONS, "Open connections"),
        (LONG_RUNNING_TASKS, "Tasks that run for longer than they should"),
        (INVARIANT_VIOLATIONS, "Invariants that the last pass of the reconciler found broken; the log names the tasks"),
        (UPTIME_SECONDS, "Time since the process began to record metrics"),
        (BUILD_INFO, "The version that runs"),
    ];
    let times = [
        (TASK_QUEUE_SECONDS, "From a task's creation until a worker took it"),
        (TASK_DURATION_SECONDS, "Run of a task"),
        (ML_PERMIT_WAIT_SECONDS, "Wait of an inference for its turn"),
        (ML_INFERENCE_SECONDS, "Inference job in the ML service"),
        (ML_MODEL_LOAD_SECONDS, "Loading a model"),
        (HTTP_REQUEST_SECONDS, "HTTP request"),
        (RECONCILE_SECONDS, "Run of the reconciler"),
    ];
    counters.into_iter().for_each(|(name, help)| describe_counter!(name, help));
    gauges.into_iter().for_each(|(name, help)| describe_gauge!(name, help));
    times.into_iter().for_each(|(name, help)| describe_histogram!(name, Unit::Seconds, help));
}
