//! What a result's bytes mean for its task: checked artifacts, or a failure and its fate.

use ortolan_domain::artifact::Artifact;
use ortolan_domain::job::{CrashSuspect, MAX_RESULT_BYTES, MlError, MlItem, MlOutcome, MlResult};
use ortolan_domain::task::TaskError;
use ortolan_domain::{ArtifactId, ErrorCode, Task, Timestamp};

/// The most items that one result may have.
const MAX_ITEMS: usize = 100_000;

/// What the bytes of a result mean.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Everything is checked.
    Artifacts { artifacts: Vec<Artifact>, inference_time_ms: Option<f64> },
    /// It did not end well; the code says whether another try may help.
    Failed(TaskError),
    /// Its service stopped before it ended.
    GivenBack(TaskError),
    /// It crashed its process, and this is why.
    Crashed(TaskError, Box<CrashSuspect>),
}

/// Reads and checks a result of `task`'s present run.
pub(crate) fn read(task: &Task, bytes: &[u8], now: Timestamp) -> Outcome {
    match parse(task, bytes).and_then(|result| artifacts(task, result, now)) {
        Ok((artifacts, inference_time_ms)) => Outcome::Artifacts { artifacts, inference_time_ms },
        Err(MlError { code, detail, is_given_back: true, .. }) => Outcome::GivenBack(TaskError { code, detail }),
        Err(MlError { code, detail, suspect: Some(suspect), .. }) => {
            Outcome::Crashed(TaskError { code, detail }, suspect)
        }
        Err(MlError { code, detail, suspect: None, .. }) => Outcome::Failed(TaskError { code, detail }),
    }
}

fn parse(task: &Task, bytes: &[u8]) -> Result<MlResult, MlError> {
    if bytes.len() > MAX_RESULT_BYTES {
        return Err(invalid(format!("the result has {} bytes, at most {MAX_RESULT_BYTES} are taken", bytes.len())));
    }
    let result: MlResult =
        serde_json::from_slice(bytes).map_err(|error| invalid(format!("the result cannot be read: {error}")))?;
    let expected = (task.spec.id, task.attempt, task.run_id);
    let given = (result.attempt.task_id, result.attempt.attempt, Some(result.provenance.run_id));
    if given != expected {
        return Err(invalid("the result belongs to another run".to_owned()));
    }
    Ok(result)
}

fn artifacts(task: &Task, result: MlResult, now: Timestamp) -> Result<(Vec<Artifact>, Option<f64>), MlError> {
    let MlResult { provenance, timings, outcome, .. } = result;
    let items = match outcome {
        MlOutcome::Items(items) if items.len() > MAX_ITEMS => {
            return Err(invalid(format!("the result has {} items, at most {MAX_ITEMS} are taken", items.len())));
        }
        MlOutcome::Items(items) => items,
        MlOutcome::Error(error) => return Err(error),
    };
    if provenance.config_hash != task.spec.config_hash {
        return Err(invalid("the result was made with another configuration".to_owned()));
    }
    let artifact = |(index, item): (usize, MlItem)| {
        check(index, &item)?;
        Ok(Artifact {
            id: ArtifactId::generate(),
            tenant_id: task.spec.tenant_id,
            task_id: task.spec.id,
            ordinal: i32::try_from(index).unwrap_or(i32::MAX),
            artifact_type: item.artifact_type,
            schema_version: item.artifact_type.schema_version(),
            span_start_ms: item.span_start_ms,
            span_end_ms: item.span_end_ms,
            payload: item.payload,
            provenance: provenance.clone(),
            created_at: now,
        })
    };
    let artifacts = items.into_iter().enumerate().map(artifact).collect::<Result<Vec<_>, _>>()?;
    let ran = provenance.model_sha256.is_some();
    Ok((artifacts, ran.then_some(timings.inference_ms)))
}

fn check(index: usize, item: &MlItem) -> Result<(), MlError> {
    if item.span_start_ms < 0 || item.span_end_ms < item.span_start_ms {
        return Err(invalid(format!("item {index}: the span {}..{} is not one", item.span_start_ms, item.span_end_ms)));
    }
    let checked = item.artifact_type.check(item.artifact_type.schema_version(), &item.payload);
    checked.map_err(|error| invalid(format!("item {index}: {error}")))
}

