//! What services talk to each other through, in either profile.

use std::sync::Arc;

use anyhow::{Context, Result};
use ortolan_domain::{Clock, SystemClock};
use ortolan_queue::Queues;
use ortolan_results::{Cache, Hears, Numbers, Redis, RedisSettings, ResultStore, Signals};
use ortolan_service::config::{Config, MaskedUrl};

/// Everything but the truth and the objects: what every service has.
pub struct Ports {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The queues.
    pub queues: Queues,
    /// Signals between services.
    pub signals: Signals,
    /// Results of inference.
    pub results: ResultStore,
    /// Answers that are kept for a while, and counts.
    pub cache: Cache,
    /// What processes leave for each other to read.
    pub board: Cache,
    /// Which number each ML service has.
    pub numbers: Numbers,
}

impl Ports {
    /// Ports that end with this process.
    pub fn in_process(config: &Config) -> Self {
        let clock = SystemClock::shared();
        let cache = Cache::in_process(clock.clone());
        Self {
            queues: Queues::in_memory(),
            signals: Signals::in_process(),
            results: ResultStore::in_process(clock.clone()).keeping(config.results.ttl, config.results.done_ttl),
            board: cache.clone(),
            cache,
            numbers: Numbers::in_process(),
            clock,
        }
    }

    /// Ports that all processes on the configured Redis share; of frequent signals this one hears those.
    pub async fn shared(config: &Config, hears: Hears) -> Result<Self> {
        let url = config.redis_url()?.context("this service needs profile = \"production\" (ORTOLAN_PROFILE) and redis.url (REDIS_URL); `ortolan up` needs neither")?;
        Self::on_redis(config, url, hears).await
    }

    async fn on_redis(config: &Config, url: &MaskedUrl, hears: Hears) -> Result<Self> {
        let clock = SystemClock::shared();
        let queues = Queues::redis(url.expose()).await?;
        let redis = Redis::connect(RedisSettings { hears, ..redis_settings(config, url) }).await?;
        let (signals, results) = (Signals::redis(&redis), ResultStore::redis(&redis, clock.clone()));
        let results = results.keeping(config.results.ttl, config.results.done_ttl);
        let board = Cache::redis(&redis, clock.clone());
        let cache = match config.redis.enabled {
            true => board.clone(),
            false => Cache::in_process(clock.clone()),
        };
        Ok(Self { clock, queues, signals, results, cache, board, numbers: Numbers::redis(&redis) })
    }

    /// A name that no other incarnation of any process has.
    pub fn process_id(&self) -> String {
        format!("{}-{}-{}", host(), std::process::id(), self.clock.now().as_micros())
    }
}

/// How Redis is used for results, signals and caches.
fn redis_settings(config: &Config, url: &MaskedUrl) -> RedisSettings {
    RedisSettings {
        answer_limit: config.redis.timeout,
        connections: config.redis.max_connections as usize,
        cache_prefix: config.cache.key_prefix.clone(),
        ..RedisSettings::at(url.expose())
    }
}

/// The name of this machine or container.
pub fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}
