//! Where the ML service's internal HTTP answers which question.

/// What is this stored object?
pub const PROBE_MEDIA: &str = "/internal/v1/probe-media";
/// May this stored file be served as a model?
pub const CHECK_MODEL: &str = "/internal/v1/check-model";
/// A slot's object changed.
pub const FORGET_MODEL: &str = "/internal/v1/forget-model";
/// What is loaded; `DELETE` unloads it.
pub const MODEL_CACHE: &str = "/internal/v1/model-cache";
/// How is the service?
pub const HEALTH: &str = "/internal/v1/health";
