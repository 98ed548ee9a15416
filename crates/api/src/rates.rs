//! How often a key may ask: counted in windows, in this process or for all processes on one Redis.

use std::time::Duration;

use ortolan_domain::{ErrorCode, TenantId, Timestamp};
use ortolan_service::config::Rate;

use crate::auth::Caller;
use crate::error::ApiError;
use crate::state::ApiState;

/// What is counted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Every request with a key.
    Request,
    /// Predictions.
    Prediction,
}

/// How often a key may ask; `None` for as often as it likes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    /// Requests of any kind.
    pub requests: Option<Rate>,
    /// Predictions.
    pub predictions: Option<Rate>,
}

impl Rates {
    fn of(&self, counted: Counted) -> (Option<Rate>, &'static str) {
        match counted {
            Counted::Request => (self.requests, "request"),
            Counted::Prediction => (self.predictions, "prediction"),
        }
    }
}

impl ApiState {
    /// Counts what a caller asks for and refuses it past its rate. Operators are not counted.
    pub(crate) async fn admit(&self, caller: &Caller, counted: Counted) -> Result<(), ApiError> {
        let (Some(rate), word) = self.settings().rates.of(counted) else { return Ok(()) };
        let Some(tenant) = caller.tenant.as_ref().filter(|_| !caller.is_operator()) else { return Ok(()) };
        let key = counter(word, tenant.id, caller);
        // A store that does not answer must not stop everybody.
        match self.counters.count(&key, rate.window).await {
            Some(count) if count > u64::from(rate.count) => Err(refusal(word, rate, self.now())),
            _ => Ok(()),
        }
    }
}

fn counter(word: &str, tenant: TenantId, caller: &Caller) -> String {
    match &caller.key {
        Some(key) => format!("rate:{word}:{tenant}:{}", key.id),
        None => format!("rate:{word}:{tenant}"),
    }
}

fn refusal(word: &str, rate: Rate, now: Timestamp) -> ApiError {
    let left = left_of_window(rate.window, now);
    let detail = format!("more than {rate} {word}s; try again in {left} s");
    ApiError::new(ErrorCode::RateLimited, detail).retry_after(left)
}

/// Whole seconds until the next window begins, at least one.
fn left_of_window(window: Duration, now: Timestamp) -> u32 {
    let window_us = i64::try_from(window.as_micros()).unwrap_or(i64::MAX).max(1);
    let left_us = window_us - now.as_micros().rem_euclid(window_us);
    u32::try_from(left_us.div_euclid(1_000_000) + 1).unwrap_or(u32::MAX)
}
