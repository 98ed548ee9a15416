//! How long a prediction may take.

use std::time::Duration;

use ortolan_domain::ErrorCode;
use tokio::time::Instant;

use crate::error::ApiError;

/// The instant by which an answer must have gone out.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// The installation's limit, or the client's own when that is shorter.
    pub fn new(limit: Duration, wished_ms: Option<f64>) -> Self {
        let wished = wished_ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok());
        let limit = wished.map_or(limit, |wished| wished.min(limit));
        Self { at: Instant::now() + limit, limit }
    }

    /// What is left.
    pub fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Waits for an answer, but not longer; what is late is dropped, which cancels it.
    pub async fn meet<T>(&self, answer: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
        match tokio::time::timeout_at(self.at, answer).await {
            Ok(Err(error)) if error.code() == ErrorCode::DeadlineExceeded => Err(self.passed()),
            Ok(answer) => answer,
            Err(_) => Err(self.passed()),
        }
    }

    fn passed(&self) -> ApiError {
        let detail = format!("Prediction timed out after {} seconds", self.limit.as_secs_f64());
        ApiError::new(ErrorCode::DeadlineExceeded, detail)
    }
}
