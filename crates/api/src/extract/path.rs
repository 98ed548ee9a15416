//! Parts of the path.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use ortolan_domain::{FieldError, KeyId, MediaId, ModelId, PredictionId, Slot, TaskId, TenantId};

use crate::error::ApiError;
use crate::state::ApiState;

/// An id that can stand in a path.
pub trait PathId: FromStr {
    /// What messages call it.
    const NAME: &'static str;
}

impl PathId for TaskId {
    const NAME: &'static str = "task_id";
}
impl PathId for MediaId {
    const NAME: &'static str = "media_id";
}
impl PathId for ModelId {
    const NAME: &'static str = "model_id";
}
impl PathId for PredictionId {
    const NAME: &'static str = "prediction_id";
}
impl PathId for TenantId {
    const NAME: &'static str = "tenant_id";
}
impl PathId for KeyId {
    const NAME: &'static str = "key_id";
}

/// The one id of a path; a text that is no UUID is a 400.
pub struct IdPath<T>(pub T);

impl<T: PathId> FromRequestParts<ApiState> for IdPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let text = segment(parts, state).await?;
        let shown: String = text.chars().take(64).collect();
        let invalid = |_| ApiError::parameter(T::NAME, format!("Invalid UUID format for {}: {shown}", T::NAME));
        text.parse().map(Self).map_err(invalid)
    }
}

/// The slot of a path; any other word is a 422.
pub struct SlotPath(pub Slot);

impl FromRequestParts<ApiState> for SlotPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let text = segment(parts, state).await?;
        Slot::parse(&text).map(Self).map_err(|error| FieldError::new("type", error.to_string()).into())
    }
}

async fn segment(parts: &mut Parts, state: &ApiState) -> Result<String, ApiError> {
    let unreadable = |_| ApiError::parameter("path", "is not valid UTF-8");
    let params = RawPathParams::from_request_parts(parts, state).await.map_err(unreadable)?;
    let first = params.iter().next().map(|(_, value)| value.to_owned());
    first.ok_or_else(|| ApiError::not_found("path"))
}
