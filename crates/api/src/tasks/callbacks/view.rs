//! A delivery as clients see it.

use ortolan_domain::{TaskStatus, Timestamp};
use ortolan_store::{Delivery, DeliveryAttempt, DeliveryStatus};
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi::words;

/// Something that is done because a task has ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Callback)]
pub struct CallbackView {
    /// The id that a receiver knows it by, the same at every try.
    pub webhook_id: String,
    /// `webhook`, `backend` (the step send_results) or `pictures` (the step upload_image).
    kind: &'static str,
    /// Where to, of a webhook.
    url: Option<String>,
    /// How the task ended.
    #[schema(value_type = words::TaskStatus)]
    event: TaskStatus,
    /// `pending`, `delivered` or `dead`.
    status: &'static str,
    /// How often it was tried.
    attempts: i32,
    /// The HTTP status of the latest answer.
    last_status: Option<u16>,
    /// Why the latest try failed.
    last_error: Option<String>,
    /// When it is tried next.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// The tries that have ended.
    tries: Vec<TryView>,
    /// When the task ended.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was done or given up.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

/// A try that has ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallbackTry)]
struct TryView {
    /// The how-manyth it was, from 1; a number is missing when the process that made the try died.
    number: i32,
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    ended_at: Timestamp,
    /// The HTTP status of the answer.
    status: Option<u16>,
    /// Why it failed.
    error: Option<String>,
}

impl From<DeliveryAttempt> for TryView {
    fn from(attempt: DeliveryAttempt) -> Self {
        let DeliveryAttempt { number, ended_at, answer, error } = attempt;
        Self { number, ended_at, status: answer, error }
    }
}

impl CallbackView {
    /// A delivery and its tries.
    pub fn new(delivery: Delivery, attempts: Vec<DeliveryAttempt>) -> Self {
        let last = attempts.last().cloned();
        Self {
            webhook_id: delivery.key.webhook_id(),
            kind: delivery.kind.as_str(),
            url: delivery.url,
            event: delivery.event,
            status: delivery.status.as_str(),
            attempts: delivery.attempts,
            last_status: last.as_ref().and_then(|attempt| attempt.answer),
            last_error: last.and_then(|attempt| attempt.error),
            next_attempt_at: (delivery.status == DeliveryStatus::Pending).then_some(delivery.due_at),
            tries: attempts.into_iter().map(TryView::from).collect(),
            created_at: delivery.created_at,
            ended_at: delivery.ended_at,
        }
    }
}
