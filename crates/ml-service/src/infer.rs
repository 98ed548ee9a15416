//! Named tensors through one of a tenant's models.

use std::sync::Arc;
use std::time::Duration;

use ortolan_domain::job::MlError;
use ortolan_domain::model::ModelRef;
use ortolan_domain::tensor::row_count;
use ortolan_domain::{ErrorCode, TenantSlug};
use ortolan_ml_client::{BatchClose, Batching, InferAnswer, InferRequest, ModelSignature};
use ortolan_runner::{CallContext, CheckedInputs, Loaded, ModelKey, ModelSource};
use ortolan_service::telemetry::trace::{Span, SpanKind};
use ortolan_service::telemetry::{inference, metrics};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::batch::{self, BatchPolicy, Member};
use crate::burst;
use crate::catalog::LocalModel;
use crate::convert;
use crate::gate::Permit;
use crate::service::MlService;
use crate::stats::Ran;
use crate::trace;

/// A request whose model is loaded and whose tensors fit it.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) key: ModelKey,
    pub(crate) loaded: Loaded,
    pub(crate) checked: CheckedInputs,
    pub(crate) deadline: Instant,
    source: Arc<LocalModel>,
}

impl MlService {
    /// Loads the model unless it is loaded, waits for the tenant's turn and runs, perhaps together with other requests.
    pub(crate) async fn run_tensors(&self, request: InferRequest) -> Result<InferAnswer, MlError> {
        let (arrived, model) = (Instant::now(), request.model.clone());
        let request_id = request.request_id.clone();
        let mut span = Span::begin("infer tensors", SpanKind::Server, request.trace);
        let outcome = self.answer_tensors(request, arrived).await;
        self.ended(&model, outcome.as_ref().err(), arrived.elapsed());
        trace::end(&mut span, outcome.as_ref().map(|answer| &answer.timings));
        if let Err(error) = &outcome {
            tracing::info!(request_id, tenant_id = %model.tenant, model = %model.name, code = %error.code, detail = error.detail, "inference ended with an error");
        }
        outcome
    }

    async fn answer_tensors(&self, request: InferRequest, arrived: Instant) -> Result<InferAnswer, MlError> {
        let deadline = arrived + request.timeout;
        let source = self.model_of(&request.model, request.sha256.as_deref()).await?;
        let key = self.key(request.model);
        let loaded = self.load_until(&key, &source, deadline).await?;
        let checked = loaded.check(request.inputs, &request.outputs).map_err(|error| convert::error(&error))?;
        let prepared = Prepared { key, loaded, checked, deadline, source };
        let policy = self.policy(request.batching);
        match batch::rows_of(&prepared.loaded, &prepared.checked, policy) {
            Some(rows) => self.in_a_batch(prepared, policy, rows).await,
            None if burst::rides(&prepared) => self.in_a_burst(prepared).await,
            None => prepared.answer(self, None, BatchClose::Alone).await,
        }
    }

    async fn in_a_batch(&self, prepared: Prepared, policy: BatchPolicy, rows: usize) -> Result<InferAnswer, MlError> {
        let deadline = prepared.deadline;
        let bytes = prepared.checked.inputs.iter().map(|input| input.data.len()).sum();
        let (sender, answer) = oneshot::channel();
        let member = Member { prepared, policy, rows, bytes, arrived: Instant::now(), answer: sender };
        self.0.lines.join(self, member).map_err(|full| MlError::new(ErrorCode::Overloaded, full.to_string()))?;
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(MlError::new(ErrorCode::Unavailable, "the service is stopping")),
            Err(_) => Err(late()),
        }
    }

    /// What was set for the model, within the bounds of the service.
    fn policy(&self, wanted: Option<Batching>) -> BatchPolicy {
        let usual = self.0.settings.batching;
        wanted.map_or(usual, |Batching { max_rows, max_wait_ms }| BatchPolicy {
            max_rows: (max_rows as usize).min(batch::MOST_ROWS),
            max_wait: Duration::from_millis(max_wait_ms.into()),
            ..usual
        })
    }

    /// Loads the model unless it is loaded, and says what it takes and gives.
    pub(crate) async fn signature(&self, model: ModelRef, sha256: Option<&str>) -> Result<ModelSignature, MlError> {
        let copy = self.model_of(&model, sha256).await?;
        let sha256 = copy.sha256().to_owned();
        let deadline = Instant::now() + self.0.settings.question_timeout;
        let loaded = self.load_until(&self.key(model), &copy, deadline).await?;
        let (inputs, outputs) = convert::specs(&loaded.facts().signature);
        Ok(ModelSignature { inputs, outputs, sha256 })
    }

    /// The model's local copy, fetched anew when it is not the one that the caller means.
    pub(crate) async fn model_of(&self, model: &ModelRef, sha256: Option<&str>) -> Result<Arc<LocalModel>, MlError> {
        let is_meant = |copy: &LocalModel| sha256.is_none_or(|meant| meant == copy.sha256());
        let copy = self.model(model).await?;
        if is_meant(&copy) {
            return Ok(copy);
        }
        self.0.catalog.forget_copy(model, &copy);
        let copy = self.model(model).await?;
        if is_meant(&copy) {
            return Ok(copy);
        }
        Err(MlError::new(
            ErrorCode::Unavailable,
            "the model's file in the object store is not the one that was registered",
        ))
    }

    async fn load_until(&self, key: &ModelKey, source: &Arc<LocalModel>, deadline: Instant) -> Result<Loaded, MlError> {
        let context = CallContext::default().with_deadline(deadline);
        let source: Arc<dyn ModelSource> = source.clone();
        self.0.pool.load(key, source, &context).await.map_err(|error| convert::error(&error))
    }

    /// The tenant's turn at the device.
    pub(crate) async fn permit(&self, tenant: &TenantSlug, deadline: Instant) -> Result<Permit, MlError> {
        let began = Instant::now();
        let permit = tokio::time::timeout_at(deadline, self.0.gate.acquire_call(tenant)).await;
        let permit = permit.map_err(|_| late())?.map_err(|full| convert::full(&full))?;
        metrics::ml_permit_waited(began.elapsed());
        Ok(permit)
    }
}

