//! A model as a path of the protocol names it.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use crate::error::ApiError;
use crate::predict::Wanted;
use crate::state::ApiState;

/// A model's name, and its version if the path has one.
pub struct ModelPath(pub Wanted);

impl FromRequestParts<ApiState> for ModelPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let unreadable = |_| ApiError::not_found("model");
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(unreadable)?;
        let named = |wanted| params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned());
        let name = named("model_name").ok_or_else(|| ApiError::not_found("model"))?;
        Ok(Self(Wanted::Named(name, named("model_version"))))
    }
}
