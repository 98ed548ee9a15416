//! What a process asks before it says that it is well.

use std::sync::{Arc, Mutex, PoisonError};

use ortolan_ml_client::{Inference, MlHealth, MlHealthStatus};
use ortolan_queue::Queues;
use ortolan_results::Cache;
use ortolan_service::health::{Health, HealthRegistry, Importance};
use serde_json::{Value, json};

/// Asks the broker. Without it the API takes tasks all the same, and they wait; an ML service has nothing to do.
pub fn queues(registry: &HealthRegistry, queues: Queues, importance: Importance) {
    registry.check("queue", importance, move || {
        let queues = queues.clone();
        async move { queues.ml.ping().await.map_or(Health::Down("does not answer"), |()| Health::Up) }
    });
}

/// Asks whether the shared cache is used; without it everything is computed anew.
pub fn cache(registry: &HealthRegistry, cache: Cache) {
    registry.check("cache", Importance::Optional, move || {
        let answers = cache.answers();
        async move { if answers { Health::Up } else { Health::Down("does not answer and is passed over") } }
    });
}

/// Asks the ML service; without it tasks are taken and wait, and uploads are refused.
pub fn ml_service(registry: &HealthRegistry, inference: Arc<dyn Inference>) {
    let last: Arc<Mutex<Value>> = Arc::default();
    let told = Arc::clone(&last);
    registry.check("models", Importance::Optional, move || {
        let (inference, last) = (Arc::clone(&inference), Arc::clone(&last));
        async move {
            let health = inference.health().await;
            *last.lock().unwrap_or_else(PoisonError::into_inner) = health.as_ref().map_or(Value::Null, facts);
            match health.map(|health| health.status) {
                Ok(MlHealthStatus::Healthy) => Health::Up,
                Ok(MlHealthStatus::Degraded) => Health::Degraded("a preloaded model failed"),
                Ok(MlHealthStatus::Unhealthy) => Health::Down("no preloaded model works"),
                Err(_) => Health::Down("does not answer"),
            }
        }
    });
    registry.fact("ml", move || told.lock().unwrap_or_else(PoisonError::into_inner).clone());
}

/// What anybody may know of the ML service: no model's key, as that names its tenant.
fn facts(health: &MlHealth) -> Value {
    json!({
        "status": health.status,
        "models_loaded": health.models_loaded.len(),
        "models_failed": health.models_failed.len(),
        "gpu_available": health.gpu_available,
        "gpu_device_name": health.gpu_device_name,
        "gpu_memory_total_mb": health.gpu_memory_total_mb,
        "gpu_memory_used_mb": health.gpu_memory_used_mb,
        "runners_resident_bytes": health.runners_resident_bytes,
        "devices": health.devices,
        "isolation": health.isolation,
        "runtime_version": health.runtime_version,
    })
}
