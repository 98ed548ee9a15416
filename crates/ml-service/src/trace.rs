//! The parts of an inference as spans, made out of the times that its runner measured.

use std::time::Duration;

use ortolan_domain::job::{MlError, Timings};
use ortolan_domain::{Clock, SystemClock};
use ortolan_service::telemetry::trace::{Span, SpanKind};

/// Says how an inference that ends now ended, and where its time went.
pub(crate) fn end(span: &mut Span, outcome: Result<&Timings, &MlError>) {
    match outcome {
        Ok(timings) if *timings != Timings::default() => parts(span, timings),
        Ok(_) => {}
        Err(error) => span.fail(error.code.as_str()),
    }
}

/// The wait for the device and what the runner did follow each other up to now.
fn parts(span: &Span, timings: &Timings) {
    let Timings { wait_ms, decode_ms, prepare_ms, inference_ms, interpret_ms } = *timings;
    let steps =
        [("decode", decode_ms), ("prepare", prepare_ms), ("run model", inference_ms), ("interpret", interpret_ms)];
    let took: Duration = steps.iter().map(|(_, ms)| milliseconds(*ms)).sum();
    let began = SystemClock.now().minus(took);
    span.part("wait for the device", began.minus(milliseconds(wait_ms)), milliseconds(wait_ms));
    let runner = Span::since("runner", SpanKind::Internal, span.context(), began);
    let ended = steps.iter().fold(began, |at, (name, ms)| runner.part(name, at, milliseconds(*ms)));
    runner.end_at(ended);
}

fn milliseconds(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default()
}
