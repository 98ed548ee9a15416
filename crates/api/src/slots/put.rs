//! `PUT /slots/{type}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use http::{HeaderMap, header};
use ortolan_blobs::{ObjectPath, Stored};
use ortolan_domain::job::MlError;
use ortolan_domain::model::ModelRef;
use ortolan_domain::{ErrorCode, Slot};
use ortolan_ml_client::CheckModel;
use ortolan_store::{SlotAction, SlotChange, SlotFile, SlotRecord, Tenant};
use uuid::Uuid;

use super::view::SlotView;
use super::{forget, model_path};
use crate::auth::{Access, AdminAccess};
use crate::error::ApiError;
use crate::extract::SlotPath;
use crate::openapi::{refusals, words};
use crate::state::ApiState;
use crate::upload::{PendingObject, bytes_of};

refusals!(PutRefusals: TooLarge, UnsupportedMedia, Invalid, InvalidModel, DeadlineExceeded);

/// Puts a model into a slot
///
/// The file is the raw body. It is scanned and tried in a throw-away process first; a file that is no model, or none for this
/// slot, is refused, and the slot keeps what it had. Needs scope `admin`.
#[utoipa::path(
    put, path = "/slots/{type}", tag = "slots",
    params(("type" = words::SlotName, Path)),
    request_body(content((Vec<u8> = "application/octet-stream"))),
    responses((status = 200, description = "The model is in its slot.", body = SlotView), PutRefusals),
)]
pub async fn put_slot(
    State(state): State<ApiState>,
    Access { tenant, caller, .. }: AdminAccess,
    SlotPath(slot): SlotPath,
    request: Request,
) -> Result<Json<SlotView>, ApiError> {
    refuse_form(request.headers())?;
    let (staging, stored) = receive(&state, &tenant, request).await?;
    let object = PendingObject::new(&state.blobs, staging.clone());
    if let Err(refusal) = check(&state, &tenant, slot, &staging).await {
        object.discard().await;
        return Err(refusal);
    }
    // A client that leaves now must not leave a model behind that nobody was told of.
    let file = SlotFile { sha256: stored.sha256, size_bytes: stored.size_bytes, source: None };
    let change = SlotChange { slot, action: SlotAction::Upload, file, actor: caller.name().to_owned() };
    let install = install(state, tenant, staging, change);
    let installed = tokio::spawn(install).await.map_err(|error| ApiError::internal(&error))?;
    match installed {
        Ok(record) => {
            object.keep();
            Ok(Json(record.into()))
        }
        Err(error) => {
            object.discard().await;
            Err(error)
        }
    }
}

async fn receive(state: &ApiState, tenant: &Tenant, request: Request) -> Result<(ObjectPath, Stored), ApiError> {
    let _place = state.limits.upload()?;
    let staging = format!("{}/staging/{}.onnx", tenant.name, Uuid::now_v7());
    let staging = ObjectPath::of_tenant(&tenant.name, &staging).map_err(|error| ApiError::internal(&error))?;
    let bytes = bytes_of(request.into_body(), state.settings().upload_idle_timeout);
    let stored = state.blobs.put_stream(&staging, bytes, state.settings().max_model_bytes).await?;
    Ok((staging, stored))
}

async fn check(state: &ApiState, tenant: &Tenant, slot: Slot, staging: &ObjectPath) -> Result<(), ApiError> {
    let object_path = staging.as_str().to_owned();
    let question = CheckModel { tenant: tenant.name.clone(), object_path, slot: Some(slot) };
    state.inference.check_model(question).await.map(drop).map_err(refused_by_check)
}

/// Moves a checked file to where it will be looked for, and tells everyone.
async fn install(
    state: ApiState,
    tenant: Arc<Tenant>,
    staging: ObjectPath,
    change: SlotChange,
) -> Result<SlotRecord, ApiError> {
    let slot = change.slot;
    state.blobs.rename(&staging, &model_path(&tenant.name, slot)?).await?;
    let record = state.stores.slots.record_slot(tenant.id, change, state.now()).await;
    forget(&state, ModelRef::new(tenant.name.clone(), slot)).await;
    Ok(record?)
}

/// A file that kills or starves the process that tries it is refused like any other that cannot be served.
fn refused_by_check(error: MlError) -> ApiError {
    match error.code {
        ErrorCode::Crashed => ApiError::new(ErrorCode::InvalidModel, "the model crashed the process that tried it"),
        ErrorCode::OutOfMemory => {
            ApiError::new(ErrorCode::InvalidModel, "the model needs more memory than it may have")
        }
        ErrorCode::RunFailed => MlError::new(ErrorCode::InvalidModel, error.detail).into(),
        _ => error.into(),
    }
}

fn refuse_form(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.to_ascii_lowercase().starts_with("multipart/") {
        return Err(ApiError::new(ErrorCode::UnsupportedMedia, "the file itself must be the body, not a form"));
    }
    Ok(())
}
