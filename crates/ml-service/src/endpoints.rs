//! One picture through one of a tenant's models, at once: the answers of tasks without a task, for the internal port.

use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Json, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use ortolan_blobs::ObjectPath;
use ortolan_domain::artifact::ArtifactType;
use ortolan_domain::config::{ConfidenceDefaults, TaskConfig};
use ortolan_domain::job::{Attempt, MlError, MlItem, MlJob, MlOutcome, MlResult};
use ortolan_domain::task::TaskInput;
use ortolan_domain::{ErrorCode, Origin, RunId, TaskId, TaskType, TenantId, TenantSlug, hash};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::http::failed;
use crate::service::MlService;

/// What to look at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    /// Whose model and whose media.
    tenant: TenantSlug,
    /// Where the media lies in the object store.
    media_path: String,
    /// The digest that the media must have, SHA-256 in hexadecimal; not compared when absent.
    input_hash: Option<String>,
    /// The configuration that a task of this type would have.
    config: Option<Box<RawValue>>,
    /// The request that asks, for logs and provenance.
    request_id: Option<String>,
}

/// Where each answers, what task it stands for, if there is a model for it, and what its items are called.
const ENDPOINTS: [(&str, Option<TaskType>, &str); 6] = [
    ("/infer/objects", Some(TaskType::ObjectDetection), "detections"),
    ("/infer/places", Some(TaskType::Classification), "classifications"),
    ("/infer/faces", None, "face detection"),
    ("/infer/transcribe", None, "transcription"),
    ("/infer/ocr", None, "reading text"),
    ("/infer/scenes", None, "finding scenes"),
];

/// The routes. Never published: who asks is trusted to name the tenant.
pub fn infer_endpoints(service: MlService) -> Router {
    let mut routes = Router::new();
    for (path, kind, word) in ENDPOINTS {
        let answer =
            move |service: State<MlService>, look: Result<Json<Look>, JsonRejection>| answer(service, look, kind, word);
        routes = routes.route(path, post(answer));
    }
    routes.with_state(service)
}

async fn answer(
    State(service): State<MlService>,
    look: Result<Json<Look>, JsonRejection>,
    kind: Option<TaskType>,
    word: &'static str,
) -> Response {
    let looked = match (look, kind) {
        (Err(rejection), _) => Err(MlError::new(ErrorCode::MalformedRequest, rejection.body_text())),
        (Ok(Json(look)), Some(kind)) => service.look(look, kind, word).await,
        (Ok(_), None) => Err(MlError::new(ErrorCode::ModelNotFound, format!("there is no model for {word} here"))),
    };
    looked.map_or_else(failed, |answer| Json(answer).into_response())
}

/// An item as these endpoints show it: classes of a picture are those of a place, in the first frame.
fn shown(item: MlItem, top_k: u32) -> Value {
    let MlItem { artifact_type, mut payload, .. } = item;
    if let (ArtifactType::Classification, Value::Object(fields)) = (artifact_type, &mut payload) {
        fields.insert("frame_number".to_owned(), json!(0));
        fields.insert("top_k".to_owned(), json!(top_k));
    }
    payload
}

impl MlService {
    async fn look(&self, look: Look, kind: TaskType, word: &'static str) -> Result<Value, MlError> {
        let given = look.config.unwrap_or_else(|| RawValue::NULL.to_owned());
        let given = if given.get() == "null" { RawValue::from_string("{}".to_owned()).unwrap_or(given) } else { given };
        let checked = TaskConfig::check(kind, &given, ConfidenceDefaults::default())
            .map_err(|error| MlError::new(ErrorCode::Invalid, error.to_string()))?;
        let top_k = match &checked.config {
            TaskConfig::Image(config) => config.top_k,
            _ => 0,
        };
        let job = MlJob {
            attempt: Attempt { task_id: TaskId::generate(), attempt: 1 },
            run_id: RunId::generate(),
            tenant_id: TenantId::generate(),
            input: Some(self.input(&look.tenant, look.media_path, look.input_hash).await?),
            tenant: look.tenant,
            task_type: kind,
            config: checked.json,
            config_hash: checked.hash.to_string(),
            deadline_at: self.0.clock.now().plus(self.0.settings.question_timeout),
            handed_over_at: None,
            origin: Origin { request_id: look.request_id, trace: None },
        };
        // Dropping this future, as happens when the client goes away, cancels the run.
        let cancel = CancellationToken::new();
        let _guard = cancel.clone().drop_guard();
        let MlResult { provenance, timings, outcome, .. } = self.result(&job, &cancel).await;
        let items = match outcome {
            MlOutcome::Items(items) => items.into_iter().map(|item| shown(item, top_k)).collect::<Vec<_>>(),
            MlOutcome::Error(error) => return Err(error),
        };
        let mut answer = json!(provenance);
        answer["timings"] = json!(timings);
        answer[word] = Value::Array(items);
        Ok(answer)
    }

    /// The media, which must lie in the tenant's part of the store and have the digest that was named.
    async fn input(
        &self,
        tenant: &TenantSlug,
        object_path: String,
        named: Option<String>,
    ) -> Result<TaskInput, MlError> {
        let path = ObjectPath::of_tenant(tenant, &object_path)
            .map_err(|error| MlError::new(ErrorCode::Invalid, format!("media_path: {error}")))?;
        let sha256 = match named {
            Some(named) => named,
            None => hash::sha256_hex(&self.fetch(&path).await?),
        };
        Ok(TaskInput { media_id: None, object_path, sha256 })
    }
}
