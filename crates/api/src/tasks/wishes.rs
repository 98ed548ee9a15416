//! What is to be done once a task has ended.

use ortolan_domain::config::TaskConfig;
use ortolan_domain::{ErrorCode, FieldError};
use ortolan_outbound::check_address;
use ortolan_store::{CallbackKind, NewCallback};

use crate::error::ApiError;
use crate::settings::ApiSettings;

/// Most characters of an address.
const MAX_URL_CHARS: usize = 2_000;

/// The callbacks of a task: those that its configuration means, and the one that its client asks for.
pub fn callbacks(
    settings: &ApiSettings,
    config: &TaskConfig,
    callback_url: Option<&str>,
) -> Result<Vec<NewCallback>, ApiError> {
    let mut wishes = of_pipeline(settings, config)?;
    if let Some(url) = callback_url {
        check_url(settings, url)?;
        wishes.push(NewCallback { kind: CallbackKind::Webhook, url: Some(url.to_owned()) });
    }
    Ok(wishes)
}

fn of_pipeline(settings: &ApiSettings, config: &TaskConfig) -> Result<Vec<NewCallback>, ApiError> {
    let TaskConfig::Pipeline(pipeline) = config else { return Ok(Vec::new()) };
    let mut kinds = Vec::new();
    if pipeline.uploads() {
        kinds.push(CallbackKind::Pictures);
    }
    if pipeline.sends_results() {
        if !settings.has_backend {
            let detail = "Invalid pipeline: send_results: this installation names no backend (callback.backend_url)";
            return Err(ApiError::new(ErrorCode::InvalidPipeline, detail));
        }
        kinds.push(CallbackKind::Backend);
    }
    Ok(kinds.into_iter().map(|kind| NewCallback { kind, url: None }).collect())
}

/// What can be known of an address before it is called. Where its name leads is looked at with each call.
fn check_url(settings: &ApiSettings, url: &str) -> Result<(), FieldError> {
    let refused = |reason: String| FieldError::new("callback_url", reason);
    if !settings.webhooks {
        return Err(refused("this installation sends no webhooks (callback.webhooks)".to_owned()));
    }
    if url.chars().count() > MAX_URL_CHARS {
        return Err(refused(format!("must have at most {MAX_URL_CHARS} characters")));
    }
    check_address(&settings.callback_addresses, url).map_err(|error| refused(error.to_string()))
}
