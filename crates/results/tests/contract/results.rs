use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ortolan_domain::{Clock, ManualClock, SystemClock, Timestamp};
use ortolan_results::{DONE_TTL, LOCK_TTL, RESULT_TTL, ResultStore, Waited};

use crate::{attempt, redis, within};

fn soon() -> Timestamp {
    SystemClock.now().plus(Duration::from_secs(30))
}

async fn a_result_is_there_for_its_attempt_alone(store: ResultStore) {
    let (mine, other) = (attempt(1), attempt(1));
    store.put(mine, Bytes::from_static(b"\0result\xff")).await.unwrap();
    assert_eq!(store.wait(mine, soon()).await.unwrap(), Waited::Found(Bytes::from_static(b"\0result\xff")));
    assert_eq!(store.wait(other, SystemClock.now()).await.unwrap(), Waited::TimedOut);
}

async fn who_waits_before_the_result_is_there_gets_it(store: ResultStore) {
    let attempt = attempt(1);
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.wait(attempt, soon()).await })
        })
        .collect();
    tokio::task::yield_now().await;
    store.put(attempt, Bytes::from_static(b"late")).await.unwrap();
    for waiter in waiters {
        assert_eq!(within(waiter).await.unwrap().unwrap(), Waited::Found(Bytes::from_static(b"late")));
    }
}

async fn a_deleted_result_is_known_to_have_been_there(store: ResultStore) {
    let attempt = attempt(3);
    store.put(attempt, Bytes::new()).await.unwrap();
    assert!(store.waiting(100_000).await.unwrap().contains(&attempt));
    store.delete(attempt).await.unwrap();
    store.delete(attempt).await.unwrap();
    assert!(!store.waiting(100_000).await.unwrap().contains(&attempt));
    assert_eq!(store.wait(attempt, soon()).await.unwrap(), Waited::Expired);
}

async fn an_attempt_is_taken_once(store: ResultStore) {
    let attempt = attempt(1);
    let takers: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.take_lock(attempt).await.unwrap() })
        })
        .collect();
    let mut taken = 0;
    for taker in takers {
        taken += usize::from(taker.await.unwrap());
    }
    assert_eq!(taken, 1);
    let next = ortolan_domain::job::Attempt { attempt: 2, ..attempt };
    assert!(store.take_lock(next).await.unwrap(), "the next attempt is free");
}

async fn what_nobody_holds_and_has_no_result_is_abandoned(store: ResultStore) {
    let (held, released, done, fetched, never) = (attempt(1), attempt(2), attempt(3), attempt(4), attempt(5));
    let all = [held, released, done, fetched, never];
    assert_eq!(store.abandoned(&all).await.unwrap(), all);
    for taken in [held, released, done, fetched] {
        assert!(store.take_lock(taken).await.unwrap());
    }
    assert_eq!(store.abandoned(&all).await.unwrap(), [never]);
    for ended in [done, fetched] {
        store.put(ended, Bytes::new()).await.unwrap();
        store.release_lock(ended).await.unwrap();
        assert!(!store.take_lock(ended).await.unwrap(), "it has ended");
    }
    store.delete(fetched).await.unwrap();
    store.release_lock(released).await.unwrap();
    assert_eq!(store.abandoned(&all).await.unwrap(), [released, never]);
    store.keep_locks(&[held, never]).await.unwrap();
    assert_eq!(store.abandoned(&all).await.unwrap(), [released], "a lock that was forgotten is there again");
}

async fn a_list_of_results_is_bounded(store: ResultStore) {
    for number in 0..5 {
        store.put(attempt(number), Bytes::new()).await.unwrap();
    }
    assert_eq!(store.waiting(3).await.unwrap().len(), 3);
}

macro_rules! over_each_store {
    ($($promise:ident,)*) => {
        mod in_process {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::ResultStore::in_process(super::SystemClock::shared())).await;
            })*
        }
        mod over_redis {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::ResultStore::redis(&super::redis().await, super::SystemClock::shared())).await;
            })*
        }
    };
}

over_each_store! {
    a_result_is_there_for_its_attempt_alone,
    who_waits_before_the_result_is_there_gets_it,
    a_deleted_result_is_known_to_have_been_there,
    an_attempt_is_taken_once,
    what_nobody_holds_and_has_no_result_is_abandoned,
    a_list_of_results_is_bounded,
}

#[tokio::test(start_paused = true)]
async fn in_process_a_waiter_is_woken_and_does_not_poll() {
    let store = ResultStore::in_process(SystemClock::shared());
    let (attempt, started) = (attempt(1), tokio::time::Instant::now());
    let waiter = tokio::spawn({
        let store = store.clone();
        async move { store.wait(attempt, soon()).await }
    });
    tokio::task::yield_now().await;
    store.put(attempt, Bytes::new()).await.unwrap();
    waiter.await.unwrap().unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO, "time stands still unless a timer is waited for");
}

#[tokio::test]
async fn a_lock_ends_unless_it_is_kept() {
    let clock = ManualClock::at(Timestamp::from_micros(0));
    let store = ResultStore::in_process(Arc::clone(&clock) as Arc<dyn Clock>);
    let (kept, left) = (attempt(1), attempt(2));
    assert!(store.take_lock(kept).await.unwrap() && store.take_lock(left).await.unwrap());
    clock.advance(LOCK_TTL / 2);
    store.keep_locks(&[kept]).await.unwrap();
    clock.advance(LOCK_TTL / 2);
    assert_eq!(store.abandoned(&[kept, left]).await.unwrap(), [left]);
    assert!(!store.take_lock(kept).await.unwrap());
    assert!(store.take_lock(left).await.unwrap());
}

#[tokio::test]
async fn in_process_results_and_marks_end_when_their_time_is_up() {
    let clock = ManualClock::at(Timestamp::from_micros(0));
    let store = ResultStore::in_process(Arc::clone(&clock) as Arc<dyn Clock>);
    let attempt = attempt(1);
    assert!(store.take_lock(attempt).await.unwrap());
    store.put(attempt, Bytes::new()).await.unwrap();
    clock.advance(RESULT_TTL);
    assert_eq!(store.wait(attempt, clock.now()).await.unwrap(), Waited::Expired);
    assert!(!store.take_lock(attempt).await.unwrap(), "its lock has ended, and it is known to be done");
    clock.advance(DONE_TTL);
    assert_eq!(store.wait(attempt, clock.now()).await.unwrap(), Waited::TimedOut);
    assert!(store.take_lock(attempt).await.unwrap());

    let store = store.keeping(2 * LOCK_TTL, 3 * LOCK_TTL);
    store.put(attempt, Bytes::new()).await.unwrap();
    clock.advance(2 * LOCK_TTL);
    assert_eq!(store.wait(attempt, clock.now()).await.unwrap(), Waited::Expired);
    clock.advance(LOCK_TTL);
    assert_eq!(store.wait(attempt, clock.now()).await.unwrap(), Waited::TimedOut);
}
