use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::{ClientLike, KeysInterface};
use ortolan_domain::job::{done_key, lock_key, result_key};
use ortolan_domain::{Clock, SystemClock};
use ortolan_results::{
    Cache, DONE_TTL, LOCK_TTL, RESULT_TTL, Redis, RedisSettings, ResultStore, ResultsError, Signals, Waited,
};

use crate::{attempt, redis, redis_url, within};

/// A client of the test's own, to look behind what it tests.
async fn client() -> Client {
    let config = fred::types::config::Config::from_url(&redis_url()).unwrap();
    let client = fred::types::Builder::from_config(config).build().unwrap();
    client.init().await.unwrap();
    client
}

/// A port that nobody listens on.
async fn nowhere() -> Redis {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Redis::connect(RedisSettings::at(format!("redis://127.0.0.1:{port}/0"))).await.unwrap()
}

#[tokio::test]
async fn a_server_that_is_down_makes_caches_miss_and_results_fail() {
    let redis = nowhere().await;
    let cache = Cache::redis(&redis, SystemClock::shared());
    within(async {
        cache.set("a", Bytes::from_static(b"x"), Duration::from_secs(60)).await;
        assert_eq!(cache.get("a").await, None);
        assert_eq!(cache.count("a", Duration::from_secs(60)).await, None);
        cache.delete("a").await;
        assert_eq!(cache.delete_prefix("a").await, 0);
        assert!(!cache.answers());
    })
    .await;
    let store = ResultStore::redis(&redis, SystemClock::shared());
    let refused = within(store.put(attempt(1), Bytes::new())).await;
    assert!(matches!(refused, Err(ResultsError::Store { .. })), "{refused:?}");
    assert!(within(store.wait(attempt(1), SystemClock.now())).await.is_err());
    assert!(within(redis.ping()).await.is_err());
    let signals = Signals::redis(&redis);
    let mut cancels = signals.cancels();
    let cancelled = attempt(2);
    signals.publish_cancel(cancelled);
    assert_eq!(within(cancels.recv()).await.unwrap(), cancelled, "who is in the same process hears it all the same");
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    assert!(matches!(Redis::connect(RedisSettings::at("not an address")).await, Err(ResultsError::Address(_))));
}

#[tokio::test]
async fn lost_connections_come_back_with_their_subscriptions() {
    let url = format!("{}/9", redis_url().trim_end_matches('/').trim_end_matches("/0"));
    let redis = Redis::connect(RedisSettings::at(url)).await.unwrap();
    let store = ResultStore::redis(&redis, SystemClock::shared());
    within(async { while redis.ping().await.is_err() {} }).await;

    let killer = client().await;
    let ids = within(async {
        loop {
            let clients: String = killer.custom(fred::cmd!("CLIENT"), vec!["LIST"]).await.unwrap();
            // Several for commands and one for signals, once it has subscribed.
            let ours: Vec<&str> = clients.lines().filter(|line| line.contains(" db=9 ")).collect();
            if ours.len() >= 10 && ours.iter().any(|line| line.contains(" sub=3 ")) {
                return ours.iter().filter_map(|line| id_of(line)).collect::<Vec<_>>();
            }
        }
    })
    .await;
    for id in ids {
        let _: i64 = killer.custom(fred::cmd!("CLIENT"), vec!["KILL".to_owned(), "ID".to_owned(), id]).await.unwrap();
    }

    let attempt = attempt(1);
    let waiter = tokio::spawn({
        let store = store.clone();
        async move { store.wait(attempt, SystemClock.now().plus(Duration::from_secs(30))).await }
    });
    within(async { while store.put(attempt, Bytes::from_static(b"back")).await.is_err() {} }).await;
    assert_eq!(within(waiter).await.unwrap().unwrap(), Waited::Found(Bytes::from_static(b"back")));
}

#[tokio::test]
async fn what_is_kept_of_an_attempt_ends_by_itself() {
    let (store, client) = (ResultStore::redis(&redis().await, SystemClock::shared()), client().await);
    let attempt = attempt(1);
    assert!(store.take_lock(attempt).await.unwrap());
    store.put(attempt, Bytes::from_static(b"result")).await.unwrap();
    let kept = [(lock_key(attempt), LOCK_TTL), (result_key(attempt), RESULT_TTL), (done_key(attempt), DONE_TTL)];
    for (key, longest) in kept {
        // -1 would be for ever, and -2 no key.
        let left_ms: i64 = client.pttl(&key).await.unwrap();
        let longest_ms = i64::try_from(longest.as_millis()).unwrap();
        assert!((1..=longest_ms).contains(&left_ms), "{key}: {left_ms} ms");
    }
    assert_eq!(RESULT_TTL, Duration::from_secs(1_800));
}

#[tokio::test]
async fn a_result_that_was_not_fetched_in_time_is_known_to_have_been_there() {
    let store = ResultStore::redis(&redis().await, SystemClock::shared());
    let store = store.keeping(Duration::from_millis(20), Duration::from_secs(60));
    let attempt = attempt(1);
    store.put(attempt, Bytes::from_static(b"result")).await.unwrap();
    within(async { while store.wait(attempt, SystemClock.now()).await.unwrap() != Waited::Expired {} }).await;
    assert!(!store.waiting(100_000).await.unwrap().contains(&attempt));
}

fn id_of(client: &str) -> Option<String> {
    client.strip_prefix("id=")?.split(' ').next().map(str::to_owned)
}
