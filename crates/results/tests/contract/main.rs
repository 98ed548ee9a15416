//! What results, signals and caches promise, checked inside of one process and over Redis.
#![allow(clippy::unwrap_used)]

mod cache;
mod numbers;
mod polling;
mod redis_only;
mod results;
mod signals;

use std::time::Duration;

use ortolan_domain::TaskId;
use ortolan_domain::job::Attempt;
use ortolan_results::{Redis, RedisSettings};

/// Waits for something that must come; a guard against hanging, not a measurement.
async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("nothing came")
}

fn redis_url() -> String {
    std::env::var("ORTOLAN_TEST_REDIS_URL")
        .expect("ORTOLAN_TEST_REDIS_URL is not set: run the tests with `./dev test`, which starts a Redis server")
}

async fn redis() -> Redis {
    Redis::connect(RedisSettings::at(redis_url())).await.unwrap()
}

fn attempt(number: i64) -> Attempt {
    Attempt { task_id: TaskId::generate(), attempt: number }
}
