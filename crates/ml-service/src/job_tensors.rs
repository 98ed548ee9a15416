//! Jobs: named tensors through a version in the registry, while nobody waits.

use std::collections::BTreeMap;

use ortolan_domain::artifact::ArtifactType;
use ortolan_domain::config::InferenceConfig;
use ortolan_domain::job::{CrashSuspect, MlError, MlItem, MlJob};
use ortolan_domain::model::ModelRef;
use ortolan_domain::tensor::digest;
use ortolan_domain::{ErrorCode, hash};
use ortolan_ml_client::{InferAnswer, InferRequest, Inference};
use ortolan_oip::outputs_json;
use ortolan_oip::signature::from_json;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::job::Produced;
use crate::service::MlService;

impl MlService {
    /// Runs a job within its deadline. What is late or cancelled is dropped, which cancels it.
    pub(crate) async fn tensors(
        &self,
        job: &MlJob,
        config: InferenceConfig,
        cancel: &CancellationToken,
    ) -> Result<Produced, MlError> {
        let late = || MlError::new(ErrorCode::DeadlineExceeded, "the job took longer than its time limit");
        let answer = tokio::select! {
            answer = self.ask(job, config) => answer,
            () = tokio::time::sleep_until(self.0.instant(job.deadline_at)) => Err(late()),
            () = cancel.cancelled() => Err(MlError::new(ErrorCode::Cancelled, "the job was cancelled")),
        };
        match answer {
            Ok(answer) => produced(answer),
            Err(error) if error.code == ErrorCode::DeadlineExceeded => Err(late()),
            Err(error) => Err(error),
        }
    }

    async fn ask(&self, job: &MlJob, config: InferenceConfig) -> Result<InferAnswer, MlError> {
        let model = ModelRef::new(job.tenant.clone(), config.model_id);
        let signature = self.describe_model(model.clone(), None).await?;
        let invalid = |reason: String| MlError::new(ErrorCode::Invalid, reason);
        let values: BTreeMap<String, &RawValue> =
            serde_json::from_str(config.input_data.0.get()).map_err(|error| invalid(format!("input_data: {error}")))?;
        let mut inputs =
            from_json(&signature, |name| values.get(name).copied()).map_err(|error| invalid(error.to_string()))?;
        let input_hash = hash::hex(&digest(&mut inputs));
        let request = InferRequest {
            model,
            sha256: None,
            inputs,
            outputs: Vec::new(),
            timeout: job.deadline_at.since(self.0.clock.now()),
            batching: None,
            request_id: job.origin.request_id.clone().unwrap_or_else(|| job.run_id.to_string()),
            trace: job.origin.trace,
        };
        let model = config.model_id.to_string();
        let suspect = || CrashSuspect { model, model_sha256: signature.sha256, input_hash };
        self.infer(request).await.map_err(|error| error.suspecting(suspect))
    }
}

fn produced(answer: InferAnswer) -> Result<Produced, MlError> {
    let unwritable = |reason: String| MlError::new(ErrorCode::InvalidResult, reason);
    let outputs = outputs_json(&answer).map_err(|error| unwritable(error.to_string()))?;
    let outputs: serde_json::Value = serde_json::from_str(&outputs).map_err(|error| unwritable(error.to_string()))?;
    let item = MlItem {
        artifact_type: ArtifactType::Prediction,
        span_start_ms: 0,
        span_end_ms: 0,
        payload: serde_json::json!({ "output_data": outputs }),
    };
    Ok(Produced { items: vec![item], timings: answer.timings, model_sha256: Some(answer.model_sha256) })
}
