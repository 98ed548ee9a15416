//! Named tensors through one of a tenant's models.

use std::sync::Arc;
use std::time::Duration;

use ortolan_domain::ErrorCode;
use ortolan_domain::job::{MlError, Timings};
use ortolan_domain::model::ModelRef;
use ortolan_domain::tensor::Tensor;
use ortolan_ml_client::{InferAnswer, InferRequest, ModelSignature, Output, OutputValue};
use ortolan_runner::{CallContext, ModelSource};
use ortolan_service::telemetry::metrics;
use tokio::time::Instant;

use crate::catalog::LocalModel;
use crate::convert;
use crate::gate::Permit;
use crate::service::MlService;

impl MlService {
    /// Loads the model unless it is loaded, waits for the tenant's turn and runs.
    pub(crate) async fn run_tensors(&self, request: InferRequest) -> Result<InferAnswer, MlError> {
        let deadline = Instant::now() + request.timeout;
        let model = self.model_of(&request.model, request.sha256.as_deref()).await?;
        let model_sha256 = model.sha256().to_owned();
        let began = Instant::now();
        let permit = self.permit(&request.model, deadline).await?;
        let wait_ms = milliseconds(began.elapsed());
        let context = CallContext::default().with_deadline(deadline).with_permit(permit);
        let key = self.key(request.model);
        let began = Instant::now();
        let answer = self.0.pool.infer(&key, model, request.inputs, context).await;
        let (outputs, _facts) = answer.map_err(|error| convert::error(&error))?;
        let timings = Timings { wait_ms, inference_ms: milliseconds(began.elapsed()), ..Timings::default() };
        let outputs = chosen(outputs, &request.outputs)?;
        Ok(InferAnswer { outputs, model_sha256, timings, batch_size: 1 })
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

    async fn permit(&self, model: &ModelRef, deadline: Instant) -> Result<Permit, MlError> {
        let began = Instant::now();
        let permit = tokio::time::timeout_at(deadline, self.0.gate.acquire(&model.tenant)).await;
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

/// The outputs that are wanted, in the order of the wish.
fn chosen(mut outputs: Vec<Tensor>, wanted: &[String]) -> Result<Vec<Output>, MlError> {
    if wanted.is_empty() {
        return Ok(outputs.into_iter().map(output).collect());
    }
    let choose = |name: &String| {
        let found = outputs.iter().position(|output| output.name == *name);
        let found = found.ok_or_else(|| {
            MlError::new(ErrorCode::Invalid, format!("the model has no output {name:?}, or it was asked for twice"))
        })?;
        Ok(output(outputs.swap_remove(found)))
    };
    wanted.iter().map(choose).collect()
}

fn output(tensor: Tensor) -> Output {
    let Tensor { name, datatype, shape, data } = tensor;
    Output { name, value: OutputValue::Tensor { datatype, shape, data } }
}
