//! Tells metrics, from time to time, what is loaded and which runners died.

use std::collections::HashMap;
use std::time::Duration;

use ortolan_runner::DeathCause;
use ortolan_service::telemetry::{inference, metrics};

use crate::service::MlService;

/// How often the runners are looked at.
const PERIOD: Duration = Duration::from_secs(10);

impl MlService {
    /// Looks until it is aborted.
    pub(crate) async fn observe(self) {
        let mut told: HashMap<DeathCause, u64> = HashMap::new();
        let mut ticks = tokio::time::interval(PERIOD);
        loop {
            ticks.tick().await;
            self.0.pool.trim_cache();
            let cache = self.0.pool.cache_info();
            metrics::ml_models_loaded(cache.models.len());
            let bytes = cache.models.iter().filter_map(|model| model.memory_bytes).sum();
            inference::model_cache(cache.evictions, bytes);
            metrics::runners(cache.runners.len());
            self.0.gpus.look().await;
            inference::runners_memory(cache.runners.iter().map(|runner| runner.rss_bytes).sum());
            self.tell_deaths(&mut told);
        }
    }

    /// Counts the deaths since the last look; by cause only, as metrics name no tenant.
    fn tell_deaths(&self, told: &mut HashMap<DeathCause, u64>) {
        let mut counts: HashMap<DeathCause, u64> = HashMap::new();
        for death in self.0.pool.deaths() {
            *counts.entry(death.cause).or_default() += death.count;
        }
        for (cause, count) in counts {
            let before = told.insert(cause, count).unwrap_or_default();
            (before..count).for_each(|_| metrics::runner_died(word(cause)));
        }
    }
}

const fn word(cause: DeathCause) -> &'static str {
    match cause {
        DeathCause::Crashed => "crashed",
        DeathCause::Exited => "exited",
        DeathCause::OutOfMemory => "out_of_memory",
        DeathCause::Hung => "hung",
        DeathCause::Misbehaved => "misbehaved",
    }
}
