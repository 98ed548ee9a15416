//! Loading once, never in each other's way, and forgetting.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use ortolan_domain::Slot;
use ortolan_runner::{CallContext, RunnerError, RunnerPool, RunnerSettings};
use support::*;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const DETECT: &str = "models/shapes_det_160.onnx";

async fn preload(pool: &RunnerPool, tenant: &str, slot: Slot, source: &Arc<Source>) -> Result<(), RunnerError> {
    let key = key(tenant, slot);
    let load = pool.preload(&key, Arc::clone(source) as _, CallContext::default());
    tokio::time::timeout(LONG, load).await.expect("the load hangs").map(drop)
}

fn keys(pool: &RunnerPool) -> Vec<String> {
    pool.cache_info().models.into_iter().map(|model| model.key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_first_calls_load_once() {
    let pool = pool().await;
    let source = Source::of(DETECT);
    let loads = (0..20).map(|_| {
        let (pool, source) = (pool.clone(), Arc::clone(&source));
        tokio::spawn(async move { preload(&pool, "a", Slot::Detect, &source).await })
    });
    for load in loads.collect::<Vec<_>>() {
        load.await.unwrap().unwrap();
    }
    assert_eq!(source.fetched(), 1);
    assert_eq!(keys(&pool), ["a_detect_worker_0"]);
    preload(&pool, "a", Slot::Detect, &source).await.unwrap();
    assert_eq!(source.fetched(), 1, "loaded is loaded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_load_holds_up_no_other_key_and_no_other_tenant() {
    let pool = pool().await;
    let slow = Source::closed(DETECT);
    let waiting = tokio::spawn({
        let (pool, slow) = (pool.clone(), Arc::clone(&slow));
        async move { preload(&pool, "a", Slot::Detect, &slow).await }
    });
    tokio::task::yield_now().await;
    preload(&pool, "b", Slot::Detect, &Source::of(DETECT)).await.unwrap();
    preload(&pool, "a", Slot::Classify, &Source::of("models/shapes_cls_64.onnx")).await.unwrap();
    assert!(!waiting.is_finished());
    slow.gate.add_permits(1);
    waiting.await.unwrap().unwrap();
    assert_eq!(keys(&pool), ["a_classify_worker_0", "a_detect_worker_0", "b_detect_worker_0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_caller_may_leave_without_harm_to_those_who_wait() {
    let pool = pool().await;
    let slow = Source::closed(DETECT);
    let cancel = CancellationToken::new();
    let place = key("a", Slot::Detect);
    let first = pool.preload(&place, Arc::clone(&slow) as _, CallContext::cancelled_by(cancel.clone()));
    let second = pool.preload(&place, Arc::clone(&slow) as _, CallContext::default());
    let leave = async {
        tokio::task::yield_now().await;
        cancel.cancel();
    };
    let (first, (), second) = tokio::join!(first, leave, async {
        tokio::task::yield_now().await;
        slow.gate.add_permits(1);
        second.await
    });
    assert_eq!(first.map(drop).unwrap_err(), RunnerError::Cancelled);
    assert!(second.is_ok());
    assert_eq!(slow.fetched(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_digest_loads_the_new_model_and_forgets_the_old_one() {
    let pool = pool().await;
    let (old, new) = (Source::of(DETECT), Source::of("models/shapes_det_dyn.onnx"));
    preload(&pool, "a", Slot::Detect, &old).await.unwrap();
    let before = pool.cache_info().models.remove(0);
    preload(&pool, "a", Slot::Detect, &new).await.unwrap();
    let after = pool.cache_info().models;
    assert_eq!(after.len(), 1);
    assert_ne!(after[0].sha256, before.sha256);
    assert_eq!(
        (after[0].size_bytes, after[0].model),
        (fixture("models/shapes_det_dyn.onnx").len() as u64, Slot::Detect.into())
    );
    assert_eq!(pool.cache_info().runners.len(), 1, "in the same runner");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_load_is_not_kept() {
    let pool = pool().await;
    let refused = preload(&pool, "a", Slot::Detect, &Source::of("hostile/models/text.onnx")).await.unwrap_err();
    assert_eq!(refused, RunnerError::ModelRefused { reason: "the file is not an ONNX model".to_owned() });
    let lied = preload(&pool, "a", Slot::Detect, &Source::lying(DETECT)).await.unwrap_err();
    assert!(matches!(lied, RunnerError::Fetch(_)), "{lied:?}");
    assert_eq!(keys(&pool), Vec::<String>::new());
    assert!(preload(&pool, "a", Slot::Detect, &Source::of(DETECT)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_never_ends_is_killed_and_another_tenant_does_not_wait() {
    let pool = start(RunnerSettings {
        load_timeout: Duration::from_millis(300),
        grace: Duration::from_millis(50),
        ..settings()
    })
    .await;
    let hangs = tokio::spawn({
        let pool = pool.clone();
        async move { infer(&pool, "bad", "hostile/models/functions_billion.onnx", vec![], CallContext::default()).await }
    });
    assert_eq!(add(&pool, "good").await.unwrap(), [11.0, 22.0]);
    assert_eq!(hangs.await.unwrap().unwrap_err(), RunnerError::DeadlineExceeded);
    assert_eq!(add(&pool, "bad").await.unwrap(), [11.0, 22.0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn clearing_forgets_a_tenant_and_ends_its_process() {
    let pool = pool().await;
    let source = Source::of(DETECT);
    for tenant in ["a", "b"] {
        preload(&pool, tenant, Slot::Detect, &source).await.unwrap();
    }
    let info = pool.cache_info();
    assert!(info.runners.iter().all(|runner| runner.rss_bytes > 1 << 20), "{info:?}");
    let gone = info.runners.iter().find(|runner| runner.tenant == Some(tenant("a"))).unwrap().pid;
    assert_eq!(pool.clear(Some(&tenant("a"))), 1);
    assert_eq!(keys(&pool), ["b_detect_worker_0"]);
    let deadline = Instant::now() + LONG;
    while std::path::Path::new(&format!("/proc/{gone}")).exists() {
        assert!(Instant::now() < deadline, "its process still lives");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    preload(&pool, "a", Slot::Detect, &source).await.unwrap();
    assert_eq!(source.fetched(), 3, "forgotten is fetched again");
    assert_eq!(pool.clear(None), 2);
    assert_eq!((keys(&pool).len(), pool.cache_info().runners.len()), (0, 0));
    assert_eq!(pool.deaths(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_without_work_is_ended() {
    let pool = start(RunnerSettings { idle_timeout: Some(Duration::from_millis(50)), ..settings() }).await;
    add(&pool, "a").await.unwrap();
    let deadline = Instant::now() + LONG;
    while !pool.cache_info().runners.is_empty() {
        assert!(Instant::now() < deadline, "it is never ended");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(add(&pool, "a").await.unwrap(), [11.0, 22.0], "and started again when needed");
    assert_eq!(pool.deaths(), []);
}

#[tokio::test]
async fn a_program_that_is_no_runner_or_a_library_that_is_none_is_an_error_at_the_start() {
    let clock = ortolan_domain::SystemClock::shared;
    for program in ["/bin/true", "/nonexistent"] {
        let settings = RunnerSettings { program: Some(program.into()), ..settings() };
        let error = RunnerPool::start(settings, clock()).await.unwrap_err();
        assert!(matches!(error, RunnerError::Spawn(_)), "{program}: {error:?}");
    }
    let settings = RunnerSettings { runtime_library: "/etc/passwd".into(), ..settings() };
    let error = RunnerPool::start(settings, clock()).await.unwrap_err();
    assert!(matches!(&error, RunnerError::Spawn(words) if words.contains("ONNX Runtime")), "{error:?}");
}
