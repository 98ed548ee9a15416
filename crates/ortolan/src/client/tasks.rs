//! Tasks and their results.

use ortolan_domain::media::PictureFormat;
use ortolan_domain::{Priority, TaskType};
use reqwest::Method;
use reqwest::multipart::Form;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::pages::Paging;
use super::views::TaskPage;
use super::{Artifact, Client, ClientError, Task, Upload};

/// A task to be submitted.
#[derive(Debug, Clone, Serialize)]
pub struct NewTask {
    /// What kind of work it is.
    pub task_type: TaskType,
    /// Media that was uploaded before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_id: Option<Uuid>,
    /// Settings of the work.
    pub config: Map<String, Value>,
    /// How urgent it is.
    pub priority: Priority,
}

/// Which tasks are listed.
#[derive(Debug, Clone, Serialize)]
pub struct TaskFilter {
    /// Only those with this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// Only those of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_type: Option<&'static str>,
    /// What they are sorted by.
    pub sort_by: &'static str,
    /// `asc` or `desc`.
    pub sort_order: &'static str,
    /// How many, 1 to 100.
    pub limit: u32,
    /// How many are left out before.
    pub offset: u64,
}

impl Client {
    /// Submits a task, with its file unless it names media or needs none. With an idempotency key the same call again gives
    /// the same task.
    pub async fn submit(
        &self,
        task: &NewTask,
        file: Option<Upload>,
        idempotency_key: Option<&str>,
    ) -> Result<Task, ClientError> {
        let mut request = self.request(Method::POST, "/tasks");
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let request = match file {
            None => request.json(task),
            Some(file) => {
                let text = serde_json::to_string(task).unwrap_or_default();
                request.multipart(Form::new().text("task", text).part("file", file.into_part()))
            }
        };
        self.json(request).await
    }

    /// One task.
    pub async fn task(&self, id: Uuid) -> Result<Task, ClientError> {
        self.json(self.request(Method::GET, &format!("/tasks/{id}"))).await
    }

    /// A page of tasks.
    pub async fn tasks(&self, filter: &TaskFilter) -> Result<TaskPage, ClientError> {
        self.json(self.request(Method::GET, "/tasks").query(filter)).await
    }

    /// Cancels a task that has not ended.
    pub async fn cancel_task(&self, id: Uuid) -> Result<Value, ClientError> {
        self.json(self.request(Method::POST, &format!("/tasks/{id}/cancel"))).await
    }

    /// Starts a failed or cancelled task again.
    pub async fn retry_task(&self, id: Uuid) -> Result<Value, ClientError> {
        self.json(self.request(Method::POST, &format!("/tasks/{id}/retry"))).await
    }

    /// Has lost work found and repaired now, and gives the report.
    pub async fn reconcile(&self) -> Result<Value, ClientError> {
        self.json(self.request(Method::POST, "/tasks/reconcile")).await
    }

    /// A task's picture with what was found in it, as a file.
    pub async fn annotated(
        &self,
        id: Uuid,
        format: PictureFormat,
        max_px: Option<u32>,
    ) -> Result<Vec<u8>, ClientError> {
        let query = [("format", Some(format.as_str().to_owned())), ("max_px", max_px.map(|edge| edge.to_string()))];
        self.bytes(self.request(Method::GET, &format!("/tasks/{id}/annotated")).query(&query)).await
    }

    /// The first `most` results of a task.
    pub async fn artifacts(&self, id: Uuid, most: usize) -> Result<Vec<Artifact>, ClientError> {
        self.list(&format!("/tasks/{id}/artifacts"), Paging::Offset, most).await
    }
}
