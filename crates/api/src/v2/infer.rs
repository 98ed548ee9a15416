//! `POST /v2/models/{model}/infer`.

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, header};
use ortolan_oip::signature::{check_outputs, check_tensors};
use ortolan_oip::{Encoding, InferRequest, InferResponse, WrittenResponse, compress};
use ortolan_store::Tenant;

use super::body::HeldBody;
use super::error::InferRefusals;
use super::name::ModelPath;
use super::outputs::named_outputs;
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::middleware::RequestId;
use crate::predict::{Answered, Asked, CacheUse, Deadline, Target, Wanted, deadline};
use crate::rates::Counted;
use crate::state::ApiState;

/// Bodies with something behind their JSON.
const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Asks a model
///
/// JSON, or JSON followed by binary tensors when `Inference-Header-Content-Length` names the size of the JSON. `parameters.timeout`
/// (microseconds) and `timeout_ms` shorten the deadline; `use_cache` takes a known answer. Needs scope `write`.
#[utoipa::path(
    post, path = "/v2/models/{model_name}/infer", tag = "open inference protocol",
    params(("model_name" = String, Path, description = "A name in the registry, or a slot.")),
    request_body(content = Object, content_type = "application/json"),
    responses((status = 200, description = "The outputs.", body = Object), InferRefusals),
)]
pub async fn infer_model(
    State(state): State<ApiState>,
    Access { tenant, caller, .. }: WriteAccess,
    Extension(RequestId(request_id)): Extension<RequestId>,
    ModelPath(wanted): ModelPath,
    request: Request,
) -> Result<Response, ApiError> {
    state.admit(&caller, Counted::Prediction).await?;
    let (parts, body) = request.into_parts();
    let max_bytes = state.settings().max_tensor_bytes;
    let held = state.bodies.read(&parts.headers, body, max_bytes).await?;
    let (request, held) = state.bodies.parse(&parts.headers, held, max_bytes).await?;
    let limit = deadline(state.settings(), request.timeout_ms);
    let call = Call { state: &state, tenant: &tenant, request_id, limit };
    call.answer(wanted, request, held, &parts.headers).await
}

/// Asks a version of a model
///
/// As without a version. Needs scope `write`.
#[utoipa::path(
    post, path = "/v2/models/{model_name}/versions/{model_version}/infer", tag = "open inference protocol",
    params(("model_name" = String, Path), ("model_version" = String, Path)),
    request_body(content = Object, content_type = "application/json"),
    responses((status = 200, description = "The outputs.", body = Object), InferRefusals),
)]
pub async fn infer_version(
    state: State<ApiState>,
    access: WriteAccess,
    request_id: Extension<RequestId>,
    path: ModelPath,
    request: Request,
) -> Result<Response, ApiError> {
    infer_model(state, access, request_id, path, request).await
}

/// What surrounds a request.
struct Call<'a> {
    state: &'a ApiState,
    tenant: &'a Tenant,
    request_id: String,
    limit: Deadline,
}

impl Call<'_> {
    async fn answer(
        self,
        wanted: Wanted,
        mut request: InferRequest,
        held: HeldBody,
        headers: &HeaderMap,
    ) -> Result<Response, ApiError> {
        let state = self.state;
        let target = self.limit.meet(state.predictions.targets.find(state, self.tenant, wanted)).await?;
        check_tensors(&target.signature, &request.inputs)?;
        check_outputs(&target.signature, request.outputs.iter().map(|output| output.name.as_str()))?;
        let asked = Asked {
            tenant: self.tenant.id,
            target: &target,
            inputs: std::mem::take(&mut request.inputs),
            outputs: request.outputs.iter().map(|output| output.name.clone()).collect(),
            cache: if request.use_cache { CacheUse::Full } else { CacheUse::None },
            deadline: self.limit,
            request_id: self.request_id,
        };
        let answered = state.predict(asked).await?;
        drop(held);
        let mut response = respond(&target, &request, &answered, headers).await?;
        if request.use_cache {
            let word = if answered.cached { "HIT" } else { "MISS" };
            response.headers_mut().insert("x-cache", HeaderValue::from_static(word));
        }
        Ok(response)
    }
}

async fn respond(
    target: &Target,
    request: &InferRequest,
    answered: &Answered,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let outputs = named_outputs(&answered.answer, request);
    let written = InferResponse {
        model_name: &target.name,
        model_version: &target.version,
        id: request.id.as_deref(),
        outputs: &outputs,
    };
    let written = written.write()?;
    let json_bytes = written.json_bytes;
    let mut response = match wanted_encoding(headers) {
        Some(encoding) => compressed(written, encoding).await?,
        None => plain(written),
    };
    let headers = response.headers_mut();
    let kind = json_bytes.map_or(HeaderValue::from_static("application/json"), |_| OCTET_STREAM);
    headers.insert(header::CONTENT_TYPE, kind);
    if let Some(json_bytes) = json_bytes {
        headers.insert("inference-header-content-length", HeaderValue::from(json_bytes));
    }
    Ok(response)
}

/// A client that names one encoding asks for it; most others name all they know, whatever they ask for, and numbers hardly
/// shrink.
fn wanted_encoding(headers: &HeaderMap) -> Option<Encoding> {
    let accepted = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    if accepted.contains(',') { None } else { Encoding::accepted(accepted) }
}

async fn compressed(written: WrittenResponse, encoding: Encoding) -> Result<Response, ApiError> {
    let packed = tokio::task::spawn_blocking(move || compress(&written.pieces, encoding)).await;
    let packed = packed.map_err(|error| ApiError::internal(&error))?.map_err(|error| ApiError::internal(&error))?;
    let mut response = Body::from(packed).into_response();
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.as_str()));
    Ok(response)
}

/// The pieces as they are, one after the other; a small answer goes out in one.
fn plain(written: WrittenResponse) -> Response {
    const SMALL_BYTES: usize = 16 * 1024;
    let length = written.len();
    if length <= SMALL_BYTES {
        return Body::from(written.pieces.concat()).into_response();
    }
    let pieces = stream::iter(written.pieces.into_iter().map(Ok::<Bytes, std::convert::Infallible>));
    let mut response = Body::from_stream(pieces).into_response();
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}
