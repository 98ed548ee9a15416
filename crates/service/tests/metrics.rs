//! The metrics as Prometheus reads them.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use ortolan_domain::route::QueueName;
use ortolan_domain::{TaskStatus, TaskType};
use ortolan_service::telemetry::metrics::{self, metrics_handle};

#[test]
fn what_is_recorded_is_rendered_with_closed_labels() {
    metrics_handle().unwrap();
    metrics::task_ended(TaskType::ObjectDetection, TaskStatus::Completed, Duration::from_millis(30));
    metrics::queue_depth(QueueName::GpuJobs, TaskStatus::Queued, 7, Duration::from_millis(1500));
    metrics::ml_permits(2, 1, 2);
    metrics::http_answered("BREW", "/api/v1/tasks/{id}", 405, Duration::from_millis(2));
    // A second handle renders the same recorder.
    let text = metrics_handle().unwrap().render();
    for line in [
        r#"ortolan_tasks_total{task_type="object_detection",status="completed"} 1"#,
        r#"ortolan_task_duration_seconds_bucket{task_type="object_detection",status="completed",le="0.025"} 0"#,
        r#"ortolan_task_duration_seconds_bucket{task_type="object_detection",status="completed",le="0.05"} 1"#,
        r#"ortolan_queue_depth{queue="gpu_jobs",status="queued"} 7"#,
        r#"ortolan_queue_oldest_age_seconds{queue="gpu_jobs",status="queued"} 1.5"#,
        "ortolan_ml_permits_in_use 1",
        r#"ortolan_http_requests_total{method="other",route="/api/v1/tasks/{id}",status="405"} 1"#,
        "# TYPE ortolan_task_duration_seconds histogram",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}
