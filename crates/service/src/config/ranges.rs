//! The range of every number, in one table.

use toml::Value;

use super::error::ConfigError;
use super::origin::Setting;

const MANY: f64 = 1_000_000.0;
const YEAR_S: f64 = 366.0 * 86_400.0;
const TERA: f64 = 1_099_511_627_776.0;

/// Setting, least, greatest.
pub(crate) const RANGES: &[(&str, f64, f64)] = &[
    ("server.max_json_bytes", 1_024.0, 1_073_741_824.0),
    ("server.max_media_bytes", 1_024.0, TERA),
    ("server.max_model_bytes", 1_024.0, TERA),
    ("server.max_connections", 1.0, MANY),
    ("server.header_timeout_s", 1.0, 3_600.0),
    ("server.drain_timeout_s", 0.0, 3_600.0),
    ("server.process_timeout_s", 1.0, 3_600.0),
    ("database.max_connections", 1.0, 10_000.0),
    ("database.worker_max_connections", 1.0, 10_000.0),
    ("redis.max_connections", 1.0, 10_000.0),
    ("redis.timeout_ms", 1.0, 600_000.0),
    ("storage.timeout_s", 1.0, 3_600.0),
    ("storage.retries", 0.0, 100.0),
    ("worker.concurrency", 1.0, 65_536.0),
    ("worker.job_timeout_s", 1.0, YEAR_S),
    ("worker.lease_s", 1.0, 3_600.0),
    ("worker.max_tries", 1.0, 1_000.0),
    ("worker.max_crashes", 1.0, 1_000.0),
    ("worker.retry_base_s", 0.0, 3_600.0),
    ("worker.retry_cap_s", 0.0, 86_400.0),
    ("worker.soft_limit_s", 1.0, YEAR_S),
    ("worker.hard_limit_s", 1.0, YEAR_S),
    ("dispatch.window", 1.0, MANY),
    ("dispatch.per_tenant", 1.0, MANY),
    ("ml.worker_id", 0.0, 65_535.0),
    ("ml.gpu_concurrency", 1.0, 1_024.0),
    ("ml.pictures_ahead", 0.0, 1_024.0),
    ("ml.max_jobs", 1.0, 65_536.0),
    ("ml.max_tensor_mb", 1.0, 1_024.0),
    ("ml.batch_max_rows", 1.0, 4_096.0),
    ("ml.batch_max_mb", 1.0, 1_024.0),
    ("ml.batch_max_wait_ms", 0.0, 10_000.0),
    ("ml.model_revalidate_s", 0.0, YEAR_S),
    ("ml.model_cache_max_mb", 0.0, 1_048_576.0),
    ("ml.model_cache_max_models", 0.0, MANY),
    ("ml.runner_memory_mb", 64.0, 1_048_576.0),
    ("ml.cancel_grace_ms", 0.0, 60_000.0),
    ("ml.inference_timeout_s", 1.0, 3_600.0),
    ("ml.client_timeout_s", 1.0, 86_400.0),
    ("confidence.detect", 0.0, 1.0),
    ("confidence.segment", 0.0, 1.0),
    ("cache.ttl_s", 1.0, YEAR_S),
    ("cache.model_ttl_s", 1.0, YEAR_S),
    ("cache.model_list_ttl_s", 1.0, YEAR_S),
    ("cache.prediction_ttl_s", 1.0, YEAR_S),
    ("results.ttl_s", 1.0, YEAR_S),
    ("results.done_ttl_s", 1.0, YEAR_S),
    ("retention.job_retention_days", 1.0, 36_500.0),
    ("retention.idempotency_hours", 1.0, 8_784.0),
    ("reconcile.interval_s", 1.0, 86_400.0),
    ("reconcile.long_running_s", 1.0, YEAR_S),
    ("reconcile.orphan_grace_hours", 1.0, 8_784.0),
    ("limits.open_tasks_per_tenant", 1.0, 1_000_000_000.0),
    ("limits.open_requests", 1.0, 1_000_000.0),
    ("limits.open_requests_per_tenant", 1.0, 1_000_000.0),
    ("limits.max_image_px", 1.0, 4_294_836_225.0),
    ("callback.timeout_s", 1.0, 3_600.0),
    ("callback.max_attempts", 1.0, 1_000.0),
    ("callback.retry_base_s", 0.0, 3_600.0),
    ("callback.retry_cap_s", 0.0, 86_400.0),
    ("outbound.fetch_timeout_s", 1.0, 3_600.0),
    ("traces.sample_ratio", 0.0, 1.0),
];

/// The range of a setting, when it is a number.
pub(crate) fn range(path: &str) -> Option<(f64, f64)> {
    RANGES.iter().find(|(known, ..)| *known == path).map(|(_, least, most)| (*least, *most))
}

/// Refuses a number outside of its range.
pub(crate) fn check(setting: &Setting, value: &Value) -> Result<(), ConfigError> {
    let found = match value {
        Value::Integer(number) => *number as f64,
        Value::Float(number) => *number,
        _ => return Ok(()),
    };
    let Some((least, most)) = range(&setting.path) else { return Ok(()) };
    if (least..=most).contains(&found) {
        return Ok(());
    }
    if setting.path == "ml.worker_id" && found < 0.0 {
        return Err(ConfigError::NegativeWorkerId { setting: setting.clone(), found });
    }
    Err(ConfigError::OutOfRange { setting: setting.clone(), least, most, found })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::layers;

    #[test]
    fn every_number_has_a_range_that_holds_its_default() {
        let defaults = layers::defaults().unwrap();
        for (path, value) in &defaults {
            if matches!(value, Value::Integer(_) | Value::Float(_)) {
                assert!(range(path).is_some(), "{path} has no range");
                check(&Setting { path: path.clone(), origin: Default::default() }, value).unwrap();
            }
        }
        for (path, ..) in RANGES {
            assert!(defaults.contains_key(*path), "{path} is no setting");
        }
    }
}
