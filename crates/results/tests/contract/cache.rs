use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ortolan_domain::{Clock, ManualClock, TaskId, Timestamp};
use ortolan_results::Cache;

use crate::redis;

const MINUTE: Duration = Duration::from_secs(60);

/// A cache, its clock, and a prefix that nobody else uses.
struct Bench {
    cache: Cache,
    clock: Arc<ManualClock>,
    prefix: String,
}

impl Bench {
    fn new(make: impl FnOnce(Arc<dyn Clock>) -> Cache) -> Self {
        let clock = ManualClock::at(Timestamp::from_micros(7));
        Self { cache: make(clock.clone()), clock, prefix: TaskId::generate().to_string() }
    }

    fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }
}

async fn a_value_is_there_until_it_is_deleted(bench: Bench) {
    let key = bench.key("a");
    assert_eq!(bench.cache.get(&key).await, None);
    bench.cache.set(&key, Bytes::from_static(b"\0\xff"), MINUTE).await;
    bench.cache.set(&bench.key("b"), Bytes::from_static(b"b"), MINUTE).await;
    assert_eq!(bench.cache.get(&key).await.unwrap(), Bytes::from_static(b"\0\xff"));
    bench.cache.delete(&key).await;
    assert_eq!(bench.cache.get(&key).await, None);
    assert!(bench.cache.get(&bench.key("b")).await.is_some());
}

async fn a_prefix_takes_all_of_its_keys_and_no_other(bench: Bench) {
    let inside: Vec<String> = (0..1_200).map(|number| bench.key(&format!("[a]*:{number}"))).collect();
    let outside = bench.key("a:1");
    for key in inside.iter().chain([&outside]) {
        bench.cache.set(key, Bytes::from_static(b"x"), MINUTE).await;
    }
    assert_eq!(bench.cache.delete_prefix(&bench.key("[a]*")).await, inside.len() as u64);
    assert!(bench.cache.answers());
    for key in &inside {
        assert_eq!(bench.cache.get(key).await, None, "{key}");
    }
    assert!(bench.cache.get(&outside).await.is_some());
}

async fn many_can_count_at_once(bench: Bench) {
    let key = bench.key("busy");
    let counting: Vec<_> = (0..20)
        .map(|_| {
            let (cache, key) = (bench.cache.clone(), key.clone());
            tokio::spawn(async move { cache.count(&key, MINUTE).await })
        })
        .collect();
    let mut counts = Vec::new();
    for count in counting {
        counts.push(count.await.unwrap().unwrap());
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=20).collect::<Vec<_>>());
}

async fn each_window_counts_from_one(bench: Bench) {
    let (key, other) = (bench.key("limit"), bench.key("other"));
    for expected in 1..=3 {
        assert_eq!(bench.cache.count(&key, MINUTE).await, Some(expected));
    }
    assert_eq!(bench.cache.count(&other, MINUTE).await, Some(1));
    bench.clock.advance(MINUTE);
    assert_eq!(bench.cache.count(&key, MINUTE).await, Some(1));
}

macro_rules! over_each_store {
    ($($promise:ident,)*) => {
        mod in_process {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::Bench::new(super::Cache::in_process)).await;
            })*
        }
        mod over_redis {
            $(#[tokio::test]
            async fn $promise() {
                let redis = super::redis().await;
                redis.ping().await.unwrap();
                super::$promise(super::Bench::new(|clock| super::Cache::redis(&redis, clock))).await;
            })*
        }
    };
}

over_each_store! {
    a_value_is_there_until_it_is_deleted,
    a_prefix_takes_all_of_its_keys_and_no_other,
    each_window_counts_from_one,
    many_can_count_at_once,
}

#[tokio::test]
async fn in_process_a_value_ends_when_its_time_is_up() {
    let bench = Bench::new(Cache::in_process);
    bench.cache.set("a", Bytes::from_static(b"x"), MINUTE).await;
    bench.clock.advance(MINUTE);
    assert_eq!(bench.cache.get("a").await, None);
}
