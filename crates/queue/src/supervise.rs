//! Keeps one consumer alive: builds a worker, runs it, and builds the next one when it ends before it should.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use apalis::prelude::WorkerContext;
use apalis::prelude::WorkerError;
use futures::FutureExt;
use ortolan_domain::route::QueueName;
use tokio_util::sync::CancellationToken;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A worker that lived longer than this starts again after the shortest pause.
const SETTLED: Duration = Duration::from_secs(10);
/// How long a worker may take to hand back what it fetched and to acknowledge what it delivered.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// Runs workers one after the other until `stop`. apalis' own monitor is not used: it restarts at once and for ever under
/// the same name, which the broker refuses while the name is still registered.
pub(crate) async fn supervise<Start, Run>(queue: QueueName, consumer: &str, stop: &CancellationToken, start: Start)
where
    Start: Fn(WorkerContext) -> Run,
    Run: Future<Output = Result<(), WorkerError>>,
{
    let boot: u64 = rand::random();
    let mut pause = FIRST_PAUSE;
    for incarnation in 0_u64.. {
        let context = WorkerContext::new(&format!("{consumer}-{boot:016x}-{incarnation}"));
        let started = tokio::time::Instant::now();
        let reason = run_until(start(context.clone()), &context, stop).await;
        if stop.is_cancelled() {
            return;
        }
        tracing::warn!(%queue, worker = context.name(), reason, "consumer ended and is started again");
        metrics::counter!("ortolan_queue_restarts_total", "queue" => queue.as_str()).increment(1);
        pause = if started.elapsed() > SETTLED { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        let jitter = pause.mul_f64(rand::random::<f64>() / 2.0);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause + jitter) => {}
        }
    }
}

/// Runs a worker to its end; `stop` asks it to end by itself. Returns why it ended.
async fn run_until<Run>(run: Run, context: &WorkerContext, stop: &CancellationToken) -> String
where
    Run: Future<Output = Result<(), WorkerError>>,
{
    let mut run = std::pin::pin!(AssertUnwindSafe(run).catch_unwind());
    let ended = tokio::select! {
        ended = &mut run => ended,
        () = stop.cancelled() => {
            // Refused only when the worker was not even started.
            if context.stop().is_err() {
                return String::new();
            }
            match tokio::time::timeout(CLOSE_LIMIT, run).await {
                Ok(ended) => ended,
                Err(_) => return "it did not close in time".to_owned(),
            }
        }
    };
    match ended {
        Ok(Ok(())) => "it came to an end".to_owned(),
        Ok(Err(error)) => describe(&error),
        Err(_) => "the handler panicked".to_owned(),
    }
}

fn describe(error: &WorkerError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
