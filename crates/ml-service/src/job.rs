//! One job: taken once per attempt, run, stamped and answered.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ortolan_domain::ErrorCode;
use ortolan_domain::config::{ModelProfileName, TaskConfig};
use ortolan_domain::hash;
use ortolan_domain::job::{
    Attempt, MAX_RESULT_BYTES, MlError, MlItem, MlJob, MlOutcome, MlResult, Provenance, Timings,
};
use ortolan_results::LOCK_TTL;
use ortolan_runner::Area;
use ortolan_service::telemetry::metrics;
use ortolan_service::telemetry::trace::{Span, SpanKind};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::convert;
use crate::service::MlService;
use crate::trace;

/// The program named in provenance.
const PRODUCER: &str = "ortolan";
/// How long to wait before a result is offered again to a store that did not take it.
const STORE_RETRY: Duration = Duration::from_millis(500);
/// How often a lock is kept before it would end.
const LOCKS_KEPT_PER_TTL: u32 = 4;

/// What a run gave, before it is stamped.
#[derive(Default)]
pub(crate) struct Produced {
    pub(crate) items: Vec<MlItem>,
    pub(crate) timings: Timings,
    pub(crate) model_sha256: Option<String>,
}

impl MlService {
    /// Runs a job and stores its result, unless another delivery of the same attempt does or did.
    pub(crate) async fn take(&self, job: MlJob) {
        let span = tracing::info_span!("ml_job", task_id = %job.attempt.task_id, attempt = job.attempt.attempt, tenant_id = %job.tenant, run_id = %job.run_id, request_id = job.origin.request_id);
        async {
            match self.0.results.take_lock(job.attempt).await {
                Ok(true) => self.answer(job).await,
                Ok(false) => tracing::debug!("doubled delivery forgotten"),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the lock could not be taken; the worker will try again"
                ),
            }
        }
        .instrument(span)
        .await;
    }

    async fn answer(&self, job: MlJob) {
        let cancel = self.0.begin(job.attempt);
        let began = Instant::now();
        let mut work = Span::begin(format!("infer {}", job.task_type), SpanKind::Consumer, job.origin.trace);
        work.text("ortolan.run_id", job.run_id.to_string());
        work.count("ortolan.attempt", job.attempt.attempt);
        let mut result = self.result(&job, &cancel).await;
        let is_given_back = self.0.gives_back.is_cancelled() && matches!(result.outcome, MlOutcome::Error(_));
        if is_given_back {
            result.outcome = MlOutcome::Error(MlError::given_back());
        }
        let error = match &result.outcome {
            MlOutcome::Items(_) => None,
            MlOutcome::Error(error) => Some(error),
        };
        trace::end(&mut work, error.map_or(Ok(&result.timings), Err));
        metrics::ml_job_ended(job.task_type, error.map_or("ok", |error| error.code.as_str()), began.elapsed());
        let duration_ms = began.elapsed().as_secs_f64() * 1e3;
        match error {
            Some(error) => {
                tracing::info!(code = %error.code, detail = error.detail, duration_ms, "inference ended with an error");
            }
            None => tracing::info!(task_type = %job.task_type, duration_ms, "inference ended"),
        }
        let is_awaited = !cancel.is_cancelled() || self.0.gives_back.is_cancelled();
        let is_stored = is_awaited && self.store(&job, result).await;
        self.0.end(job.attempt);
        if !is_stored {
            self.release(job.attempt).await;
        }
    }

    /// Lets the worker know that nothing will come of an attempt; without this it learns when the lock ends.
    async fn release(&self, attempt: Attempt) {
        if let Err(error) = self.0.results.release_lock(attempt).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the lock could not be released; it ends by itself"
            );
        }
    }

    /// Keeps the locks of what is under way, until it is aborted.
    pub(crate) async fn keep_locks(self) {
        let mut ticks = tokio::time::interval(LOCK_TTL / LOCKS_KEPT_PER_TTL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let attempts = self.0.attempts();
            if let Err(error) = self.0.results.keep_locks(&attempts).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    jobs = attempts.len(),
                    "locks could not be kept"
                );
            }
        }
    }

    /// Runs a job and stamps what comes out.
    pub(crate) async fn result(&self, job: &MlJob, cancel: &CancellationToken) -> MlResult {
        let config = TaskConfig::read(job.task_type, &job.config);
        let model_profile = config.as_ref().map_or_else(|_| ModelProfileName::default(), TaskConfig::model_profile);
        let outcome = match config {
            Ok(config) => self.produce(job, config, cancel).await,
            Err(error) => Err(MlError::new(ErrorCode::Invalid, error.to_string())),
        };
        stamp(job, model_profile, outcome)
    }

    async fn produce(&self, job: &MlJob, config: TaskConfig, cancel: &CancellationToken) -> Result<Produced, MlError> {
        match config {
            TaskConfig::Noop(config) => self.sleep(Duration::from_millis(config.sleep_ms), job, cancel).await,
            TaskConfig::Inference(config) => self.tensors(job, config, cancel).await,
            TaskConfig::Image(config) => self.picture(job, &config, Area::Whole, cancel).await,
            TaskConfig::Sahi(config) => {
                self.picture(job, &config.of_tile(), Area::Tiles(convert::tiling(&config)), cancel).await
            }
            TaskConfig::Pipeline(config) => self.pipeline(job, &config, cancel).await,
        }
    }

    /// A no-op: waits without a permit, and ends early when it is cancelled or its deadline passes.
    async fn sleep(&self, time: Duration, job: &MlJob, cancel: &CancellationToken) -> Result<Produced, MlError> {
        if time.is_zero() {
            return Ok(Produced::default());
        }
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(Produced::default()),
            () = tokio::time::sleep_until(self.0.instant(job.deadline_at)) => Err(MlError::new(ErrorCode::DeadlineExceeded, "the deadline passed")),
            () = cancel.cancelled() => Err(MlError::new(ErrorCode::Cancelled, "the task was cancelled")),
        }
    }

    /// Offers the result until it is taken, nobody waits for it any more or the service ends; true when it was taken.
    async fn store(&self, job: &MlJob, result: MlResult) -> bool {
        let bytes = match written(result, MAX_RESULT_BYTES) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "result cannot be written");
                return false;
            }
        };
        while let Err(error) = self.0.results.put(job.attempt, bytes.clone()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "result could not be stored");
            if self.0.clock.now() >= job.deadline_at || self.0.gives_back.is_cancelled() {
                return false;
            }
            tokio::time::sleep(STORE_RETRY).await;
        }
        true
    }
}

