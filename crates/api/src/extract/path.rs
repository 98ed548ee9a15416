//! Parts of the path.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use ortolan_domain::model::RegistryName;
use ortolan_domain::{ErrorCode, FieldError, KeyId, MediaId, ModelId, PredictionId, Slot, TaskId, TenantId};
use uuid::Uuid;

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
impl PathId for QuarantineId {
    const NAME: &'static str = "quarantine_id";
}

/// The id of a pair in quarantine.
pub struct QuarantineId(pub Uuid);

impl FromStr for QuarantineId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
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

/// A name in the registry; a text that is none names nothing that exists.
pub struct NamePath(pub RegistryName);

impl FromRequestParts<ApiState> for NamePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let text = segment(parts, state).await?;
        let none = |_| ApiError::new(ErrorCode::NotFound, "No model found with this name");
        RegistryName::parse(&text).map(Self).map_err(none)
    }
}

async fn segment(parts: &mut Parts, state: &ApiState) -> Result<String, ApiError> {
    let unreadable = |_| ApiError::parameter("path", "is not valid UTF-8");
    let params = RawPathParams::from_request_parts(parts, state).await.map_err(unreadable)?;
    let first = params.iter().next().map(|(_, value)| value.to_owned());
    first.ok_or_else(|| ApiError::not_found("path"))
}
