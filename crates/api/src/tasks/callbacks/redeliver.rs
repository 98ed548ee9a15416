//! `POST /tasks/{id}/callbacks/redeliver`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::{ErrorCode, TaskId};
use ortolan_store::{Delivery, DeliveryAttempt};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::CallbackView;
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::{IdPath, JsonBody};
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(RedeliverRefusals: NotFound, UnsupportedMedia, Invalid, WrongState);

/// Which delivery to do again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Redelivery {
    /// Its id, as the list of the task's callbacks shows it.
    webhook_id: String,
}

/// Does once more what was done, or given up, because a task has ended
///
/// A receiver gets the same body under the same id, with a new signature; all tries are granted anew. Needs scope `write`.
#[utoipa::path(
    post, path = "/tasks/{task_id}/callbacks/redeliver", tag = "callbacks", request_body = Redelivery,
    params(("task_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "It is due now.", body = CallbackView), RedeliverRefusals),
)]
pub async fn redeliver_callback(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    IdPath(id): IdPath<TaskId>,
    JsonBody(Redelivery { webhook_id }): JsonBody<Redelivery>,
) -> Result<Json<CallbackView>, ApiError> {
    let find = || async {
        let found = state.stores.callbacks.deliveries(tenant.id, id).await?;
        let mut deliveries = found.ok_or_else(|| ApiError::not_found("task"))?.into_iter();
        let wanted = |(delivery, _): &(Delivery, Vec<DeliveryAttempt>)| delivery.key.webhook_id() == webhook_id;
        deliveries.find(wanted).ok_or_else(|| ApiError::field("webhook_id", "the task has no such callback"))
    };
    let (delivery, _) = find().await?;
    if !state.stores.callbacks.redeliver(tenant.id, delivery.key, state.now()).await? {
        let detail = "the callback is still pending: only one that was delivered or is dead can be asked for again";
        return Err(ApiError::new(ErrorCode::WrongState, detail));
    }
    let (delivery, tries) = find().await?;
    Ok(Json(CallbackView::new(delivery, tries)))
}