/// A result's bytes; of one that has more than it may have, those of an error that says so, as no store and no worker would take it.
fn written(result: MlResult, most: usize) -> Result<Bytes, serde_json::Error> {
    let bytes = serde_json::to_vec(&result)?;
    if bytes.len() <= most {
        return Ok(bytes.into());
    }
    let detail = format!("the result has {} bytes, at most {most} are taken", bytes.len());
    let outcome = MlOutcome::Error(MlError::new(ErrorCode::InvalidResult, detail));
    serde_json::to_vec(&MlResult { outcome, ..result }).map(Bytes::from)
}

fn stamp(job: &MlJob, model_profile: ModelProfileName, outcome: Result<Produced, MlError>) -> MlResult {
    let (outcome, timings, model_sha256) = match outcome {
        Ok(Produced { items, timings, model_sha256 }) => (MlOutcome::Items(items), timings, model_sha256),
        Err(error) => (MlOutcome::Error(error), Timings::default(), None),
    };
    let input_hash = job.input.as_ref().map_or_else(|| hash::sha256_hex(b""), |input| input.sha256.clone());
    let provenance = Provenance {
        run_id: job.run_id,
        config_hash: job.config_hash.clone(),
        input_hash,
        producer: PRODUCER.to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        model_profile: model_profile.as_str().to_owned(),
        model_sha256,
        request_id: job.origin.request_id.clone(),
    };
    MlResult { attempt: job.attempt, provenance, timings, outcome }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ortolan_domain::{RunId, TaskId};

    use super::*;

    #[test]
    fn a_result_that_is_too_large_says_so_instead() {
        let provenance = Provenance {
            run_id: RunId::generate(),
            config_hash: "c".to_owned(),
            input_hash: "i".to_owned(),
            producer: PRODUCER.to_owned(),
            producer_version: "1".to_owned(),
            model_profile: "p".to_owned(),
            model_sha256: None,
            request_id: None,
        };
        let detail = "a long story ".repeat(1_000);
        let result = MlResult {
            attempt: Attempt { task_id: TaskId::generate(), attempt: 1 },
            provenance,
            timings: Timings::default(),
            outcome: MlOutcome::Error(MlError::new(ErrorCode::Invalid, detail)),
        };
        let whole = written(result.clone(), usize::MAX).unwrap();
        assert_eq!(written(result.clone(), whole.len()).unwrap(), whole);
        let told: MlResult = serde_json::from_slice(&written(result, whole.len() - 1).unwrap()).unwrap();
        let MlOutcome::Error(error) = told.outcome else { panic!("no error") };
        assert_eq!(error.code, ErrorCode::InvalidResult);
        assert!(error.detail.contains(&whole.len().to_string()), "{}", error.detail);
    }
}
