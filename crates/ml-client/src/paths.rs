//! Where the ML service's internal HTTP answers which question.

/// What is this stored object?
pub const PROBE_MEDIA: &str = "/internal/v1/probe-media";
/// This picture with what was found in it.
pub const ANNOTATE_PICTURE: &str = "/internal/v1/annotate-picture";
/// May this stored file be served as a model?
pub const CHECK_MODEL: &str = "/internal/v1/check-model";
/// A model's file changed.
pub const FORGET_MODEL: &str = "/internal/v1/forget-model";
/// These tensors through this model; bodies as [`crate::frame`] lays them out.
pub const INFER: &str = "/internal/v1/infer";
/// What does this model take and give?
pub const DESCRIBE_MODEL: &str = "/internal/v1/describe-model";
/// Load this model.
pub const LOAD_MODEL: &str = "/internal/v1/load-model";
/// Unload this model.
pub const UNLOAD_MODEL: &str = "/internal/v1/unload-model";
/// What did models do?
pub const MODEL_STATS: &str = "/internal/v1/model-stats";
/// What is loaded; `DELETE` unloads it.
pub const MODEL_CACHE: &str = "/internal/v1/model-cache";
/// How is the service?
pub const HEALTH: &str = "/internal/v1/health";
