//! What an installation may decide about the API.

use std::time::Duration;

use ortolan_domain::TenantSlug;
use ortolan_domain::config::ConfidenceDefaults;
use ortolan_domain::route::RouteTable;
use ortolan_outbound::AddressPolicy;

use crate::rates::Rates;

/// What an installation may decide about the API.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Origins whose pages may call from a browser; `*` for any.
    pub cors_origins: Vec<String>,
    /// The tenant that requests without a key act for. Only for a service that nobody but this machine can reach.
    pub no_auth: Option<TenantSlug>,
    /// How long a key is known without asking the database. Revocation does not wait for it.
    pub key_cache_ttl: Duration,
    /// The largest JSON body, in bytes.
    pub max_json_bytes: usize,
    /// The largest media object, in bytes.
    pub max_media_bytes: u64,
    /// The largest model file, in bytes.
    pub max_model_bytes: u64,
    /// An upload that sends nothing for so long is given up.
    pub upload_idle_timeout: Duration,
    /// Uploads under way at once, of all tenants.
    pub max_uploads: usize,
    /// Requests under way at once, of all tenants.
    pub max_requests: usize,
    /// Requests of one tenant under way at once.
    pub max_requests_per_tenant: usize,
    /// Clients that wait for a task or follow its events at once.
    pub max_watchers: usize,
    /// How long a client may wait for a task in one request.
    pub max_wait: Duration,
    /// How long a request for a pipeline waits for its end.
    pub process_wait: Duration,
    /// The header that a queue in front adds; a submission without it is refused. None where everybody may submit.
    pub ingress_header: Option<String>,
    /// Tenants may name receivers of webhooks.
    pub webhooks: bool,
    /// Where the addresses of callbacks may lead.
    pub callback_addresses: AddressPolicy,
    /// There is a backend that the step send_results can post to.
    pub has_backend: bool,
    /// Shows where a job failed to everybody who may read it, not only to administrators.
    pub expose_tracebacks: bool,
    /// How often a watched task is looked at when no signal comes.
    pub watch_interval: Duration,
    /// Tasks of one tenant that have not ended, at most.
    pub open_tasks_per_tenant: u64,
    /// A task that was not started for so long is given up.
    pub task_expires_after: Option<Duration>,
    /// How long what was answered about a version of a model is kept.
    pub model_cache_ttl: Duration,
    /// How long a list of versions is kept.
    pub model_list_cache_ttl: Duration,
    /// How long other values are kept in the cache.
    pub cache_ttl: Duration,
    /// How long an `Idempotency-Key` is remembered.
    pub idempotency_ttl: Duration,
    /// How long a synchronous prediction may take.
    pub inference_timeout: Duration,
    /// Answers predictions with a job instead of waiting.
    pub background_inference: bool,
    /// How long answers of predictions are kept; `None` for not at all.
    pub prediction_cache: Option<Duration>,
    /// The largest body of an inference, decompressed, in bytes.
    pub max_tensor_bytes: usize,
    /// What bodies of inferences may take at once, in bytes.
    pub max_tensor_bytes_at_once: usize,
    /// How often a key may ask.
    pub rates: Rates,
    /// Confidence thresholds of tasks that name none.
    pub confidence: ConfidenceDefaults,
    /// Which queue each type of task goes to.
    pub routes: RouteTable,
}

impl Default for ApiSettings {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            cors_origins: vec!["http://localhost:3000".to_owned(), "http://localhost:8000".to_owned()],
            no_auth: None,
            key_cache_ttl: Duration::from_secs(2),
            max_json_bytes: 1024 * 1024,
            max_media_bytes: 256 * MIB,
            max_model_bytes: 500 * MIB,
            upload_idle_timeout: Duration::from_secs(30),
            max_uploads: 64,
            max_requests: 4096,
            max_requests_per_tenant: 1024,
            max_watchers: 2048,
            max_wait: Duration::from_secs(30),
            process_wait: Duration::from_secs(60),
            ingress_header: None,
            webhooks: true,
            callback_addresses: AddressPolicy::public_only(),
            has_backend: false,
            expose_tracebacks: false,
            watch_interval: Duration::from_secs(2),
            open_tasks_per_tenant: 100_000,
            task_expires_after: None,
            model_cache_ttl: Duration::from_secs(300),
            model_list_cache_ttl: Duration::from_secs(60),
            cache_ttl: Duration::from_secs(3600),
            idempotency_ttl: Duration::from_secs(24 * 3600),
            inference_timeout: Duration::from_secs(30),
            background_inference: false,
            prediction_cache: Some(Duration::from_secs(300)),
            max_tensor_bytes: 64 << 20,
            max_tensor_bytes_at_once: 1 << 30,
            rates: Rates::default(),
            confidence: ConfidenceDefaults::default(),
            routes: RouteTable::default(),
        }
    }
}
