//! Installations behind a queue take submissions only from it.

use http::HeaderMap;
use ortolan_domain::ErrorCode;

use crate::error::ApiError;
use crate::settings::ApiSettings;

/// Refuses a submission that did not come through the queue in front, where there has to be one. The header's value does not
/// matter: the queue, or the proxy in front of us, takes it away from requests of others.
pub fn require_ingress(settings: &ApiSettings, headers: &HeaderMap) -> Result<(), ApiError> {
    match &settings.ingress_header {
        Some(name) if !headers.contains_key(name.as_str()) => {
            let detail = format!("tasks are taken only from the queue in front, which adds the header {name}");
            Err(ApiError::new(ErrorCode::Forbidden, detail))
        }
        _ => Ok(()),
    }
}
