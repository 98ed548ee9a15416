//! `GET /tasks/{id}/callbacks`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::TaskId;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::CallbackView;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(CallbacksRefusals: NotFound);

/// What is done because a task has ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallbackList)]
pub struct CallbackListView {
    /// The deliveries, the oldest first.
    items: Vec<CallbackView>,
    /// How many there are.
    total: usize,
}

/// Lists what is done because a task has ended
///
/// Each with its tries; empty until the task has ended. Needs scope `read`.
#[utoipa::path(
    get, path = "/tasks/{task_id}/callbacks", tag = "callbacks",
    params(("task_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "All deliveries.", body = CallbackListView), CallbacksRefusals),
)]
pub async fn task_callbacks(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    IdPath(id): IdPath<TaskId>,
) -> Result<Json<CallbackListView>, ApiError> {
    let found = state.stores.callbacks.deliveries(tenant.id, id).await?.ok_or_else(|| ApiError::not_found("task"))?;
    let items: Vec<_> = found.into_iter().map(|(delivery, tries)| CallbackView::new(delivery, tries)).collect();
    Ok(Json(CallbackListView { total: items.len(), items }))
}
