//! What a process asks before it says that it is well.

use std::sync::Arc;

use ortolan_ml_client::{Inference, MlHealthStatus};
use ortolan_queue::Queues;
use ortolan_service::health::{Health, HealthRegistry, Importance};
use ortolan_store::TaskStore;

/// Asks the database; nothing works without it.
pub fn database(registry: &HealthRegistry, tasks: Arc<dyn TaskStore>) {
    registry.check("database", Importance::Essential, move || {
        let tasks = Arc::clone(&tasks);
        async move { tasks.ping().await.map_or(Health::Down("does not answer"), |()| Health::Up) }
    });
}

/// Asks the broker. Without it the API takes tasks all the same, and they wait; an ML service has nothing to do.
pub fn queues(registry: &HealthRegistry, queues: Queues, importance: Importance) {
    registry.check("queue", importance, move || {
        let queues = queues.clone();
        async move { queues.ml.ping().await.map_or(Health::Down("does not answer"), |()| Health::Up) }
    });
}

/// Asks the ML service; without it tasks are taken and wait, and uploads are refused.
pub fn ml_service(registry: &HealthRegistry, inference: Arc<dyn Inference>) {
    registry.check("models", Importance::Optional, move || {
        let inference = Arc::clone(&inference);
        async move {
            match inference.health().await.map(|health| health.status) {
                Ok(MlHealthStatus::Healthy) => Health::Up,
                Ok(MlHealthStatus::Degraded) => Health::Degraded("a preloaded model failed"),
                Ok(MlHealthStatus::Unhealthy) => Health::Down("no preloaded model works"),
                Err(_) => Health::Down("does not answer"),
            }
        }
    });
}
