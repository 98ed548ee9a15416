//! Metrics of inferences with tensors, under our names and under those that boards made for Triton ask for.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

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

/// Counts a request that ended; `outcome` is `ok` or an error code.
pub fn request_ended(outcome: &'static str, took: Duration) {
    counter!(REQUESTS, "outcome" => outcome).increment(1);
    histogram!(REQUEST_SECONDS).record(took);
    counter!(if outcome == "ok" { NV_SUCCESS } else { NV_FAILURE }).increment(1);
    counter!(NV_REQUEST_US).increment(microseconds(took));
}

/// Records a run that ended well.
pub fn ran(run: &Run<'_>) {
    let requests = run.waits.len() as u64;
    run.waits.iter().for_each(|waited| histogram!(QUEUE_SECONDS).record(*waited));
    histogram!(PREPROCESS_SECONDS).record(run.prepare);
    histogram!(RUN_SECONDS).record(run.run);
    histogram!(POSTPROCESS_SECONDS).record(run.interpret);
    counter!(ROWS).increment(run.rows);
    counter!(RUNS).increment(1);
    counter!(NV_COUNT).increment(run.rows);
    counter!(NV_EXEC_COUNT).increment(1);
    counter!(NV_QUEUE_US).increment(microseconds(run.waits.iter().sum()));
    counter!(NV_INPUT_US).increment(requests * microseconds(run.prepare));
    counter!(NV_INFER_US).increment(requests * microseconds(run.run));
    counter!(NV_OUTPUT_US).increment(requests * microseconds(run.interpret));
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
