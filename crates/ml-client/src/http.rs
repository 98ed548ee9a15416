//! The contract over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use ortolan_domain::job::{MlError, SlotRef};
use ortolan_domain::media::MediaFacts;
use ortolan_domain::{ErrorCode, TenantSlug};
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{CheckModel, Inference, MlHealth, ModelCacheInfo, ModelReport, ProbeMedia, paths};

/// The longest that any question may take.
const TIMEOUT: Duration = Duration::from_secs(600);
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

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
    /// A client of the ML service at `base`, for instance `http://ml-service:8001`.
    pub fn new(base: &str) -> Result<Self, reqwest::Error> {
        let builder = Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT).no_proxy().tcp_nodelay(true);
        // Without TLS no certificates are needed, and a slim image has none to look for.
        let client = if base.starts_with("http://") { builder.tls_certs_only([]) } else { builder }.build()?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned() })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    fn of_tenant(&self, method: Method, tenant: Option<TenantSlug>) -> RequestBuilder {
        let tenant = tenant.map(|tenant| tenant.to_string());
        self.request(method, paths::MODEL_CACHE).query(&[("tenant", tenant)])
    }
}

#[async_trait]
impl Inference for HttpInference {
    async fn probe_media(&self, request: ProbeMedia) -> Result<MediaFacts, MlError> {
        answer(self.request(Method::POST, paths::PROBE_MEDIA).json(&request)).await
    }

    async fn check_model(&self, request: CheckModel) -> Result<ModelReport, MlError> {
        answer(self.request(Method::POST, paths::CHECK_MODEL).json(&request)).await
    }

    async fn forget_model(&self, slot: SlotRef) -> Result<(), MlError> {
        answer(self.request(Method::POST, paths::FORGET_MODEL).json(&slot)).await
    }

    async fn model_cache(&self, tenant: Option<TenantSlug>) -> Result<ModelCacheInfo, MlError> {
        answer(self.of_tenant(Method::GET, tenant)).await
    }

    async fn clear_model_cache(&self, tenant: Option<TenantSlug>) -> Result<usize, MlError> {
        let removed: Removed = answer(self.of_tenant(Method::DELETE, tenant)).await?;
        Ok(removed.models_removed)
    }

    async fn health(&self) -> Result<MlHealth, MlError> {
        answer(self.request(Method::GET, paths::HEALTH)).await
    }
}

async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, MlError> {
    let response = request.send().await.map_err(unavailable)?;
    if response.status().is_success() {
        return response.json().await.map_err(unavailable);
    }
    Err(response.json::<MlError>().await.unwrap_or_else(unavailable))
}

fn unavailable(error: reqwest::Error) -> MlError {
    tracing::warn!(error = %error.without_url(), "the ML service did not answer as expected");
    MlError::new(ErrorCode::Unavailable, "the ML service does not answer")
}
