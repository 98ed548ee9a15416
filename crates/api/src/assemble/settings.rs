//! The API's settings out of the one configuration.

use std::sync::Arc;

use ortolan_assembly::settings::tensor_bytes;
use ortolan_domain::Clock;
use ortolan_outbound::{AddressPolicy, Outbound, OutboundError};
use ortolan_results::Cache;
use ortolan_service::config::{self, Config, ConfigError};

use crate::{ApiSettings, Rates};

/// Where requests are counted: beside the cache, unless each process is to count for itself.
pub fn counters(config: &Config, cache: &Cache, clock: &Arc<dyn Clock>) -> Cache {
    match config.rate_limit.store {
        config::RateLimitStore::Memory => Cache::in_process(clock.clone()),
        config::RateLimitStore::Auto | config::RateLimitStore::Redis => cache.clone(),
    }
}

/// The client that fetches pictures, where that is allowed.
pub fn fetch(config: &Config) -> Result<Option<Outbound>, OutboundError> {
    let outbound = &config.outbound;
    outbound.fetch_pictures.then(|| Outbound::new(addresses(config), outbound.fetch_timeout)).transpose()
}

/// Where addresses that tenants chose may lead.
fn addresses(config: &Config) -> AddressPolicy {
    AddressPolicy::Public(config.outbound.allowed_networks.clone().into())
}

/// Settings of the API.
pub fn api(config: &Config) -> Result<ApiSettings, ConfigError> {
    let server = &config.server;
    Ok(ApiSettings {
        cors_origins: server.cors_origins.clone(),
        no_auth: server.no_auth.then(|| server.no_auth_tenant.clone()),
        max_json_bytes: server.max_json_bytes,
        max_media_bytes: server.max_media_bytes,
        max_model_bytes: server.max_model_bytes,
        process_wait: server.process_timeout,
        webhooks: config.callback.webhooks,
        callback_addresses: addresses(config),
        has_backend: config.callback.backend_url.is_some(),
        ingress_header: server
            .ingress_header
            .clone()
            .filter(|_| config.environment != config::Environment::Development),
        expose_tracebacks: match server.expose_tracebacks {
            config::Tracebacks::Auto => config.environment == config::Environment::Development,
            config::Tracebacks::On => true,
            config::Tracebacks::Off => false,
        },
        max_requests: config.limits.open_requests,
        max_requests_per_tenant: config.limits.open_requests_per_tenant,
        open_tasks_per_tenant: config.limits.open_tasks_per_tenant,
        model_cache_ttl: config.cache.model_ttl,
        model_list_cache_ttl: config.cache.model_list_ttl,
        cache_ttl: config.cache.ttl,
        idempotency_ttl: config.retention.idempotency,
        inference_timeout: config.ml.inference_timeout,
        background_inference: config.ml.background_inference,
        prediction_cache: config.cache.prediction_enabled.then_some(config.cache.prediction_ttl),
        max_tensor_bytes: tensor_bytes(config).saturating_add(server.max_json_bytes),
        rates: Rates { requests: config.rate_limit.default, predictions: config.rate_limit.predictions },
        confidence: config.confidence.into(),
        routes: config.route_table()?,
        ..ApiSettings::default()
    })
}