impl Prepared {
    /// SHA-256 of the model's file.
    pub(crate) fn model_sha256(&self) -> &str {
        self.source.sha256()
    }

    /// The same model with other tensors.
    pub(crate) fn with(&self, checked: CheckedInputs, deadline: Instant) -> Self {
        Self { checked, deadline, ..self.clone() }
    }

    /// Runs by itself, with a permit that was taken for it or with one of its own.
    pub(crate) async fn answer(
        mut self,
        service: &MlService,
        permit: Option<Permit>,
        closed: BatchClose,
    ) -> Result<InferAnswer, MlError> {
        let began = Instant::now();
        let permit = match permit {
            Some(permit) => permit,
            None => service.permit(self.key.tenant(), self.deadline).await?,
        };
        let (waited, rows) = (began.elapsed(), self.rows());
        let ran = self.run(service, permit).await?;
        let timings = ran.timings;
        Ok(self.answered(service, ran, &Ran { rows, waits: &[waited], timings, closed }))
    }

    /// Notes a run of this request by itself, and makes its answer.
    pub(crate) fn answered(
        &self,
        service: &MlService,
        ran: ortolan_runner::InferAnswer,
        noted: &Ran<'_>,
    ) -> InferAnswer {
        service.note(&self.key.model, noted);
        let waited_ms = noted.waits.iter().sum::<Duration>().as_secs_f64() * 1e3;
        InferAnswer {
            outputs: ran.outputs,
            model_sha256: self.model_sha256().to_owned(),
            timings: convert::timings(waited_ms, ran.timings),
            batch_size: u32::try_from(noted.rows).unwrap_or(u32::MAX),
        }
    }

    /// Runs; loads the model again when its runner ended while this waited.
    pub(crate) async fn run(
        &mut self,
        service: &MlService,
        permit: Permit,
    ) -> Result<ortolan_runner::InferAnswer, MlError> {
        if !self.loaded.is_alive() {
            self.loaded = service.load_until(&self.key, &self.source, self.deadline).await?;
        }
        // Let go of as soon as they are with the runner.
        let checked = CheckedInputs {
            inputs: std::mem::take(&mut self.checked.inputs),
            outputs: std::mem::take(&mut self.checked.outputs),
        };
        let context = CallContext::default().with_deadline(self.deadline).with_permit(permit);
        self.loaded.infer(checked, context).await.map_err(|error| convert::error(&error))
    }

    /// Rows of the inputs, where their first axis means rows.
    pub(crate) fn rows(&self) -> usize {
        let first = self.checked.inputs.first().filter(|_| batch::has_batch_axis(&self.loaded.facts().signature));
        first.and_then(|input| row_count(&input.shape)).unwrap_or(1)
    }
}

impl MlService {
    /// Notes a request that ended in the model's numbers and in the metrics.
    pub(crate) fn ended(&self, model: &ModelRef, error: Option<&MlError>, took: Duration) {
        self.0.stats.ended(model, error.is_none(), took);
        inference::request_ended(error.map_or("ok", |error| error.code.as_str()), took);
    }

    /// Notes a run in the model's numbers and in the metrics.
    pub(crate) fn note(&self, model: &ModelRef, ran: &Ran<'_>) {
        self.0.stats.ran(model, self.0.clock.now(), ran);
        let took = ran.timings;
        let us = Duration::from_micros;
        inference::ran(&inference::Run {
            rows: ran.rows as u64,
            waits: ran.waits,
            prepare: us(took.decode_us + took.prepare_us),
            run: us(took.run_us),
            interpret: us(took.interpret_us),
        });
    }
}

fn late() -> MlError {
    MlError::new(ErrorCode::DeadlineExceeded, "the deadline passed while the request waited for a device")
}
