//! Whatever a tenant's model does, it happens to that tenant's runner only.
#![allow(clippy::unwrap_used)]

mod support;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use ortolan_domain::tensor::Tensor;
use ortolan_runner::{CallContext, DeathCause, RunnerError, RunnerPool, RunnerSettings};
use support::*;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const LOOP: &str = "models/loop_n.onnx";
const DIV: &str = "hostile/models/div_int32.onnx";

/// A billion turns: many seconds, but each of them can be stopped.
fn long_loop() -> Vec<Tensor> {
    vec![i64s("n", &[], &[1_000_000_000]), f32s("y0", &[], &[0.0])]
}

fn short_loop() -> Vec<Tensor> {
    vec![i64s("n", &[], &[3]), f32s("y0", &[], &[0.0])]
}

/// One kernel that nothing but a kill ends.
fn endless_kernel(
    pool: &RunnerPool,
    tenant: &str,
    context: CallContext,
) -> impl Future<Output = Result<Vec<Tensor>, RunnerError>> + use<> {
    let (pool, tenant) = (pool.clone(), tenant.to_owned());
    let x = f32s("x", &[1, 1], &[0.5]);
    async move { infer(&pool, &tenant, "hostile/models/matmul_12k.onnx", vec![x], context).await }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn calls(pool: &RunnerPool, name: &str) -> usize {
    let runners = pool.cache_info().runners;
    runners.iter().find(|runner| runner.tenant == Some(tenant(name))).map_or(0, |runner| runner.calls)
}

fn pid(pool: &RunnerPool, name: &str) -> Option<u32> {
    let runners = pool.cache_info().runners;
    runners.iter().find(|runner| runner.tenant == Some(tenant(name))).map(|runner| runner.pid)
}

fn died(pool: &RunnerPool, name: &str, cause: DeathCause) -> u64 {
    let deaths = pool.deaths();
    deaths
        .iter()
        .find(|death| death.tenant == Some(tenant(name)) && death.cause == cause)
        .map_or(0, |death| death.count)
}

/// Calls of an honest tenant that go on until they are counted.
struct Honest {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU32>,
    task: tokio::task::JoinHandle<Result<(), RunnerError>>,
}

impl Honest {
    async fn start(pool: &RunnerPool) -> Self {
        assert_eq!(add(pool, "honest").await.unwrap(), [11.0, 22.0]);
        let (stop, served, pool) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)), pool.clone());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&served));
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::SeqCst) {
                assert_eq!(add(&pool, "honest").await?, [11.0, 22.0]);
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        });
        Self { stop, served, task }
    }

    /// Waits until calls were served since `before`, so that some went on during what happened in between.
    async fn served_since(&self, before: u32) {
        until("honest calls", || self.served.load(Ordering::SeqCst) > before).await;
    }

    async fn finish(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap().expect("another tenant noticed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_fails_only_the_calls_of_its_runner_and_the_next_finds_a_new_one() {
    let pool = pool().await;
    let honest = Honest::start(&pool).await;
    let divide = |by: i32| {
        infer(&pool, "bad", DIV, vec![i32s("a", &[1], &[i32::MIN]), i32s("b", &[1], &[by])], CallContext::default())
    };
    assert!(divide(1).await.is_ok());
    let first = pid(&pool, "bad");
    let pool_of_other = pool.clone();
    let beside =
        tokio::spawn(async move { infer(&pool_of_other, "bad", LOOP, long_loop(), CallContext::default()).await });
    until("the other call is under way", || calls(&pool, "bad") == 1).await;
    let before = honest.served.load(Ordering::SeqCst);
    assert_eq!(divide(-1).await.unwrap_err(), RunnerError::Crashed { signal: 8 });
    assert_eq!(beside.await.unwrap().unwrap_err(), RunnerError::Crashed { signal: 8 });
    honest.served_since(before).await;
    assert!(divide(1).await.is_ok(), "a new runner serves");
    assert_ne!(pid(&pool, "bad"), first);
    until("the death is counted", || died(&pool, "bad", DeathCause::Crashed) == 1).await;
    honest.finish().await;
    assert_eq!(pool.deaths().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_ends_and_its_runner_goes_on() {
    let pool = pool().await;
    infer(&pool, "a", LOOP, short_loop(), CallContext::default()).await.unwrap();
    let (first, cancel) = (pid(&pool, "a"), CancellationToken::new());
    let permit = Arc::new(());
    let context = CallContext::cancelled_by(cancel.clone()).with_permit(Arc::clone(&permit));
    let call = tokio::spawn({
        let pool = pool.clone();
        async move { infer(&pool, "a", LOOP, long_loop(), context).await }
    });
    until("the call is under way", || calls(&pool, "a") == 1).await;
    assert_eq!(Arc::strong_count(&permit), 2, "the permit is held while it runs");
    cancel.cancel();
    assert_eq!(call.await.unwrap().unwrap_err(), RunnerError::Cancelled);
    assert_eq!(
        (calls(&pool, "a"), Arc::strong_count(&permit)),
        (0, 1),
        "slot and permit are free when the call returns"
    );
    assert!(infer(&pool, "a", LOOP, short_loop(), CallContext::default()).await.is_ok());
    assert_eq!(pid(&pool, "a"), first, "the same process");
    assert_eq!(pool.deaths(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_is_cancelled_too() {
    let pool = pool().await;
    infer(&pool, "a", LOOP, short_loop(), CallContext::default()).await.unwrap();
    let permit = Arc::new(());
    {
        let context = CallContext::default().with_permit(Arc::clone(&permit));
        let mut call = pin!(infer(&pool, "a", LOOP, long_loop(), context));
        until("the call is under way", || calls(&pool, "a") == 1).await_while(call.as_mut()).await;
    }
    until("the slot is free", || calls(&pool, "a") == 0).await;
    assert_eq!(Arc::strong_count(&permit), 1);
    assert_eq!(pool.deaths(), []);
}

/// Polls a call until something else is done.
trait AwaitWhile: Future<Output = ()> + Sized {
    async fn await_while(self, mut call: std::pin::Pin<&mut impl Future<Output: std::fmt::Debug>>) {
        let mut other = pin!(self);
        poll_fn(|context| {
            if let Poll::Ready(outcome) = call.as_mut().poll(context) {
                panic!("the call ended: {outcome:?}");
            }
            other.as_mut().poll(context)
        })
        .await;
    }
}

impl<F: Future<Output = ()>> AwaitWhile for F {}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_cancelled_before_it_began_is_not_begun() {
    let pool = pool().await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let late = infer(&pool, "a", LOOP, long_loop(), CallContext::cancelled_by(cancel)).await;
    assert_eq!(late.unwrap_err(), RunnerError::Cancelled);
    let passed = CallContext::default().with_deadline(Instant::now());
    assert_eq!(infer(&pool, "a", LOOP, long_loop(), passed).await.unwrap_err(), RunnerError::DeadlineExceeded);
    assert_eq!(pool.cache_info().runners, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_for_a_session_can_be_cancelled() {
    let pool = start(RunnerSettings { sessions_per_model: 1, ..settings() }).await;
    infer(&pool, "a", LOOP, short_loop(), CallContext::default()).await.unwrap();
    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    let run = |cancel: &CancellationToken| {
        let (pool, context) = (pool.clone(), CallContext::cancelled_by(cancel.clone()));
        tokio::spawn(async move { infer(&pool, "a", LOOP, long_loop(), context).await })
    };
    let (runs, waits) = (run(&first), run(&second));
    until("both are under way", || calls(&pool, "a") == 2).await;
    second.cancel();
    // Whichever of them has the session, the cancelled one ends and the other goes on.
    assert_eq!(waits.await.unwrap().unwrap_err(), RunnerError::Cancelled);
    assert_eq!(calls(&pool, "a"), 1);
    first.cancel();
    assert_eq!(runs.await.unwrap().unwrap_err(), RunnerError::Cancelled);
    assert_eq!(pool.deaths(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_that_does_not_stop_is_killed_with_its_runner_after_the_grace() {
    let pool = start(RunnerSettings { grace: Duration::from_millis(50), ..settings() }).await;
    let honest = Honest::start(&pool).await;
    let cancel = CancellationToken::new();
    let stuck = tokio::spawn(endless_kernel(&pool, "bad", CallContext::cancelled_by(cancel.clone())));
    until("the kernel runs", || calls(&pool, "bad") == 1 && pool.cache_info().models.len() == 2).await;
    let beside = tokio::spawn({
        let pool = pool.clone();
        async move { infer(&pool, "bad", LOOP, long_loop(), CallContext::default()).await }
    });
    until("another call is beside it", || calls(&pool, "bad") == 2 && pool.cache_info().models.len() == 3).await;
    let before = honest.served.load(Ordering::SeqCst);
    cancel.cancel();
    assert_eq!(stuck.await.unwrap().unwrap_err(), RunnerError::Cancelled);
    assert_eq!(beside.await.unwrap().unwrap_err(), RunnerError::Killed, "it may be tried again");
    assert!(RunnerError::Killed.is_transient());
    honest.served_since(before).await;
    assert_eq!(add(&pool, "bad").await.unwrap(), [11.0, 22.0]);
    until("the death is counted", || died(&pool, "bad", DeathCause::Hung) == 1).await;
    honest.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_stops_a_call_as_a_cancel_does() {
    let pool = pool().await;
    infer(&pool, "a", LOOP, short_loop(), CallContext::default()).await.unwrap();
    let context = CallContext::default().with_deadline(Instant::now() + Duration::from_millis(30));
    let error = infer(&pool, "a", LOOP, long_loop(), context).await.unwrap_err();
    assert_eq!((error, calls(&pool, "a")), (RunnerError::DeadlineExceeded, 0));
    assert_eq!(pool.deaths(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_over_the_limit_is_an_error_and_the_runner_goes_on() {
    let pool = start(RunnerSettings { memory_limit_bytes: 1 << 30, ..settings() }).await;
    let honest = Honest::start(&pool).await;
    let grow = infer(
        &pool,
        "bad",
        "hostile/models/bomb_expand_run.onnx",
        vec![f32s("x", &[1, 1], &[1.0])],
        CallContext::default(),
    );
    assert_eq!(grow.await.unwrap_err(), RunnerError::OutOfMemory);
    assert_eq!(add(&pool, "bad").await.unwrap(), [11.0, 22.0]);
    assert_eq!(pool.deaths(), [], "the process lives on");
    honest.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_slots_are_refused_at_once() {
    let pool = start(RunnerSettings { slots: 1, pictures_ahead: Some(0), ..settings() }).await;
    infer(&pool, "a", LOOP, short_loop(), CallContext::default()).await.unwrap();
    let cancel = CancellationToken::new();
    let (busy, context) = (pool.clone(), CallContext::cancelled_by(cancel.clone()));
    let call = tokio::spawn(async move { infer(&busy, "a", LOOP, long_loop(), context).await });
    until("the slot is taken", || calls(&pool, "a") == 1).await;
    assert_eq!(
        infer(&pool, "a", LOOP, short_loop(), CallContext::default()).await.unwrap_err(),
        RunnerError::Overloaded
    );
    cancel.cancel();
    call.await.unwrap().unwrap_err();
    assert!(infer(&pool, "a", LOOP, short_loop(), CallContext::default()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_killed_from_outside_is_replaced() {
    let pool = pool().await;
    add(&pool, "a").await.unwrap();
    let first = pid(&pool, "a").unwrap();
    // SAFETY: the process is a child of this one that is known to live.
    unsafe { libc::kill(first.cast_signed(), libc::SIGKILL) };
    until("it is gone", || pid(&pool, "a").is_none()).await;
    assert_eq!(pool.cache_info().models, [], "its models are gone with it");
    assert_eq!(add(&pool, "a").await.unwrap(), [11.0, 22.0]);
    until("the death is counted", || died(&pool, "a", DeathCause::Crashed) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_leaves_no_process() {
    let pool = pool().await;
    add(&pool, "a").await.unwrap();
    add(&pool, "b").await.unwrap();
    let pids: Vec<_> = pool.cache_info().runners.iter().map(|runner| runner.pid).collect();
    pool.shutdown().await;
    assert_eq!(pids.len(), 2);
    for pid in pids {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
    assert_eq!(pool.deaths(), [], "an end on purpose is no death");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_calls_hold_up_no_short_one_while_a_worker_is_free() {
    let pool = start(RunnerSettings { sessions_per_model: 3, workers: 4, ..settings() }).await;
    add(&pool, "a").await.unwrap();
    infer(&pool, "a", LOOP, short_loop(), CallContext::default()).await.unwrap();
    let cancel = CancellationToken::new();
    let long = [(); 3].map(|()| {
        let (pool, context) = (pool.clone(), CallContext::cancelled_by(cancel.clone()));
        tokio::spawn(async move { infer(&pool, "a", LOOP, long_loop(), context).await })
    });
    until("three workers are busy", || calls(&pool, "a") == 3).await;
    for _ in 0..50 {
        assert_eq!(add(&pool, "a").await.unwrap(), [11.0, 22.0]);
    }
    assert_eq!(calls(&pool, "a"), 3, "the long ones still run");
    cancel.cancel();
    for call in long {
        assert_eq!(call.await.unwrap().unwrap_err(), RunnerError::Cancelled);
    }
    assert_eq!(pool.deaths(), []);
}
