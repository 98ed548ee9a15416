//! What a request for a pipeline says, and how its answer looks.

use ortolan_domain::config::{CheckedConfig, TaskConfig};
use ortolan_domain::pipeline::PipelineWish;
use ortolan_domain::{ErrorCode, FieldError, TaskId, TenantSlug};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::ApiError;
use crate::settings::ApiSettings;

/// Most characters of a tenant's name.
const MAX_TENANT_CHARS: usize = 100;
/// Most characters of a picture's address.
const MAX_URL_CHARS: usize = 2_000;

/// A pipeline to be run over a picture.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessRequest {
    /// The tenant's name: the one that the key belongs to.
    #[schema(min_length = 1, max_length = 100)]
    pub tenant_id: String,
    /// The session that the result belongs to.
    pub session_id: Uuid,
    /// What the picture is called.
    pub image_id: Uuid,
    /// Where the picture is: `media://{media_id}`, `gs://` and `s3://` addresses of the tenant's own objects in the installation's
    /// bucket, and `https://` where the installation allows it.
    #[schema(min_length = 1, max_length = 2000)]
    pub image_url: String,
    /// The pipeline: `{"chain": [...]}` of `chain`, `group`, `chord` and `step`.
    #[schema(value_type = Object)]
    pipeline_definition: Box<RawValue>,
    /// Settings for every step that has one of the name and is not told otherwise by its `kwargs`.
    #[schema(value_type = Object)]
    #[serde(default)]
    settings: Map<String, Value>,
    /// `https://` or `http://` address that a signed webhook is sent to when the pipeline has ended.
    #[schema(max_length = 2000)]
    pub callback_url: Option<String>,
}

/// What a pipeline found.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProcessResult {
    /// The task that ran it.
    #[schema(value_type = String, format = Uuid)]
    pub task_id: TaskId,
    /// `success`, `tenant_id`, `session_id`, `image_id`, `pipeline_type`, `results`, `duration_ms`, `steps_completed`, `error` and
    /// `processed_at`, as in the artifact `pipeline.result`.
    #[schema(value_type = Object)]
    #[serde(flatten)]
    pub result: Value,
}

impl ProcessRequest {
    /// Checks everything but the pipeline.
    pub fn check(&self, tenant: &TenantSlug) -> Result<(), ApiError> {
        check_tenant(&self.tenant_id)?;
        if !(1..=MAX_URL_CHARS).contains(&self.image_url.chars().count()) {
            return Err(ApiError::field("image_url", format!("must have 1 to {MAX_URL_CHARS} characters")));
        }
        if self.tenant_id != tenant.as_str() {
            return Err(ApiError::new(ErrorCode::Forbidden, "the key belongs to another tenant than tenant_id names"));
        }
        Ok(())
    }

    /// What makes two requests the same one.
    pub fn parts<'a>(&'a self, config: &'a CheckedConfig) -> Vec<&'a str> {
        let mut parts = vec!["POST /tasks/process", &config.hash, &self.image_url];
        parts.extend(self.callback_url.as_deref());
        parts
    }

    /// The pipeline, checked as a whole.
    pub fn config(&self, settings: &ApiSettings) -> Result<CheckedConfig, ApiError> {
        let wish = PipelineWish {
            pipeline_definition: self.pipeline_definition.clone(),
            settings: self.settings.clone(),
            session_id: Some(self.session_id),
            image_id: Some(self.image_id),
            model_profile: Default::default(),
            use_gpu: None,
        };
        Ok(TaskConfig::of_pipeline(wish, settings.confidence)?)
    }
}

fn check_tenant(name: &str) -> Result<(), FieldError> {
    let reason = match name {
        "" => "tenant_id is required".to_owned(),
        _ if name.chars().count() > MAX_TENANT_CHARS => format!("must have at most {MAX_TENANT_CHARS} characters"),
        _ if name.contains("..") || name.contains(['/', '\\']) => "must not contain '..', '/' or '\\'".to_owned(),
        _ => return Ok(()),
    };
    Err(FieldError::new("tenant_id", reason))
}
