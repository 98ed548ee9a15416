//! Waiting for a result whose signal is lost: when the store is looked at, and how the wait ends.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fred::interfaces::ClientLike;
use ortolan_domain::job::{Attempt, done_key, result_key};
use ortolan_domain::{Clock, SystemClock, Timestamp};
use ortolan_results::{DONE_TTL, ResultStore, Waited};
use tokio::time::{Instant, sleep};

use crate::{attempt, redis, redis_url, within};

/// As long as a worker waits for a run that takes as long as it may.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Tokio's time, which moves in here from timer to timer, as a clock that writes down in which seconds it is asked: whoever
/// looks for a result asks it.
#[derive(Debug)]
struct Diary {
    began: Instant,
    seconds: Mutex<BTreeSet<u64>>,
}

impl Diary {
    fn begin() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), seconds: Mutex::default() })
    }

    /// How long it was quiet between two looks, from the beginning on.
    fn pauses_s(&self) -> Vec<u64> {
        let seconds: Vec<_> = self.seconds.lock().unwrap().iter().copied().collect();
        seconds.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

impl Clock for Diary {
    fn now(&self) -> Timestamp {
        let past = self.began.elapsed();
        self.seconds.lock().unwrap().insert(past.as_secs());
        Timestamp::from_micros(0).plus(past)
    }
}

/// Waits for a result with an ear at another store, where nothing is ever said.
async fn wait_unheard(store: &ResultStore, clock: &Arc<Diary>, attempt: Attempt) -> Waited {
    let elsewhere = ResultStore::in_process(clock.clone());
    store.wait_for(elsewhere.expect(attempt), clock.now().plus(PATIENCE)).await.unwrap()
}

/// The same while a result is put after so many seconds; gives the second in which the wait ended, too.
async fn put_unheard(keep_s: u64, after_s: u64) -> (Waited, u64) {
    let (clock, attempt) = (Diary::begin(), attempt(1));
    let store = ResultStore::in_process(clock.clone()).keeping(Duration::from_secs(keep_s), DONE_TTL);
    let putting = async {
        sleep(Duration::from_secs(after_s)).await;
        store.put(attempt, Bytes::from_static(b"unheard")).await.unwrap();
    };
    let (waited, ()) = tokio::join!(wait_unheard(&store, &clock, attempt), putting);
    (waited, clock.began.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn it_looks_after_one_two_four_seconds_and_so_on_up_to_thirty_and_gives_up_in_time() {
    let clock = Diary::begin();
    let store = ResultStore::in_process(clock.clone());
    assert_eq!(wait_unheard(&store, &clock, attempt(1)).await, Waited::TimedOut);
    let pauses = clock.pauses_s();
    let (last, all_but_last) = pauses.split_last().unwrap();
    assert_eq!(all_but_last[..6], [1, 2, 4, 8, 16, 30]);
    assert!(all_but_last[6..].iter().all(|pause| *pause == 30), "{pauses:?}");
    assert!(*last <= 30, "the last pause is cut short: {pauses:?}");
    assert_eq!(pauses.iter().sum::<u64>(), PATIENCE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_result_is_found_by_the_look_that_follows() {
    for (after_s, found_s) in [(0, 1), (2, 3), (5, 7), (16, 31), (32, 61), (1_790, 1_800)] {
        let found = Waited::Found(Bytes::from_static(b"unheard"));
        assert_eq!(put_unheard(PATIENCE.as_secs(), after_s).await, (found, found_s));
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_went_before_the_look_that_follows_is_known_to_have_been_there() {
    assert_eq!(put_unheard(5, 8).await, (Waited::Expired, 15));
}

/// Sets a key as somebody at a console would, who tells nobody.
async fn set_by_hand(key: String, value: &str) {
    let config = fred::types::config::Config::from_url(&redis_url()).unwrap();
    let client = fred::types::Builder::from_config(config).build().unwrap();
    client.init().await.unwrap();
    let words = vec![key, value.to_owned(), "EX".to_owned(), "60".to_owned()];
    let answer: String = client.custom(fred::cmd!("SET"), words).await.unwrap();
    assert_eq!(answer, "OK");
}

#[tokio::test]
async fn over_redis_it_finds_what_was_set_by_hand_and_nobody_told_of() {
    let store = ResultStore::redis(&redis().await, SystemClock::shared());
    // Whoever listens to Redis is woken when its connection begins, too.
    let elsewhere = ResultStore::in_process(SystemClock::shared());
    let (given, gone, in_an_hour) = (attempt(1), attempt(1), SystemClock.now().plus(Duration::from_secs(3_600)));
    set_by_hand(result_key(given), "by hand").await;
    set_by_hand(done_key(gone), "1").await;
    let wait = |attempt| within(store.wait_for(elsewhere.expect(attempt), in_an_hour));
    let (found, expired) = tokio::join!(wait(given), wait(gone));
    assert_eq!(found.unwrap(), Waited::Found(Bytes::from_static(b"by hand")));
    assert_eq!(expired.unwrap(), Waited::Expired);
}
