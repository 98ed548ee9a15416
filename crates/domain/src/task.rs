//! Tasks: durable rows, and the one table of their legal moves.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id::{MediaId, RunId, TaskId, TenantId, VideoId};
use crate::origin::Origin;
use crate::route::QueueName;
use crate::slot::Slot;
use crate::tenant::TenantSlug;
use crate::time::Timestamp;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    /// Waits in the database to be dispatched.
    Pending,
    /// A delivery for it is on its way to a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Ended well; its artifacts are stored.
    Completed,
    /// Ended with an error.
    Failed,
    /// Ended by its owner.
    Cancelled,
}

impl TaskStatus {
    /// All statuses in the order of a task's life.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Queued, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// The word used in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text))
    }

    /// True when nothing but a user's retry moves the task on.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// True when [`TRANSITIONS`] has a move from here to `next`.
    pub fn may_become(self, next: Self) -> bool {
        TRANSITIONS.iter().any(|(from, to, _)| (*from, *to) == (self, next))
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a task moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Move {
    /// Dispatch hands it to a queue; `attempt` grows by one.
    Dispatch,
    /// A worker takes the delivery and with it the lease.
    Claim,
    /// The owner of the lease stores the result.
    Complete,
    /// The owner of the lease gives up for good, or the tries are used up.
    Fail,
    /// A transient failure with tries left.
    RetryLater,
    /// The lease ran out: the worker died or lost touch.
    LoseLease,
    /// The delivery never arrived.
    Undelivered,
    /// The queue did not take the delivery: `attempt` counts back by one, as nobody can have claimed it.
    NotSent,
    /// The owner cancelled it.
    Cancel,
    /// It was not started before it expired.
    Expire,
    /// The owner wants it done again.
    UserRetry,
}

/// Every legal move of a task, and nothing else is.
pub const TRANSITIONS: [(TaskStatus, TaskStatus, Move); 15] = {
    use Move::*;
    use TaskStatus::*;
    [
        (Pending, Queued, Dispatch),
        (Queued, Running, Claim),
        (Running, Completed, Complete),
        (Running, Failed, Fail),
        (Running, Pending, RetryLater),
        (Running, Pending, LoseLease),
        (Queued, Pending, Undelivered),
        (Queued, Pending, NotSent),
        (Pending, Cancelled, Cancel),
        (Queued, Cancelled, Cancel),
        (Running, Cancelled, Cancel),
        (Pending, Failed, Expire),
        (Queued, Failed, Expire),
        (Failed, Pending, UserRetry),
        (Cancelled, Pending, UserRetry),
    ]
};

/// How urgent a task is among its tenant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// After everything else.
    Low,
    /// The usual.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

impl Priority {
    /// All priorities, the lowest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// The number used in the database: a higher one goes first.
    pub const fn rank(self) -> i16 {
        self as i16
    }

    /// Reads the number.
    pub fn from_rank(rank: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.rank() == rank)
    }
}

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskType {
    /// Boxes around objects in a picture.
    ObjectDetection,
    /// Masks of objects in a picture.
    Segmentation,
    /// Classes of a picture.
    Classification,
    /// Boxes around objects in a large picture, looked at tile by tile.
    SahiDetection,
    /// Several steps over one picture.
    Pipeline,
    /// Named tensors through a version in the registry: a job.
    Inference,
    /// Goes the whole way and does nothing, for benches and health.
    Noop,
}

impl TaskType {
    /// All types that can be submitted.
    pub const ALL: [Self; 7] = [
        Self::ObjectDetection,
        Self::Segmentation,
        Self::Classification,
        Self::SahiDetection,
        Self::Pipeline,
        Self::Inference,
        Self::Noop,
    ];

    /// The word used in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ObjectDetection => "object_detection",
            Self::Segmentation => "segmentation",
            Self::Classification => "classification",
            Self::SahiDetection => "sahi_detection",
            Self::Pipeline => "pipeline",
            Self::Inference => "inference",
            Self::Noop => "noop",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The tenant's model slot that the task runs, if it runs one; a pipeline's steps say it each for itself.
    pub const fn slot(self) -> Option<Slot> {
        match self {
            Self::ObjectDetection | Self::SahiDetection => Some(Slot::Detect),
            Self::Segmentation => Some(Slot::Segment),
            Self::Classification => Some(Slot::Classify),
            Self::Pipeline | Self::Inference | Self::Noop => None,
        }
    }

