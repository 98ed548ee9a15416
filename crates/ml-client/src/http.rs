//! The contract over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use ortolan_domain::job::MlError;
use ortolan_domain::media::MediaFacts;
use ortolan_domain::model::ModelRef;
use ortolan_domain::{ErrorCode, TenantSlug, TraceContext};
use reqwest::{Body, Client, RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{
    AnnotatePicture, CheckModel, InferAnswer, InferRequest, Inference, MlHealth, ModelCacheInfo, ModelReport,
    ModelSignature, ModelStats, OfModel, ProbeMedia, Unloaded, frame, paths,
};

/// What an inference may take beyond its own time, so that the ML service's word about its end arrives.
const ON_THE_WAY: Duration = Duration::from_secs(2);
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Pauses before a question whose connection failed is asked again: about as long as a service that restarts, or its successor, needs.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// An ML service in another process. Clones share its connections.
#[derive(Clone)]
pub struct HttpInference {
    client: Client,
    base: String,
}

#[derive(Deserialize)]
struct Removed {
    models_removed: usize,
}

impl HttpInference {
    /// A client of the ML service at `base`, for instance `http://ml-service:8001`, which waits at most `timeout` for any answer.
    pub fn new(base: &str, timeout: Duration) -> Result<Self, reqwest::Error> {
        let builder = Client::builder().timeout(timeout).connect_timeout(CONNECT_TIMEOUT).no_proxy().tcp_nodelay(true);
        // Without TLS no certificates are needed, and a slim image has none to look for.
        let client = if base.starts_with("http://") { builder.tls_certs_only([]) } else { builder }.build()?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned() })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    fn of_tenant(&self, method: Method, path: &str, tenant: &Option<TenantSlug>) -> RequestBuilder {
        let tenant = tenant.as_ref().map(TenantSlug::as_str);
        self.request(method, path).query(&[("tenant", tenant)])
    }
}

#[async_trait]
impl Inference for HttpInference {
    async fn probe_media(&self, request: ProbeMedia) -> Result<MediaFacts, MlError> {
        answer(|| self.request(Method::POST, paths::PROBE_MEDIA).json(&request)).await
    }

    async fn annotate_picture(&self, request: AnnotatePicture) -> Result<Bytes, MlError> {
        let answer = successful(|| self.request(Method::POST, paths::ANNOTATE_PICTURE).json(&request)).await?;
        answer.bytes().await.map_err(unavailable)
    }

    async fn check_model(&self, request: CheckModel) -> Result<ModelReport, MlError> {
        answer(|| self.request(Method::POST, paths::CHECK_MODEL).json(&request)).await
    }

    async fn forget_model(&self, model: ModelRef) -> Result<(), MlError> {
        answer(|| self.request(Method::POST, paths::FORGET_MODEL).json(&model)).await
    }

    async fn infer(&self, request: InferRequest) -> Result<InferAnswer, MlError> {
        let timeout = request.timeout.saturating_add(ON_THE_WAY);
        let trace = request.trace;
        let body = frame::pack_request(request).map_err(unreadable)?;
        let ask = || {
            let asked = self.request(Method::POST, paths::INFER).timeout(timeout);
            let asked =
                trace.into_iter().fold(asked, |asked, trace| asked.header(TraceContext::HEADER, trace.to_string()));
            // The pieces are shared, not copied.
            asked.header(http::header::CONTENT_TYPE, frame::CONTENT_TYPE).body(Body::wrap(body.clone()))
        };
        let body = successful(ask).await?.bytes().await.map_err(unavailable)?;
        frame::unpack_answer(&body).map_err(unreadable)
    }

    async fn describe_model(&self, model: ModelRef, sha256: Option<String>) -> Result<ModelSignature, MlError> {
        let wanted = OfModel { model, sha256 };
        answer(|| self.request(Method::POST, paths::DESCRIBE_MODEL).json(&wanted)).await
    }

    async fn load_model(&self, model: ModelRef, sha256: Option<String>) -> Result<(), MlError> {
        let wanted = OfModel { model, sha256 };
        answer(|| self.request(Method::POST, paths::LOAD_MODEL).json(&wanted)).await
    }

    async fn unload_model(&self, model: ModelRef) -> Result<bool, MlError> {
        let answer: Unloaded = answer(|| self.request(Method::POST, paths::UNLOAD_MODEL).json(&model)).await?;
        Ok(answer.was_loaded)
    }

    async fn model_stats(&self, tenant: Option<TenantSlug>) -> Result<Vec<ModelStats>, MlError> {
        answer(|| self.of_tenant(Method::GET, paths::MODEL_STATS, &tenant)).await
    }

    async fn model_cache(&self, tenant: Option<TenantSlug>) -> Result<ModelCacheInfo, MlError> {
        answer(|| self.of_tenant(Method::GET, paths::MODEL_CACHE, &tenant)).await
    }

    async fn clear_model_cache(&self, tenant: Option<TenantSlug>) -> Result<usize, MlError> {
        let removed: Removed = answer(|| self.of_tenant(Method::DELETE, paths::MODEL_CACHE, &tenant)).await?;
        Ok(removed.models_removed)
    }

    async fn health(&self) -> Result<MlHealth, MlError> {
        // Asked once: whoever looks at the service's health wants to know that it is away.
        read(self.request(Method::GET, paths::HEALTH).send().await).await?.json().await.map_err(unavailable)
    }
}

async fn answer<T: DeserializeOwned>(ask: impl Fn() -> RequestBuilder) -> Result<T, MlError> {
    successful(ask).await?.json().await.map_err(unavailable)
}

/// Asks, and asks again when the connection failed: every question of the contract may be asked twice. What was answered, be it with an
/// error, is not asked again, and what took too long neither.
async fn successful(ask: impl Fn() -> RequestBuilder) -> Result<Response, MlError> {
    for pause in PAUSES {
        match ask().send().await {
            Err(error) if error.is_connect() || (error.is_request() && !error.is_timeout()) => {
                tracing::debug!(error = %error.without_url(), "the ML service is asked again");
                tokio::time::sleep(pause).await;
            }
            answered => return read(answered).await,
        }
    }
    read(ask().send().await).await
}

async fn read(answered: Result<Response, reqwest::Error>) -> Result<Response, MlError> {
    let response = answered.map_err(unavailable)?;
    if response.status().is_success() {
        return Ok(response);
    }
    Err(response.json::<MlError>().await.unwrap_or_else(unavailable))
}

fn unreadable(error: impl std::error::Error) -> MlError {
    tracing::error!(error = error.to_string(), "tensors could not be put into a body, or read out of one");
    MlError::new(ErrorCode::Internal, "the tensors could not be passed on")
}

fn unavailable(error: reqwest::Error) -> MlError {
    tracing::warn!(error = %error.without_url(), "the ML service did not answer as expected");
    MlError::new(ErrorCode::Unavailable, "the ML service does not answer")
}
