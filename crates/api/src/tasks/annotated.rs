//! `GET /tasks/{id}/annotated`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ortolan_domain::artifact::{Artifact, ArtifactType};
use ortolan_domain::media::{MediaKind, PictureFormat, PictureWriting};
use ortolan_domain::task::TaskInput;
use ortolan_domain::{ErrorCode, Task, TaskId, TaskStatus};
use ortolan_ml_client::{AnnotatePicture, MAX_FINDINGS_BYTES};
use ortolan_store::Tenant;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::IntoParams;

use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::{IdPath, Query, is_known, preferred};
use crate::openapi::{refusals, words};
use crate::state::ApiState;

refusals!(AnnotatedRefusals: NotFound, WrongState, UnsupportedMedia, CorruptMedia, TooLarge, Invalid, DeadlineExceeded);

/// The longest edge that may be asked for: what a JPEG can have at most.
const EDGE_PX: std::ops::RangeInclusive<u32> = 16..=65_500;
/// Labels stay sharp.
const JPEG_QUALITY: u8 = 90;
/// Most findings that are drawn, the surest first.
const MAX_DRAWN: usize = 3_000;
/// Findings that are read from the database at once.
const PAGE: u32 = 500;

/// How the picture is written.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AnnotatedQuery {
    /// `jpeg` or `png`; what `Accept` likes best when absent, and JPEG when it says nothing.
    #[param(value_type = Option<words::PictureFormat>, inline)]
    format: Option<PictureFormat>,
    /// The longest edge in pixels; a larger picture is made smaller, never the other way round.
    #[param(minimum = 16, maximum = 65500)]
    max_px: Option<u32>,
}

/// Shows what a task found in its picture
///
/// The picture that the task looked at, upright, with boxes, masks, key points and labels; at most 3,000 findings are drawn, the
/// surest first. Only of a completed task. Needs scope `read`.
#[utoipa::path(
    get, path = "/tasks/{task_id}/annotated", tag = "tasks",
    params(
        ("task_id" = String, Path, format = Uuid),
        AnnotatedQuery,
        ("If-None-Match" = Option<String>, Header, description = "An entity tag that the client has."),
    ),
    responses(
        (status = 200, description = "The picture, as JPEG or PNG.", body = Vec<u8>, content_type = "image/*"),
        (status = 304, description = "The client has it."),
        AnnotatedRefusals,
    ),
)]
pub async fn annotated_picture(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    IdPath(id): IdPath<TaskId>,
    Query(query): Query<AnnotatedQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let writing = writing(query, &headers)?;
    let task = state.stores.tasks.get(tenant.id, id).await?.ok_or_else(|| ApiError::not_found("task"))?;
    let input = picture_of(&state, &tenant, &task).await?;
    if task.status != TaskStatus::Completed {
        return Err(ApiError::wrong_status("shown in its picture", task.status, "completed"));
    }
    let tag = tag(&task, writing);
    let mut response = Response::new(Body::empty());
    add_headers(response.headers_mut(), writing.format, &tag)?;
    if is_known(&headers, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let findings = findings(&state, &tenant, id).await?;
    let request = AnnotatePicture { tenant: tenant.name.clone(), input, findings, writing };
    let file = state.inference.annotate_picture(request).await?;
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(file.len()));
    *response.body_mut() = Body::from(file);
    Ok(response)
}

fn writing(query: AnnotatedQuery, headers: &HeaderMap) -> Result<PictureWriting, ApiError> {
    if let Some(edge) = query.max_px.filter(|edge| !EDGE_PX.contains(edge)) {
        let (least, most) = (EDGE_PX.start(), EDGE_PX.end());
        return Err(ApiError::parameter("max_px", format!("must be from {least} to {most} pixels, was {edge}")));
    }
    let offers = PictureFormat::ALL.map(PictureFormat::content_type);
    let liked = preferred(headers, &offers);
    let liked = PictureFormat::ALL.into_iter().find(|format| Some(format.content_type()) == liked);
    // Who takes neither gets what most can show.
    let format = query.format.or(liked).unwrap_or_default();
    Ok(PictureWriting { format, longest_edge_px: query.max_px, quality: JPEG_QUALITY })
}

/// The picture that the task looked at.
async fn picture_of(state: &ApiState, tenant: &Tenant, task: &Task) -> Result<TaskInput, ApiError> {
    let Some(input) = &task.spec.input else {
        let detail = format!("a task of type {} has no picture", task.spec.task_type);
        return Err(ApiError::new(ErrorCode::Invalid, detail));
    };
    let media = state.stores.media.media(tenant.id, input.media_id).await?;
    let media = media.ok_or_else(|| ApiError::not_found("picture any more: the task's media object was deleted"))?;
    if media.facts.kind != MediaKind::Image {
        let detail = format!("the task looked at {}, not at a picture", media.facts.kind.as_str());
        return Err(ApiError::new(ErrorCode::UnsupportedMedia, detail));
    }
    Ok(input.clone())
}

/// What a completed task found never changes; how it is drawn may change with the program.
fn tag(task: &Task, writing: PictureWriting) -> String {
    let run = task.run_id.map(|run| run.to_string()).unwrap_or_default();
    let edge = writing.longest_edge_px.unwrap_or_default();
    format!("\"{run}-{}-{edge}-{}\"", writing.format.as_str(), env!("CARGO_PKG_VERSION"))
}

fn add_headers(headers: &mut HeaderMap, format: PictureFormat, tag: &str) -> Result<(), ApiError> {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::ETAG, HeaderValue::from_str(tag).map_err(|error| ApiError::internal(&error))?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(())
}

/// The payloads that have a place in the picture, as a JSON list.
async fn findings(state: &ApiState, tenant: &Tenant, id: TaskId) -> Result<Box<RawValue>, ApiError> {
    let (mut list, mut count, mut offset) = (String::from("["), 0, 0);
    loop {
        let page = state.stores.tasks.artifacts(tenant.id, id, PAGE, offset).await?;
        let page = page.ok_or_else(|| ApiError::not_found("task"))?;
        offset += page.items.len() as u64;
        for artifact in page.items.iter().filter(|artifact| is_drawn(artifact)).take(MAX_DRAWN - count) {
            if count > 0 {
                list.push(',');
            }
            list.push_str(&artifact.payload.to_string());
            count += 1;
        }
        if list.len() > MAX_FINDINGS_BYTES {
            let detail = format!("what was found has more than {MAX_FINDINGS_BYTES} bytes, too much to draw");
            return Err(ApiError::new(ErrorCode::TooLarge, detail));
        }
        if page.items.is_empty() || offset >= page.total || count == MAX_DRAWN {
            list.push(']');
            return RawValue::from_string(list).map_err(|error| ApiError::internal(&error));
        }
    }
}

fn is_drawn(artifact: &Artifact) -> bool {
    use ArtifactType::{Classification, ObjectDetection, OrientedDetection, PoseDetection, Segmentation};
    matches!(
        artifact.artifact_type,
        ObjectDetection | Segmentation | OrientedDetection | PoseDetection | Classification
    )
}
