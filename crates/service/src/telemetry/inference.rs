//! Metrics of inferences with tensors, under our names and under those that boards made for Triton ask for.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

const REQUESTS: &str = "ortolan_ml_infer_requests_total";
const REQUEST_SECONDS: &str = "ortolan_ml_infer_request_seconds";
const QUEUE_SECONDS: &str = "ortolan_ml_infer_queue_seconds";
const PREPROCESS_SECONDS: &str = "ortolan_ml_infer_preprocess_seconds";
const RUN_SECONDS: &str = "ortolan_ml_infer_run_seconds";
const POSTPROCESS_SECONDS: &str = "ortolan_ml_infer_postprocess_seconds";
const ROWS: &str = "ortolan_ml_infer_rows_total";
const RUNS: &str = "ortolan_ml_infer_runs_total";
const EVICTIONS: &str = "ortolan_ml_model_evictions_total";
const MODEL_BYTES: &str = "ortolan_ml_models_bytes";

const NV_SUCCESS: &str = "nv_inference_request_success";
const NV_FAILURE: &str = "nv_inference_request_failure";
const NV_COUNT: &str = "nv_inference_count";
const NV_EXEC_COUNT: &str = "nv_inference_exec_count";
const NV_REQUEST_US: &str = "nv_inference_request_duration_us";
const NV_QUEUE_US: &str = "nv_inference_queue_duration_us";
const NV_INPUT_US: &str = "nv_inference_compute_input_duration_us";
const NV_INFER_US: &str = "nv_inference_compute_infer_duration_us";
const NV_OUTPUT_US: &str = "nv_inference_compute_output_duration_us";

/// One run of a model.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// Rows that went through it.
    pub rows: u64,
    /// How long each request of it had waited.
    pub waits: &'a [Duration],
    /// Decoding and preparing inputs.
    pub prepare: Duration,
    /// The model itself.
    pub run: Duration,
    /// Reading outputs.
    pub interpret: Duration,
}

/// The metrics that every inference touches, looked up once: a look by name costs more than what is recorded.
struct Recorded {
    ok: Counter,
    request_seconds: Histogram,
    queue_seconds: Histogram,
    preprocess_seconds: Histogram,
    run_seconds: Histogram,
    postprocess_seconds: Histogram,
    rows: Counter,
    runs: Counter,
    nv: Triton,
}

/// What boards made for Triton ask for.
struct Triton {
    success: Counter,
    failure: Counter,
    count: Counter,
    exec_count: Counter,
    request_us: Counter,
    queue_us: Counter,
    input_us: Counter,
    infer_us: Counter,
    output_us: Counter,
}

static RECORDED: OnceLock<Recorded> = OnceLock::new();

/// Looks the metrics up in the recorder, which must be in place: before that, nothing is recorded.
pub(super) fn begin() {
    RECORDED.get_or_init(|| Recorded {
        ok: counter!(REQUESTS, "outcome" => "ok"),
        request_seconds: histogram!(REQUEST_SECONDS),
        queue_seconds: histogram!(QUEUE_SECONDS),
        preprocess_seconds: histogram!(PREPROCESS_SECONDS),
        run_seconds: histogram!(RUN_SECONDS),
        postprocess_seconds: histogram!(POSTPROCESS_SECONDS),
        rows: counter!(ROWS),
        runs: counter!(RUNS),
        nv: Triton {
            success: counter!(NV_SUCCESS),
            failure: counter!(NV_FAILURE),
            count: counter!(NV_COUNT),
            exec_count: counter!(NV_EXEC_COUNT),
            request_us: counter!(NV_REQUEST_US),
            queue_us: counter!(NV_QUEUE_US),
            input_us: counter!(NV_INPUT_US),
            infer_us: counter!(NV_INFER_US),
            output_us: counter!(NV_OUTPUT_US),
        },
    });
}

/// True once the recorder is in place.
pub(super) fn is_recorded() -> bool {
    RECORDED.get().is_some()
}

/// Counts a request that ended; `outcome` is `ok` or an error code.
pub fn request_ended(outcome: &'static str, took: Duration) {
    let Some(recorded) = RECORDED.get() else { return };
    if outcome == "ok" {
        recorded.ok.increment(1);
        recorded.nv.success.increment(1);
    } else {
        counter!(REQUESTS, "outcome" => outcome).increment(1);
        recorded.nv.failure.increment(1);
    }
    recorded.request_seconds.record(took);
    recorded.nv.request_us.increment(microseconds(took));
}

/// Records a run that ended well.
pub fn ran(run: &Run<'_>) {
    let Some(recorded) = RECORDED.get() else { return };
    let (requests, nv) = (run.waits.len() as u64, &recorded.nv);
    run.waits.iter().for_each(|waited| recorded.queue_seconds.record(*waited));
    recorded.preprocess_seconds.record(run.prepare);
    recorded.run_seconds.record(run.run);
    recorded.postprocess_seconds.record(run.interpret);
    recorded.rows.increment(run.rows);
    recorded.runs.increment(1);
    nv.count.increment(run.rows);
    nv.exec_count.increment(1);
    nv.queue_us.increment(microseconds(run.waits.iter().sum()));
    nv.input_us.increment(requests * microseconds(run.prepare));
    nv.infer_us.increment(requests * microseconds(run.run));
    nv.output_us.increment(requests * microseconds(run.interpret));
}

/// Sets how many models the limits of the cache have unloaded so far, and what the loaded ones take.
pub fn model_cache(evictions: u64, bytes: u64) {
    counter!(EVICTIONS).absolute(evictions);
    gauge!(MODEL_BYTES).set(bytes as f64);
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn describe() {
    let counters = [
        (REQUESTS, "Inferences with tensors that ended, by outcome"),
        (ROWS, "Rows that went through models"),
        (RUNS, "Runs of models with tensors"),
        (EVICTIONS, "Models unloaded because of the cache's limits"),
        (NV_SUCCESS, "Inferences that ended well"),
        (NV_FAILURE, "Inferences that did not"),
        (NV_COUNT, "Rows that went through models"),
        (NV_EXEC_COUNT, "Runs of models with tensors"),
        (NV_REQUEST_US, "Time of all inferences from arrival to answer"),
        (NV_QUEUE_US, "Time that inferences waited"),
        (NV_INPUT_US, "Time for preparing inputs"),
        (NV_INFER_US, "Time in models"),
        (NV_OUTPUT_US, "Time for reading outputs"),
    ];
    let times = [
        (REQUEST_SECONDS, "Inference with tensors from arrival to answer"),
        (QUEUE_SECONDS, "Wait of an inference for its turn and for others to share a run with"),
        (PREPROCESS_SECONDS, "Decoding and preparing inputs of a run"),
        (RUN_SECONDS, "Run of a model"),
        (POSTPROCESS_SECONDS, "Reading the outputs of a run"),
    ];
    counters.into_iter().for_each(|(name, help)| describe_counter!(name, help));
    times.into_iter().for_each(|(name, help)| describe_histogram!(name, Unit::Seconds, help));
    describe_gauge!(MODEL_BYTES, Unit::Bytes, "Measured memory of the loaded models");
}