fn invalid(detail: String) -> MlError {
    MlError::new(ErrorCode::InvalidResult, detail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ortolan_domain::artifact::ArtifactType;
    use ortolan_domain::job::{Attempt, Provenance, Timings};
    use ortolan_domain::route::QueueName;
    use ortolan_domain::task::NewTask;
    use ortolan_domain::{Origin, Priority, RunId, TaskId, TaskStatus, TaskType, TenantId, TenantSlug};
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;

    fn task() -> Task {
        let now = Timestamp::from_micros(1);
        let spec = NewTask {
            id: TaskId::generate(),
            tenant_id: TenantId::generate(),
            tenant: TenantSlug::parse("a").unwrap(),
            task_type: TaskType::ObjectDetection,
            queue: QueueName::GpuJobs,
            priority: Priority::Normal,
            config: RawValue::from_string("{}".to_owned()).unwrap(),
            config_hash: "c".to_owned(),
            input: None,
            created_at: now,
            expires_at: None,
            origin: Origin::default(),
        };
        let (status, attempt, version, run_id) = (TaskStatus::Running, 2, 3, Some(RunId::generate()));
        let (queued_at, started_at) = (Some(now), Some(now));
        Task { status, attempt, version, run_id, queued_at, started_at, ..Task::pending(spec) }
    }

    fn result(task: &Task, outcome: MlOutcome) -> MlResult {
        let provenance = Provenance {
            run_id: task.run_id.unwrap(),
            config_hash: "c".to_owned(),
            input_hash: "i".to_owned(),
            producer: "p".to_owned(),
            producer_version: "1".to_owned(),
            model_profile: "balanced".to_owned(),
            model_sha256: Some("m".to_owned()),
            request_id: None,
        };
        let attempt = Attempt { task_id: task.spec.id, attempt: task.attempt };
        MlResult { attempt, provenance, timings: Timings::default(), outcome }
    }

    fn item(confidence: f64) -> MlItem {
        let payload = json!({"label": "x", "class_id": 0, "confidence": confidence, "frame_number": 0,
            "bounding_box": {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0}});
        MlItem { artifact_type: ArtifactType::ObjectDetection, span_start_ms: 0, span_end_ms: 0, payload }
    }

    fn failure(outcome: Outcome) -> TaskError {
        match outcome {
            Outcome::Failed(error) => error,
            other => panic!("no plain failure: {other:?}"),
        }
    }

    #[test]
    fn good_items_become_artifacts_in_order() {
        let task = task();
        let bytes = serde_json::to_vec(&result(&task, MlOutcome::Items(vec![item(0.9), item(0.8)]))).unwrap();
        let Outcome::Artifacts { artifacts, inference_time_ms } = read(&task, &bytes, task.run_at) else {
            panic!("refused")
        };
        assert_eq!(artifacts.iter().map(|a| a.ordinal).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(artifacts[0].provenance.run_id, task.run_id.unwrap());
        assert_eq!(inference_time_ms, Some(0.0));
    }

    #[test]
    fn one_bad_item_refuses_all_and_is_named() {
        let task = task();
        let bytes = serde_json::to_vec(&result(&task, MlOutcome::Items(vec![item(0.9), item(1.9)]))).unwrap();
        let error = failure(read(&task, &bytes, task.run_at));
        assert_eq!(error.code, ErrorCode::InvalidResult);
        assert_eq!(error.detail, "item 1: confidence: must be from 0 to 1, was 1.9");
    }

    #[test]
    fn a_result_of_another_run_attempt_or_configuration_is_refused() {
        let task = task();
        let mut other = result(&task, MlOutcome::Items(vec![]));
        other.attempt.attempt = 1;
        let mut forged = result(&task, MlOutcome::Items(vec![]));
        forged.provenance.run_id = RunId::generate();
        let mut changed = result(&task, MlOutcome::Items(vec![]));
        changed.provenance.config_hash = "d".to_owned();
        for bad in [other, forged, changed] {
            let bytes = serde_json::to_vec(&bad).unwrap();
            assert_eq!(failure(read(&task, &bytes, task.run_at)).code, ErrorCode::InvalidResult);
        }
        assert_eq!(failure(read(&task, b"{", task.run_at)).code, ErrorCode::InvalidResult);
    }

    #[test]
    fn a_result_beyond_the_limits_is_refused_before_it_is_read() {
        let task = task();
        // Zeroed memory that nobody touches takes no room.
        let error = failure(read(&task, &vec![0; MAX_RESULT_BYTES + 1], task.run_at));
        assert_eq!(error.code, ErrorCode::InvalidResult);
        assert_eq!(error.detail, "the result has 268435457 bytes, at most 268435456 are taken");
        let items = std::iter::repeat_n(item(0.5), MAX_ITEMS + 1).collect();
        let bytes = serde_json::to_vec(&result(&task, MlOutcome::Items(items))).unwrap();
        let error = failure(read(&task, &bytes, task.run_at));
        assert_eq!(error.detail, "the result has 100001 items, at most 100000 are taken");
    }

    #[test]
    fn an_error_keeps_its_code() {
        let task = task();
        let outcome = MlOutcome::Error(MlError::new(ErrorCode::Crashed, "it crashed"));
        let bytes = serde_json::to_vec(&result(&task, outcome)).unwrap();
        assert_eq!(failure(read(&task, &bytes, task.run_at)).code, ErrorCode::Crashed);
    }

    #[test]
    fn a_run_that_was_given_back_is_no_failure() {
        let task = task();
        let bytes = serde_json::to_vec(&result(&task, MlOutcome::Error(MlError::given_back()))).unwrap();
        let Outcome::GivenBack(error) = read(&task, &bytes, task.run_at) else { panic!("a failure") };
        assert_eq!(error.code, ErrorCode::Unavailable);
    }

    #[test]
    fn a_crash_names_what_crashed() {
        let task = task();
        let suspect = || CrashSuspect { model: "detect".into(), model_sha256: "m".into(), input_hash: "i".into() };
        let error = MlError::new(ErrorCode::Crashed, "it crashed").suspecting(suspect);
        let bytes = serde_json::to_vec(&result(&task, MlOutcome::Error(error))).unwrap();
        let Outcome::Crashed(error, named) = read(&task, &bytes, task.run_at) else { panic!("not a crash") };
        assert_eq!((error.code, *named), (ErrorCode::Crashed, suspect()));
    }
}
