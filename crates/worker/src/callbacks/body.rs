//! What is sent.

use std::collections::BTreeMap;

use bytes::Bytes;
use ortolan_domain::pipeline::{PipelineConfig, PipelineResultV1, ResultDetection};
use ortolan_domain::{Task, TaskStatus};
use ortolan_store::Delivery;
use serde_json::{Map, Value, json};

/// Results of more bytes than this are not sent along: receivers fetch them.
const MAX_RESULT_BYTES: usize = 4 << 20;

/// A webhook: what happened, when, and the result of a pipeline or the error.
pub(super) fn webhook(delivery: &Delivery, task: &Task, result: Option<&Value>) -> Bytes {
    let mut data = result.and_then(Value::as_object).cloned().unwrap_or_default();
    let size_bytes = data.get("results").map_or(0, |results| results.to_string().len());
    if size_bytes > MAX_RESULT_BYTES {
        data.insert("results".to_owned(), Value::Null);
    }
    data.insert("task_id".to_owned(), json!(task.spec.id));
    data.insert("task_type".to_owned(), json!(task.spec.task_type));
    data.insert("tenant_id".to_owned(), json!(delivery.tenant));
    data.insert("status".to_owned(), json!(delivery.event));
    data.insert("success".to_owned(), json!(delivery.event == TaskStatus::Completed));
    data.insert("error".to_owned(), json!(delivery.error));
    let body = json!({
        "type": format!("task.{}", delivery.event),
        "timestamp": delivery.created_at,
        "data": data,
    });
    body.to_string().into()
}

/// Results in the backend's shape.
pub(super) fn results(task: &Task, result: &PipelineResultV1) -> Bytes {
    let detections: Vec<_> = result.results.detections.iter().map(detection).collect();
    let classifications = result.results.classifications_raw.iter().flat_map(|classes| &classes.predictions);
    let classifications: Vec<_> =
        classifications.map(|class| json!({"label": class.label, "confidence": class.confidence})).collect();
    let body = json!({
        "sessionId": result.session_id,
        "imageId": result.image_id,
        "detections": detections,
        "classifications": classifications,
        "estimations": estimations(&result.results.counted),
        "metadata": {
            "taskId": task.spec.id,
            "tenantId": result.tenant_id,
            "pipelineType": result.pipeline_type,
            "durationMs": result.duration_ms,
            "stepsCompleted": result.steps_completed,
            "processedAt": result.processed_at,
            "uploads": result.results.uploads.iter().map(|upload| &upload.path).collect::<Vec<_>>(),
        },
    });
    body.to_string().into()
}

/// The error of a pipeline in the backend's shape.
pub(super) fn error(delivery: &Delivery, task: &Task) -> Bytes {
    let config = serde_json::from_str::<PipelineConfig>(task.spec.config.get()).ok();
    let session = config.as_ref().and_then(|config| config.session_id);
    let image = config.map(|config| config.image_id_or(task.spec.input.as_ref(), task.spec.id));
    let error = delivery.error.as_ref();
    let body = json!({
        "sessionId": session,
        "imageId": image,
        "error": error.map_or("the task was cancelled", |error| error.detail.as_str()),
        "errorCode": error.map_or("cancelled", |error| error.code.as_str()),
        "metadata": {"taskId": task.spec.id, "tenantId": delivery.tenant, "status": delivery.event},
    });
    body.to_string().into()
}

fn detection(found: &ResultDetection) -> Value {
    let (x, y, width, height) = (found.center_x_px, found.center_y_px, found.width_px, found.height_px);
    let bounds = json!({
        "x1": x - width / 2.0, "y1": y - height / 2.0, "x2": x + width / 2.0, "y2": y + height / 2.0,
    });
    json!({"label": found.class_name, "confidence": found.confidence, "boundingBox": bounds})
}

/// What steps have counted: a number as it is, a table entry by entry.
fn estimations(counted: &BTreeMap<String, Value>) -> Vec<Value> {
    let one = |kind: String, value: &Value| json!({"estimationType": kind, "value": value, "unit": "count"});
    let table = |name: &str, entries: &Map<String, Value>| -> Vec<Value> {
        entries
            .iter()
            .filter(|(_, value)| value.is_number())
            .map(|(key, value)| one(format!("{name}.{key}"), value))
            .collect()
    };
    let each = |(name, value): (&String, &Value)| match value {
        Value::Number(_) => vec![one(name.clone(), value)],
        Value::Object(entries) => table(name, entries),
        _ => Vec::new(),
    };
    counted.iter().flat_map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_estimated_entry_by_entry() {
        let counted = [
            ("size_distribution".to_owned(), json!({"L": 1, "M": 4})),
            ("total_detections".to_owned(), json!(5)),
            ("note".to_owned(), json!("not a number")),
        ];
        let kinds: Vec<_> = estimations(&counted.into())
            .iter()
            .map(|one| (one["estimationType"].clone(), one["value"].clone()))
            .collect();
        let expected = [
            (json!("size_distribution.L"), json!(1)),
            (json!("size_distribution.M"), json!(4)),
            (json!("total_detections"), json!(5)),
        ];
        assert_eq!(kinds, expected);
    }
}
