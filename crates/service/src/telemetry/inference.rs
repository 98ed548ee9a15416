//! Metrics of inferences, under our names and under those that boards made for Triton ask for.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
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

const NV_CPU_MEMORY: &str = "nv_cpu_memory_used_bytes";
const NV_GPU_MEMORY_TOTAL: &str = "nv_gpu_memory_total_bytes";
const NV_GPU_MEMORY_USED: &str = "nv_gpu_memory_used_bytes";
const NV_GPU_UTILIZATION: &str = "nv_gpu_utilization";
const NV_GPU_POWER: &str = "nv_gpu_power_usage";
const NV_GPU_POWER_LIMIT: &str = "nv_gpu_power_limit";
const NV_GPU_ENERGY: &str = "nv_energy_consumption";
const NV_CACHE_HITS: &str = "nv_cache_num_hits_per_model";
const NV_CACHE_MISSES: &str = "nv_cache_num_misses_per_model";
const NV_PENDING: &str = "nv_inference_pending_request_count";
const NV_LOAD_SECONDS: &str = "nv_model_load_duration_secs";
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
        counter!(NV_FAILURE, "reason" => reason(outcome)).increment(1);
    }
    recorded.request_seconds.record(took);
    recorded.nv.request_us.increment(microseconds(took));
}

/// Counts a look into the cache of predictions.
pub(super) fn cache_asked(is_hit: bool) {
    counter!(if is_hit { NV_CACHE_HITS } else { NV_CACHE_MISSES }).increment(1);
}

/// Sets how many inferences wait for their turn.
pub fn pending(count: usize) {
    static PENDING: OnceLock<Gauge> = OnceLock::new();
    if is_recorded() {
        PENDING.get_or_init(|| gauge!(NV_PENDING)).set(count as f64);
    }
}

/// Sets how long the latest load of a model took.
pub(super) fn model_loaded(took: Duration) {
    gauge!(NV_LOAD_SECONDS).set(took.as_secs_f64());
}

/// Sets what the runners take of the machine's memory.
pub fn runners_memory(bytes: u64) {
    gauge!(NV_CPU_MEMORY).set(bytes as f64);
}

/// One GPU as it is now; what it does not tell is left out.
#[derive(Debug, Clone, Copy)]
pub struct Gpu<'a> {
    /// Its id.
    pub uuid: &'a str,
    /// All of its memory.
    pub memory_total_bytes: u64,
    /// What of it is in use.
    pub memory_used_bytes: u64,
    /// The share of the last moments in which it did something, 0 to 1.
    pub utilisation: Option<f64>,
    /// What it draws, in watts.
    pub power_w: Option<f64>,
    /// What it may draw, in watts.
    pub power_limit_w: Option<f64>,
    /// What it has drawn so far, in joules.
    pub energy_j: Option<f64>,
}

/// Sets what a GPU tells of itself.
pub fn gpu(gpu: &Gpu<'_>) {
    let figures = [
        (NV_GPU_MEMORY_TOTAL, Some(gpu.memory_total_bytes as f64)),
        (NV_GPU_MEMORY_USED, Some(gpu.memory_used_bytes as f64)),
        (NV_GPU_UTILIZATION, gpu.utilisation),
        (NV_GPU_POWER, gpu.power_w),
        (NV_GPU_POWER_LIMIT, gpu.power_limit_w),
        (NV_GPU_ENERGY, gpu.energy_j),
    ];
    for (name, figure) in figures {
        if let Some(figure) = figure {
            gauge!(name, "gpu_uuid" => gpu.uuid.to_owned()).set(figure);
        }
    }
}

/// Why an inference failed, in the words that boards made for Triton know.
fn reason(code: &str) -> &'static str {
    match code {
        "overloaded" | "quota_exceeded" | "rate_limited" => "REJECTED",
        "cancelled" | "deadline_exceeded" => "CANCELED",
        "run_failed" | "crashed" | "out_of_memory" => "BACKEND",
        _ => "OTHER",
    }
}

/// Records a run of a model, of tensors or of a picture, that ended well.
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
        (REQUESTS, "Inferences that ended, by outcome"),
        (ROWS, "Rows and pictures that went through models"),
        (RUNS, "Runs of models"),
        (EVICTIONS, "Models unloaded because of the cache's limits"),
        (NV_CACHE_HITS, "Predictions answered out of the cache"),
        (NV_CACHE_MISSES, "Predictions that were not in the cache"),
        (NV_SUCCESS, "Inferences that ended well"),
        (NV_FAILURE, "Inferences that did not"),
        (NV_COUNT, "Rows and pictures that went through models"),
        (NV_EXEC_COUNT, "Runs of models"),
        (NV_REQUEST_US, "Time of all inferences from arrival to answer"),
        (NV_QUEUE_US, "Time that inferences waited"),
        (NV_INPUT_US, "Time for preparing inputs"),
        (NV_INFER_US, "Time in models"),
        (NV_OUTPUT_US, "Time for reading outputs"),
    ];
    let times = [
        (REQUEST_SECONDS, "Inference from arrival to answer"),
        (QUEUE_SECONDS, "Wait of an inference for its turn and for others to share a run with"),
        (PREPROCESS_SECONDS, "Decoding and preparing inputs of a run"),
        (RUN_SECONDS, "Run of a model"),
        (POSTPROCESS_SECONDS, "Reading the outputs of a run"),
    ];
    counters.into_iter().for_each(|(name, help)| describe_counter!(name, help));
    times.into_iter().for_each(|(name, help)| describe_histogram!(name, Unit::Seconds, help));
    let gauges = [
        (NV_CPU_MEMORY, "Resident memory of the runners"),
        (NV_GPU_MEMORY_TOTAL, "Memory of a GPU"),
        (NV_GPU_MEMORY_USED, "Memory of a GPU that is in use"),
        (NV_GPU_UTILIZATION, "Share of the time in which a GPU did something, 0 to 1"),
        (NV_GPU_POWER, "What a GPU draws, in watts"),
        (NV_GPU_POWER_LIMIT, "What a GPU may draw, in watts"),
        (NV_GPU_ENERGY, "What a GPU has drawn since its driver was loaded, in joules"),
    ];
    gauges.into_iter().for_each(|(name, help)| describe_gauge!(name, help));
    describe_gauge!(NV_PENDING, "Inferences that wait for their turn");
    describe_gauge!(NV_LOAD_SECONDS, Unit::Seconds, "The latest load of a model");
    describe_gauge!(MODEL_BYTES, Unit::Bytes, "Measured memory of the loaded models");
}
