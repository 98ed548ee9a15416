//! What the server answers, as far as this client reads it. The rest is kept in `more`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// A task.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Task {
    /// Its id.
    pub task_id: Uuid,
    /// What kind of work it is.
    pub task_type: String,
    /// Where it stands.
    pub status: String,
    /// How often it was handed out.
    #[serde(default)]
    pub attempt: u32,
    /// Share of the work that is done, 0 to 1, where that is known.
    #[serde(default)]
    pub progress: Option<f64>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<TaskError>,
    /// When it was submitted, RFC 3339.
    #[serde(default)]
    pub created_at: String,
    /// From submission to start.
    #[serde(default)]
    pub queue_time_ms: Option<f64>,
    /// Time in the model.
    #[serde(default)]
    pub inference_time_ms: Option<f64>,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Why a task failed.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct TaskError {
    /// A word for programs.
    pub code: String,
    /// What happened.
    pub detail: String,
}

/// Where a task stands at a moment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TaskSignal {
    /// Its status.
    pub status: String,
    /// How often it was handed out.
    pub attempt: u32,
    /// Share of the work that is done, 0 to 1, where that is known.
    pub progress: Option<f64>,
    /// From submission to start, once it was started.
    pub queue_time_ms: Option<f64>,
}

impl TaskSignal {
    /// True when nothing more happens by itself.
    pub fn is_terminal(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "failed" | "cancelled")
    }
}

impl Task {
    /// Where it stands.
    pub fn signal(&self) -> TaskSignal {
        TaskSignal {
            status: self.status.clone(),
            attempt: self.attempt,
            progress: self.progress,
            queue_time_ms: self.queue_time_ms,
        }
    }
}

/// A page of tasks.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct TaskPage {
    /// The tasks of this page.
    #[serde(alias = "items")]
    pub tasks: Vec<Task>,
    /// How many there are on all pages.
    pub total: u64,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// One result of a task.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Artifact {
    /// What it is, for instance `object.detection`.
    pub artifact_type: String,
    /// The result itself.
    pub payload: Value,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A tenant.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// A disabled tenant's keys are refused.
    #[serde(default)]
    pub disabled: bool,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created_at: String,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Who asks.
#[derive(Debug, Clone, Deserialize)]
pub struct Me {
    /// What the key may do.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The tenant that requests act for; none for an operator who names none.
    #[serde(default)]
    pub tenant: Option<Tenant>,
}

/// An API key.
#[derive(Deserialize, Serialize)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it may do.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created_at: String,
    /// The key itself, in the answer that makes it and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A model in a slot.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Slot {
    /// Which slot.
    pub slot: String,
    /// SHA-256 of the file; none while the slot is empty.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Size of the file.
    #[serde(default)]
    pub size_bytes: Option<u64>,
    /// When it was put there, RFC 3339.
    #[serde(default)]
    pub updated_at: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_of_other_versions_are_kept() {
        let answer = json!({"task_id": "0190c7a0-0000-7000-8000-000000000000", "task_type": "noop", "status": "running", "attempt": 2, "progress": 0.5, "error": null,
            "created_at": "2026-01-01T00:00:00Z", "queue_time_ms": 1.5, "inference_time_ms": null, "colour": {"deep": [1]}});
        let task: Task = serde_json::from_value(answer.clone()).unwrap();
        assert_eq!(serde_json::to_value(&task).unwrap(), answer);
        assert_eq!(task.signal().attempt, 2);
        assert!(!task.signal().is_terminal());
    }
}
