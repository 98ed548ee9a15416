//! Properties: statements that hold for all inputs, each in a file of its own in `tests/`, tried on at least 100 cases; and
//! the seeded simulator, which does the same for whole installations.
//!
//! The databases, queues and workers in here are the real ones; nothing is mocked.

pub mod bench;
mod house;
pub mod simulator;

use std::time::Duration;

use anyhow::{Context, Result};
use ortolan_domain::artifact::ArtifactType;
use ortolan_domain::job::{Attempt, MlItem, MlOutcome, MlResult, Provenance, Timings};
use ortolan_domain::{RunId, Task};
use serde_json::json;

pub use house::{Heard, Home, House, LIMITS};

/// How many cases each property is tried on.
pub const CASES: u32 = 128;
/// How many over servers, which are slower.
pub const CASES_OVER_SERVERS: u32 = 16;

/// What an ML service answers for `task` with these items.
pub fn result_of(task: &Task, items: Vec<MlItem>) -> MlResult {
    let provenance = Provenance {
        run_id: task.run_id.unwrap_or_else(RunId::generate),
        config_hash: task.spec.config_hash.clone(),
        input_hash: "i".repeat(64),
        producer: "test".to_owned(),
        producer_version: "1".to_owned(),
        model_profile: "balanced".to_owned(),
        model_sha256: Some("m".repeat(64)),
        request_id: None,
    };
    let attempt = Attempt { task_id: task.spec.id, attempt: task.attempt };
    MlResult { attempt, provenance, timings: Timings::default(), outcome: MlOutcome::Items(items) }
}

/// A detection that passes its schema.
pub fn good_item() -> MlItem {
    let payload = json!({"label": "circle", "class_id": 0, "confidence": 0.5, "frame_number": 0,
        "bounding_box": {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0}});
    MlItem { artifact_type: ArtifactType::ObjectDetection, span_start_ms: 0, span_end_ms: 0, payload }
}

/// Longer than any case takes; one that meets it hangs.
const LONG: Duration = Duration::from_secs(60);

/// Runs one asynchronous case and turns its error into a failed one.
pub fn case<F: Future<Output = Result<()>>>(
    runtime: &tokio::runtime::Runtime,
    future: F,
) -> Result<(), proptest::test_runner::TestCaseError> {
    let timed = async { tokio::time::timeout(LONG, future).await.context("it hangs")? };
    runtime.block_on(timed).map_err(|error| proptest::test_runner::TestCaseError::fail(format!("{error:#}")))
}
