//! Named tensors through one of a tenant's models.

use std::sync::Arc;
use std::time::Duration;

use ortolan_domain::ErrorCode;
use ortolan_domain::TenantSlug;
use ortolan_domain::job::MlError;
use ortolan_domain::model::ModelRef;
use ortolan_ml_client::{self as ml_client, InferRequest, ModelSignature};
use ortolan_runner::{CallContext, InferAnswer, ModelSource};
use ortolan_service::telemetry::metrics;
use tokio::time::Instant;

use crate::catalog::LocalModel;
use crate::convert;
use crate::gate::Permit;
use crate::service::MlService;

impl MlService {
    /// Loads the model unless it is loaded, waits for the tenant's turn and runs.
    pub(crate) async fn run_tensors(&self, request: InferRequest) -> Result<ml_client::InferAnswer, MlError> {
        let deadline = Instant::now() + request.timeout;
        let model = self.model_of(&request.model, request.sha256.as_deref()).await?;
        let model_sha256 = model.sha256().to_owned();
        let key = self.key(request.model);
        let context = || CallContext::default().with_deadline(deadline);
        let load = || async {
            let source: Arc<dyn ModelSource> = model.clone();
            self.0.pool.load(&key, source, &context()).await.map_err(|error| convert::error(&error))
        };
        let mut loaded = load().await?;
        let checked = loaded.check(request.inputs, &request.outputs).map_err(|error| convert::error(&error))?;
        let began = Instant::now();
        let permit = self.permit(key.tenant(), deadline).await?;
        let wait_ms = milliseconds(began.elapsed());
        if !loaded.is_alive() {
            loaded = load().await?;
        }
        let answer = loaded.infer(checked, context().with_permit(permit)).await;
        let InferAnswer { outputs, timings } = answer.map_err(|error| convert::error(&error))?;
        let timings = convert::timings(wait_ms, timings);
        Ok(ml_client::InferAnswer { outputs, model_sha256, timings, batch_size: 1 })
    }

    /// Loads the model unless it is loaded, and says what it takes and gives.
    pub(crate) async fn signature(&self, model: ModelRef, sha256: Option<&str>) -> Result<ModelSignature, MlError> {
        let copy = self.model_of(&model, sha256).await?;
        let sha256 = copy.sha256().to_owned();
        let facts = self.0.pool.preload(&self.key(model), copy, self.question()).await;
        let facts = facts.map_err(|error| convert::error(&error))?;
        let (inputs, outputs) = convert::specs(&facts.signature);
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

    async fn permit(&self, tenant: &TenantSlug, deadline: Instant) -> Result<Permit, MlError> {
        let began = Instant::now();
        let permit = tokio::time::timeout_at(deadline, self.0.gate.acquire(tenant)).await;
        let permit = permit.map_err(|_| {
            MlError::new(ErrorCode::DeadlineExceeded, "the deadline passed while the request waited for a device")
        })?;
        metrics::ml_permit_waited(began.elapsed());
        permit.map_err(|full| MlError::new(ErrorCode::Overloaded, full.to_string()))
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