    /// True when the task looks at a media object.
    pub const fn needs_media(self) -> bool {
        !matches!(self, Self::Noop)
    }
}

impl fmt::Display for TaskType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The media object that a task looks at, as it was when the task was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInput {
    /// Which media object.
    pub media_id: MediaId,
    /// Where its bytes lie in the object store.
    pub object_path: String,
    /// SHA-256 of its bytes in hexadecimal: the task's `input_hash`.
    pub sha256: String,
}

/// A task that is about to be submitted.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Its id, made by the caller.
    pub id: TaskId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The tenant's name, which object paths and cache keys need.
    pub tenant: TenantSlug,
    /// What it does.
    pub task_type: TaskType,
    /// Where it will be delivered.
    pub queue: QueueName,
    /// How urgent it is.
    pub priority: Priority,
    /// The full configuration as checked JSON; a retry runs with the same.
    pub config: Box<RawValue>,
    /// SHA-256 of the canonical configuration.
    pub config_hash: String,
    /// What it looks at.
    pub input: Option<TaskInput>,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// Until when it must have started.
    pub expires_at: Option<Timestamp>,
    /// Which request asked for it, in which trace.
    pub origin: Origin,
}

/// A task's error as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskError {
    /// A word from the table of error codes.
    pub code: crate::error::ErrorCode,
    /// What happened, in our words.
    pub detail: String,
}

/// A stored task.
#[derive(Debug, Clone)]
pub struct Task {
    /// What was submitted.
    pub spec: NewTask,
    /// Where it stands.
    pub status: TaskStatus,
    /// The fencing token: grows with every dispatch and is never reset. Only a dispatch that the queue did not take is not
    /// counted; nothing was ever written with its number.
    pub attempt: i64,
    /// Transient failures since it was submitted or retried by its owner.
    pub failures: i32,
    /// Lost leases since it was submitted or retried by its owner.
    pub crashes: i32,
    /// Grows with every change of status: the id of the task's latest event.
    pub version: i64,
    /// Not dispatched before this.
    pub run_at: Timestamp,
    /// When it was dispatched last.
    pub queued_at: Option<Timestamp>,
    /// When it was claimed last.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// The latest run.
    pub run_id: Option<RunId>,
    /// The worker of the latest run.
    pub worker_id: Option<String>,
    /// Until when the run must have ended.
    pub deadline_at: Option<Timestamp>,
    /// How far the run is, 0 to 1.
    pub progress: Option<f64>,
    /// How long the model itself took.
    pub inference_time_ms: Option<f64>,
    /// Why it failed.
    pub error: Option<TaskError>,
}

impl Task {
    /// A task as its submission leaves it: pending, at its first version, and to be dispatched at once.
    pub const fn pending(spec: NewTask) -> Self {
        Self {
            run_at: spec.created_at,
            spec,
            status: TaskStatus::Pending,
            attempt: 0,
            failures: 0,
            crashes: 0,
            version: 1,
            queued_at: None,
            started_at: None,
            completed_at: None,
            run_id: None,
            worker_id: None,
            deadline_at: None,
            progress: None,
            inference_time_ms: None,
            error: None,
        }
    }

    /// How long it waited from submission, or its latest retry, to the start of its run, in milliseconds.
    pub fn queue_time_ms(&self) -> Option<f64> {
        let started = self.started_at?;
        Some(started.ms_since(self.spec.created_at.max(self.run_at)).max(0.0))
    }

    /// The video it belongs to; picture tasks belong to none.
    pub const fn video_id(&self) -> Option<VideoId> {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_survive_the_round_trip() {
        for status in TaskStatus::ALL {
            assert_eq!(TaskStatus::parse(&status.as_str().to_uppercase()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        for kind in TaskType::ALL {
            assert_eq!(TaskType::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for priority in Priority::ALL {
            assert_eq!(Priority::from_rank(priority.rank()), Some(priority));
        }
    }

    #[test]
    fn completed_is_final_and_other_ends_only_know_retry() {
        for next in TaskStatus::ALL {
            assert!(!TaskStatus::Completed.may_become(next));
            for end in [TaskStatus::Failed, TaskStatus::Cancelled] {
                assert_eq!(end.may_become(next), next == TaskStatus::Pending);
            }
        }
    }

    #[test]
    fn every_open_status_can_be_cancelled() {
        for status in TaskStatus::ALL {
            assert_eq!(status.may_become(TaskStatus::Cancelled), !status.is_terminal());
        }
    }
}
