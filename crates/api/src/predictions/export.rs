//! `GET /models/{id}/predictions/export`.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, header};
use ortolan_domain::prediction::Prediction;
use ortolan_domain::{ModelId, TenantId};
use ortolan_store::StoreError;

use super::require_model;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(ExportRefusals: NotFound);

/// Records of one piece of the answer.
const PIECE: u32 = 200;
const HEAD: &str = "id,created_at,inference_time_ms,cached,input_data,output_data\r\n";

/// Exports a model's predictions as CSV, the newest first
///
/// Cells that a spreadsheet would take for a formula begin with an apostrophe. Needs scope `read`.
#[utoipa::path(
    get, path = "/models/{model_id}/predictions/export", tag = "predictions",
    params(("model_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "All records.", body = String, content_type = "text/csv"), ExportRefusals),
)]
pub async fn export_predictions(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    IdPath(id): IdPath<ModelId>,
) -> Result<Response, ApiError> {
    require_model(&state, &tenant, id).await?;
    state.predictions.recorder.settled().await;
    let mut response = Body::from_stream(pieces(state, tenant.id, id)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    let name = format!("attachment; filename=\"predictions-{id}.csv\"");
    headers
        .insert(header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(|error| ApiError::internal(&error))?);
    Ok(response)
}

/// The head, then some records at a time, so that an export of any length takes little memory.
fn pieces(state: ApiState, tenant: TenantId, model: ModelId) -> impl stream::Stream<Item = Result<Bytes, StoreError>> {
    let records = stream::try_unfold((state, None), move |(state, after)| async move {
        let some = state.stores.predictions.predictions_after(tenant, model, after, PIECE).await?;
        let Some(last) = some.last() else { return Ok(None) };
        let after = Some((last.created_at, last.id));
        Ok(Some((Bytes::from(some.iter().map(row).collect::<String>()), (state, after))))
    });
    futures::StreamExt::chain(stream::iter([Ok(Bytes::from_static(HEAD.as_bytes()))]), records)
}

fn row(prediction: &Prediction) -> String {
    let Prediction { id, created_at, inference_time_ms, cached, input_data, output_data, .. } = prediction;
    let [inputs, outputs] = [input_data, output_data].map(|json| cell(json.as_deref().unwrap_or_default()));
    format!("{id},{created_at},{inference_time_ms},{cached},{inputs},{outputs}\r\n")
}

/// A cell in quotes where it needs them (RFC 4180), and harmless to a spreadsheet.
fn cell(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !is_formula && !text.contains([',', '"', '\n', '\r']) {
        return Cow::Borrowed(text);
    }
    let apostrophe = if is_formula { "'" } else { "" };
    Cow::Owned(format!("\"{apostrophe}{}\"", text.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (text, expected) in [
            ("{}", "{}"),
            (r#"{"x":[1,2]}"#, r#""{""x"":[1,2]}""#),
            ("=1+1", "\"'=1+1\""),
            ("@a", "\"'@a\""),
            ("a\nb", "\"a\nb\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
